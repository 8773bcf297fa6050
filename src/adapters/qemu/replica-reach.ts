import { connect } from "node:net";
import { refuse } from "../../model/reason.ts";
import type { HypervisorEnd, VmRun } from "../../ports/hypervisor.ts";
import type { Door } from "../../ports/migration.ts";

const limits = { reachMs: 1_000 } as const;

/** Somebody listens there: who it is, a connection of the relay's finds out. */
export async function reach(run: VmRun, doors: readonly Door[]): Promise<HypervisorEnd> {
  for (const door of doors) if (await listensAt(door)) return { kind: "done" };
  return refuse("replica-resync-ended", { vm: run.vm, detail: "none of its addresses answers" });
}

function listensAt({ address: host, port }: Door): Promise<boolean> {
  return new Promise((told) => {
    const socket = connect({ host, port, timeout: limits.reachMs });
    const tell = (answers: boolean): void => {
      socket.destroy();
      told(answers);
    };
    socket.once("connect", () => tell(true));
    socket.once("timeout", () => tell(false));
    socket.once("error", () => tell(false));
  });
}

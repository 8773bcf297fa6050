import { setTimeout as sleep } from "node:timers/promises";
import { connectQmp, type Qmp } from "../src/adapters/qemu/qmp.ts";

// What every sequence by hand does with a QEMU, or with a storage daemon.

const limitMs = 30_000;
type Listener = Parameters<typeof connectQmp>[1];

export async function qmpOf(path: string, event: Listener["event"] = () => undefined): Promise<Qmp> {
  for (const giveUpAt = performance.now() + limitMs; performance.now() < giveUpAt; await sleep(5)) {
    const qmp = await connectQmp(path, { event, end: () => undefined }, limitMs);
    if (qmp !== undefined) return qmp;
  }
  throw new Error(`Nobody answers at ${path}`);
}

/** Throws where it is not done. */
export async function execute(qmp: Qmp, command: string, args?: object): Promise<unknown> {
  const end = await qmp.execute(command, args, { limitMs });
  if (end.kind !== "done") throw new Error(`${command}: ${JSON.stringify(end)}`);
  return end.value;
}

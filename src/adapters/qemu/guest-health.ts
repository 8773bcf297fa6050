import { createConnection } from "node:net";
import type { GuestHealth } from "../../ports/migration.ts";
import type { LiveRun } from "./host.ts";
import { queryStatus } from "./watch.ts";

/** A guest that just came in has much to catch up with. */
const pingMs = 3_000;

/** What QEMU calls a running guest may be a wreck: its agent, where it has one, answers only out of a living system. */
export async function checkGuest(live: LiveRun | undefined): Promise<GuestHealth> {
  if (live === undefined) return { executes: false, agent: "absent" };
  const executes = (await queryStatus(live)) === "running";
  if (!executes || !(await hasAgent(live))) return { executes, agent: "absent" };
  return { executes, agent: (await pingGuest(live.paths.agent, pingMs)) ? "answers" : "silent" };
}

/** Whether somebody in the guest holds the agent's channel open. */
async function hasAgent(live: LiveRun): Promise<boolean> {
  const end = await live.qmp?.execute("query-chardev");
  const devices = end?.kind === "done" && Array.isArray(end.value) ? end.value : [];
  return devices.some((device) => device?.label === "agent" && device?.["frontend-open"] === true);
}

/** `guest-sync` besides the ping: an answer of an earlier question may still lie in the channel. */
export function pingGuest(path: string, limitMs: number): Promise<boolean> {
  const token = Math.floor(performance.now() * 1_000);
  return new Promise((resolve) => {
    const socket = createConnection({ path });
    let text = "";
    const finish = (answers: boolean): void => {
      clearTimeout(limit);
      socket.destroy();
      resolve(answers);
    };
    const limit = setTimeout(() => finish(false), limitMs);
    socket.on("error", () => finish(false));
    socket.on("close", () => finish(false));
    socket.on("connect", () =>
      socket.write(`${JSON.stringify({ execute: "guest-sync", arguments: { id: token } })}\n`),
    );
    socket.setEncoding("utf8").on("data", (data: string) => {
      text = (text + data).slice(-4_096);
      if (new RegExp(`"return":\\s*${token}\\b`, "u").test(text)) finish(true);
    });
  });
}

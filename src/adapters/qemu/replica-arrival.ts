import { setTimeout as sleep } from "node:timers/promises";
import type { Qmp } from "./qmp.ts";
import { type MirrorNames, startMirror } from "./replica-job.ts";

const pollMs = 3;

/**
 * The mirrors of a guest that has come in and not gone on (S15): not sooner, because what QEMU opens while it waits for a guest
 * is asleep until that goes on. Undefined: each of its writes will be noted from the first one on; otherwise why not.
 */
export async function mirrorArrived(
  qmp: Qmp,
  mirrors: readonly { readonly name: MirrorNames; readonly socket: string; readonly volume: string }[],
  limitMs: number,
): Promise<string | undefined> {
  for (const giveUpAt = performance.now() + limitMs; ; await sleep(pollMs)) {
    const status = await statusOf(qmp, "query-migrate");
    if (status === "completed" && (await statusOf(qmp, "query-status")) === "paused") break;
    if (status === "failed" || performance.now() > giveUpAt) return `its guest has not come in: ${status}`;
  }
  for (const { name, socket, volume } of mirrors) {
    const trouble = await startMirror(qmp, name, { socket, volume, sync: "none" });
    if (trouble !== undefined) return trouble;
  }
  return undefined;
}

async function statusOf(qmp: Qmp, question: string): Promise<string> {
  const end = await qmp.execute(question);
  const value = end.kind === "done" ? (end.value as { readonly status?: unknown }) : {};
  return typeof value.status === "string" ? value.status : "unknown";
}

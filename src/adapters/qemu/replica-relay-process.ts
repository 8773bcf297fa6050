import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isProcessOf, processesOf } from "../linux/process.ts";
import { endDaemon } from "./replica-daemon.ts";

/** What a relay starts from: its command line names it, and no other process's does. */
export function configFile(folder: string): string {
  return join(folder, "relay.json");
}

function noteFile(folder: string): string {
  return join(folder, "relay.pid");
}

/** For an agent that did not start it, and never hears it where it hangs. */
export function noteRelay(folder: string, pid: number): void {
  writeFileSync(noteFile(folder), `${pid}\n`, { mode: 0o600 });
}

/**
 * Whatever hangs at its control socket: QEMU would wait for it for ever (S16). `heard`: the process that the relay itself named.
 * False: something of it is left.
 */
export async function endRelays(folder: string, heard: number | undefined): Promise<boolean> {
  const file = configFile(folder);
  const known = [heard, noted(folder)].filter((pid) => pid !== undefined).filter((pid) => isProcessOf(pid, file));
  // One that nobody noted: an earlier version started it.
  const found = known.length > 0 ? known : processesOf(`\0${file}\0`);
  const ends = await Promise.all(found.map((pid) => endDaemon(pid, file)));
  return ends.every((isGone) => isGone);
}

function noted(folder: string): number | undefined {
  try {
    const pid = Number(readFileSync(noteFile(folder), "utf8").trim());
    return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

import { readdirSync, readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { resolve } from "node:path";
import { parseLine, type RelayState, relaySaysSchema } from "../../src/adapters/nbd/relay-control.ts";

export const relayCommand = [process.execPath, resolve(import.meta.dirname, "../../src/main/relay.ts")];

/** The one that serves in this folder. */
export function relayPid(folder: string): number {
  const pid = readdirSync("/proc").find((name) => /^\d+$/u.test(name) && commandLine(name).includes(`${folder}/`));
  if (pid === undefined) throw new Error("There is no relay");
  return Number(pid);
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

/** What a relay says of itself to whoever connects. */
export function relayOf(control: string): Promise<RelayState> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path: control });
    let text = "";
    socket.on("error", reject);
    socket.setEncoding("utf8").on("data", (data: string) => {
      text += data;
      const says = text.includes("\n") ? parseLine(relaySaysSchema, text.slice(0, text.indexOf("\n"))) : undefined;
      if (says === undefined) return;
      socket.destroy();
      resolve(says.state);
    });
  });
}

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { ownIncarnationSchema } from "../../model/heart-line.ts";
import { parseJson } from "../../model/json.ts";
import type { IncarnationFile, OwnIncarnation } from "../../ports/heart-host.ts";

/** `incarnation.json` in the run folder: it must be gone after a boot (tmpfs), for then nothing of the host runs. */
export function incarnationFile(path: string, log: (line: string) => void): IncarnationFile {
  return {
    read: () => {
      const parsed = ownIncarnationSchema.safeParse(parseJson(readText(path)));
      return parsed.success ? parsed.data : null;
    },
    write: (own, done) => done(write(path, own, log)),
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // absent and unreadable are the same here: not known to be ours
  }
}

function write(path: string, own: OwnIncarnation, log: (line: string) => void): boolean {
  try {
    writeFileSync(`${path}.new`, `${JSON.stringify(own)}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
    return true;
  } catch (error) {
    log(`Cannot write ${path}: ${String(error)}. The host does not register until this works: free space there.`);
    return false;
  }
}

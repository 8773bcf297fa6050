import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type GuestDisk, readGuestDisk } from "./disk.ts";

/**
 * The file that one of these QEMUs has for a volume, by its own command line: of a copy of which points are kept that is the
 * uppermost layer, and not the image that bears the volume's name alone. Undefined: none of them has any.
 */
export function openedFile(pids: readonly number[], volume: string): string | undefined {
  for (const pid of pids) {
    const names = [...commandLine(pid).matchAll(/"filename":"([^"]+)"/gu)].map(([, name = ""]) => name);
    const found = names.find((name) => basename(name).startsWith(`${volume}.`));
    if (found !== undefined) return found;
  }
  return undefined;
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return ""; // gone meanwhile
  }
}

/** What the guest wrote, also where its disk is made of layers; read while it runs: all that was acknowledged is there. */
export function readOpenedDisk(path: string): GuestDisk {
  if (!path.endsWith(".qcow2")) return readGuestDisk(path);
  const folder = mkdtempSync(join(tmpdir(), "hf-disk-"));
  try {
    const raw = join(folder, "disk.raw");
    execFileSync("qemu-img", ["convert", "-U", "-f", "qcow2", "-O", "raw", path, raw]);
    return readGuestDisk(raw);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

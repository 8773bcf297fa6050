import { existsSync, mkdirSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LabError } from "./lab-error.ts";
import { command, succeed } from "./shell.ts";

const fillName = "lab-fill";

/**
 * A folder with a file system of its own, so that it can be filled without filling the machine. The image is sparse:
 * it takes only what is written. False where this machine has no loop devices; the folder then is an ordinary one.
 */
export async function mountDisk(image: string, folder: string, sizeMiB: number): Promise<boolean> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(image, "");
  truncateSync(image, sizeMiB * 1024 * 1024);
  await succeed("mkfs.ext4", ["-q", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1", image]);
  return (await command("mount", ["-o", "loop,noatime", image, folder])).code === 0;
}

/** In memory, as /run is on a host: a guard's deadline file must not wait for a disk. */
export async function mountRun(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await succeed("mount", ["-t", "tmpfs", "-o", "size=64m,mode=0755", "tmpfs", folder]);
}

/** Leaves no free block. The space is reserved, not written: it is quick and costs the machine nothing. */
export async function fillDisk(folder: string): Promise<void> {
  const file = join(folder, fillName);
  for (let attempt = 0; attempt < 64; attempt++) {
    const { bavail, bsize } = statfsSync(folder);
    if (bavail === 0) return;
    // Some blocks go to the file's own metadata: ask for less and less.
    const bytes = Math.max(bsize, Math.floor(bavail * bsize * (attempt < 8 ? 0.98 : 0.5)));
    const name = `${file}-${attempt}`;
    if (existsSync(name)) continue;
    await command("fallocate", ["-l", String(bytes), name]);
  }
}

/** True while `fillDisk` is in force. */
export function isFilled(folder: string): boolean {
  return existsSync(`${join(folder, fillName)}-0`);
}

export function freeDisk(folder: string): void {
  for (let attempt = 0; attempt < 64; attempt++) rmSync(join(folder, `${fillName}-${attempt}`), { force: true });
}

export function noOwnDisk(what: string): LabError {
  return new LabError(
    `The disk of ${what} cannot be filled: it is a plain folder of this machine.`,
    "Nothing was done.",
    "Run the lab where loop devices work (ls /dev/loop-control).",
  );
}

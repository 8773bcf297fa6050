import { readdir, readFile, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/**
 * Whether a file system lies on a device that somebody can pull out: a medium that the kernel calls removable, or one behind
 * USB or FireWire, be it beneath a partition, LVM, LUKS or a RAID. What cannot be told is taken for built in.
 */
export async function liesOnRemovable(device: number, sys = "/sys"): Promise<boolean> {
  // glibc's major() and minor().
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  const found = await realpath(join(sys, "dev", "block", `${major}:${minor}`)).catch(() => undefined);
  return found !== undefined && isRemovable(found, 0);
}

const outside = /\/(?:usb|fw)\d+(?:\/|:)/u;
const depthMax = 8;

async function isRemovable(found: string, depth: number): Promise<boolean> {
  if (depth > depthMax) return false;
  if (outside.test(found)) return true;
  const under = await readdir(join(found, "slaves")).catch(() => []);
  for (const one of under) {
    const device = await realpath(join(found, "slaves", one)).catch(() => undefined);
    if (device !== undefined && (await isRemovable(device, depth + 1))) return true;
  }
  // A partition's own folder does not say it, that of its disk does.
  const isPartition = basename(dirname(dirname(found))) === "block";
  const disk = isPartition ? dirname(found) : found;
  if (disk !== found && (await isRemovable(disk, depth + 1))) return true;
  const says = await readFile(join(disk, "removable"), "utf8").catch(() => "0");
  return says.trim() === "1";
}

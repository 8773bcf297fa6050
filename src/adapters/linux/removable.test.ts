import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { liesOnRemovable } from "./removable.ts";

const made: string[] = [];
afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A tree like /sys: block devices at their places, and their numbers. */
function sys(devices: readonly { readonly at: string; readonly number: string; readonly removable?: string }[]) {
  const root = mkdtempSync(join(tmpdir(), "hf-sys-"));
  made.push(root);
  mkdirSync(join(root, "dev", "block"), { recursive: true });
  for (const { at, number, removable } of devices) {
    const folder = join(root, "devices", at);
    mkdirSync(folder, { recursive: true });
    if (removable !== undefined) writeFileSync(join(folder, "removable"), `${removable}\n`);
    symlinkSync(folder, join(root, "dev", "block", number));
  }
  return root;
}

/** As stat(2) gives it. */
const device = (major: number, minor: number): number => (major << 8) | minor;

test("a disk of the machine's own is not removable, a stick is, and so is what lies on its partition", async () => {
  const root = sys([
    { at: "pci0/ata1/block/sda", number: "8:0", removable: "0" },
    { at: "pci0/ata1/block/sda/sda1", number: "8:1" },
    { at: "pci0/sr/block/sdb", number: "8:16", removable: "1" },
    { at: "pci0/sr/block/sdb/sdb1", number: "8:17" },
    // An external disk says that its medium is fixed.
    { at: "pci0/usb2/2-1/host6/block/sdc", number: "8:32", removable: "0" },
    { at: "pci0/usb2/2-1/host6/block/sdc/sdc1", number: "8:33" },
  ]);
  const told = async (minor: number) => liesOnRemovable(device(8, minor), root);
  expect([await told(0), await told(1)]).toEqual([false, false]);
  expect([await told(16), await told(17)]).toEqual([true, true]);
  expect([await told(32), await told(33)]).toEqual([true, true]);
});

test("a volume group is as removable as a disk beneath it", async () => {
  const root = sys([
    { at: "pci0/ata1/block/sda", number: "8:0", removable: "0" },
    { at: "pci0/usb2/2-1/block/sdc", number: "8:32", removable: "0" },
    { at: "virtual/block/dm-0", number: "253:0" },
    { at: "virtual/block/dm-1", number: "253:1" },
  ]);
  for (const [dm, disk] of [
    ["dm-0", "pci0/ata1/block/sda"],
    ["dm-1", "pci0/usb2/2-1/block/sdc"],
  ] as const) {
    const folder = join(root, "devices/virtual/block", dm, "slaves");
    mkdirSync(folder);
    symlinkSync(join(root, "devices", disk), join(folder, "one"));
  }
  expect(await liesOnRemovable(device(253, 0), root)).toBe(false);
  expect(await liesOnRemovable(device(253, 1), root)).toBe(true);
});

test("what has no device, as a file system in memory or over the network, is not called removable", async () => {
  expect(await liesOnRemovable(0x1f, sys([]))).toBe(false);
});

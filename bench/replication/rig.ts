import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NbdGuest } from "../../lab/guest/nbd-guest.ts";
import type { Qmp } from "../../src/adapters/qemu/qmp.ts";
import { execute, qmpOf } from "../qmp.ts";

/** A QEMU without a machine around its disk; the disk is served to the bench as a guest would have it. */
export type Machine = {
  readonly qmp: Qmp;
  readonly guest: NbdGuest;
  /** As its host would, losing power. */
  readonly kill: () => void;
  readonly close: () => Promise<void>;
};

export type Rig = { readonly folder: string; readonly sizeMiB: number; readonly close: () => void };

export function openRig(sizeMiB: number): Rig {
  const folder = mkdtempSync(join(tmpdir(), "hf-bench-rep-"));
  for (const name of ["a", "b", "pool-a", "pool-b"]) mkdirSync(join(folder, name));
  return { folder, sizeMiB, close: () => rmSync(folder, { recursive: true, force: true }) };
}

export function makeImage({ sizeMiB }: Rig, path: string): void {
  execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", path, `${sizeMiB}M`]);
}

/** Half of the disk is full, of what no zero detection makes smaller. */
export async function fill(guest: NbdGuest, sizeMiB: number): Promise<void> {
  const block = Buffer.alloc(1024 * 1024, "holdfast");
  for (let at = 0; at < sizeMiB / 2; at++) await written(guest, at * 1024 * 1024, block);
  await guest.flush();
}

export async function written(guest: NbdGuest, offset: number, data: Buffer): Promise<void> {
  const error = await guest.write(offset, data);
  if (error !== 0) throw new Error(`A write ended with ${error}`);
}

export async function startMachine(rig: Rig, name: string): Promise<Machine> {
  const image = join(rig.folder, "pool-a", `${name}.qcow2`);
  makeImage(rig, image);
  const [qmpPath, nbd] = [join(rig.folder, `${name}.qmp`), join(rig.folder, `${name}.nbd`)];
  const node = { driver: "qcow2", "node-name": "disk0", file: { driver: "file", filename: image } };
  const args = ["-machine", "none", "-nodefaults", "-display", "none", "-blockdev", JSON.stringify(node)];
  const monitor = ["-chardev", `socket,id=qmp,path=${qmpPath},server=on,wait=off`, "-mon", "chardev=qmp,mode=control"];
  const child = spawn("qemu-system-x86_64", [...args, ...monitor], { stdio: ["ignore", "ignore", "inherit"] });
  const qmp = await qmpOf(qmpPath);
  await execute(qmp, "nbd-server-start", { addr: { type: "unix", data: { path: nbd } } });
  await execute(qmp, "block-export-add", {
    type: "nbd",
    id: "guest",
    name: "guest",
    "node-name": "disk0",
    writable: true,
  });
  const guest = await NbdGuest.open(nbd, "guest");
  return {
    qmp,
    guest,
    kill: () => void child.kill("SIGKILL"),
    close: async () => {
      guest.close();
      qmp.close();
      await ended(child);
    },
  };
}

export async function ended(child: ChildProcess): Promise<void> {
  const over = new Promise((resolve) => child.once("exit", resolve));
  if (child.exitCode !== null || child.signalCode !== null || !child.kill("SIGKILL")) return;
  await over;
}

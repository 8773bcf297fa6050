import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { VmId } from "../../model/ids.ts";
import type { VmRun } from "../../ports/hypervisor.ts";
import { readCgroupEvents } from "../linux/cgroup.ts";
import { type QemuOptions, runCgroup } from "./host.ts";
import { foldersOf } from "./run-folder.ts";

// Which guests' file systems stand still, or may: on record before they are told to, for whoever comes after this process.

/** A run's folder may bear another name by now (S11); the socket in it stays the one that its QEMU made. */
export function markName({ incarnation, vm, epoch }: VmRun): string {
  return `${incarnation}.${vm}.${epoch}`;
}

export function markedIn(runDir: string): readonly string[] {
  const root = join(runDir, "standing-still");
  return existsSync(root) ? readdirSync(root) : [];
}

/** S20: the file systems of this VM's guest stand still, or nobody knows that they go on. */
export function standsStill(runDir: string, vm: VmId): boolean {
  return markedIn(runDir).some((name) => vmOf(name) === vm);
}

export function writeMark(runDir: string, name: string, channel: string): void {
  mkdirSync(join(runDir, "standing-still"), { recursive: true, mode: 0o700 });
  writeFileSync(markFile(runDir, name), String(statSync(channel).ino));
}

export function clearMark(runDir: string, name: string): void {
  rmSync(markFile(runDir, name), { force: true });
}

/** `channel`: where the guest's agent is spoken to. `executes`: it may be told something now. */
export type MarkedRun = { readonly channel: string; readonly executes: boolean };

/** Where the guest of a mark is now; "gone": its QEMU is not here any more. */
export function findMarked(options: FreezeOptions, name: string): MarkedRun | "gone" | "unmarked" {
  const { runDir } = options;
  const mark = markFile(runDir, name);
  if (!existsSync(mark)) return "unmarked";
  const inode = Number(readFileSync(mark, "utf8"));
  const found = runsOf(options, vmOf(name)).find(
    ({ channel }) => !Number.isSafeInteger(inode) || statSync(channel).ino === inode,
  );
  return found ?? "gone";
}

export type FreezeOptions = Pick<QemuOptions, "runDir" | "cgroup">;

/** Undefined: it has no channel. A side that stands frozen, waits for its guest or hands it over is told nothing. */
export function freezableRun(options: FreezeOptions, { vm, epoch }: VmRun): MarkedRun | undefined {
  return runsOf(options, vm).find((one) => one.epoch === epoch);
}

function runsOf(options: FreezeOptions, vm: VmId): readonly (MarkedRun & { readonly epoch: number })[] {
  return foldersOf(options.runDir, vm).flatMap(({ epoch, paths, record }) => {
    if (!existsSync(paths.agent)) return [];
    const isFrozen = record !== undefined && readCgroupEvents(runCgroup(options, record))?.frozen === true;
    return [{ epoch, channel: paths.agent, executes: record?.phase === "running" && !isFrozen }];
  });
}

function vmOf(name: string): VmId {
  return name.slice(name.indexOf(".") + 1, name.lastIndexOf(".")) as VmId;
}

function markFile(runDir: string, name: string): string {
  return join(runDir, "standing-still", name);
}

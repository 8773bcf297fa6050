import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { World } from "../../lab/world.ts";

/** One QEMU of a VM on one host, as the kernel shows it. Times are this process's. */
export type Copy = {
  readonly vm: string;
  readonly epoch: number;
  readonly host: string;
  /** When its program was first seen to be QEMU. */
  runningAt: number | undefined;
  /** Since when it stands still without a break; stays once it is gone. */
  stillSince: number | undefined;
  gone: boolean;
};

/** Two copies of one VM that both ran at one moment. */
export type Overlap = { readonly vm: string; readonly copies: readonly string[]; readonly at: number };

export interface CopyWatch {
  copies(vm: string): readonly Copy[];
  readonly overlaps: readonly Overlap[];
  /** The longest time between two looks so far: how exact the times are. */
  readonly longestGapMs: number;
  stop(): void;
}

const lookEveryMs = 4;
/** The list of all processes is long: it is read less often. */
const listEveryMs = 200;

/** Looks at the VMs' cgroups every few milliseconds, and at the machine's process list for a QEMU outside of them. */
export function watchCopies(world: World, cluster: string): CopyWatch {
  const known = new Map<string, Copy>();
  const overlaps: Overlap[] = [];
  let last = performance.now();
  let longestGapMs = 0;
  const look = (): void => {
    const at = performance.now();
    longestGapMs = Math.max(longestGapMs, at - last);
    last = at;
    const running = note(world, known, at);
    if (twice(running).length === 0) return;
    // One was read a moment before the other: both must still run now.
    note(world, known, performance.now());
    for (const both of twice([...known.values()].filter(runs))) addOverlap(overlaps, both, at);
  };
  const list = (): void => {
    for (const stray of strays(world, cluster)) {
      const inside = [...known.values()].filter((copy) => copy.vm === stray.vm && runs(copy)).map(nameOf);
      overlaps.push({ vm: stray.vm, copies: [`pid ${stray.pid} outside every host`, ...inside], at: last });
    }
  };
  const timers = [setInterval(look, lookEveryMs), setInterval(list, listEveryMs)];
  look();
  return {
    copies: (vm) => [...known.values()].filter((copy) => copy.vm === vm),
    overlaps,
    get longestGapMs() {
      return longestGapMs;
    },
    stop: () => {
      for (const timer of timers) clearInterval(timer);
    },
  };
}

const runs = (copy: Copy): boolean => !copy.gone && copy.stillSince === undefined;
const nameOf = (copy: Copy): string => `${copy.vm}.${copy.epoch} on ${copy.host}`;

function twice(running: readonly Copy[]): readonly (readonly Copy[])[] {
  const byVm = Map.groupBy(running, (copy) => copy.vm);
  return [...byVm.values()].filter((copies) => copies.length > 1);
}

function addOverlap(overlaps: Overlap[], both: readonly Copy[], at: number): void {
  const copies = both.map(nameOf);
  const [first] = both;
  if (first === undefined || overlaps.some((known) => known.copies.join() === copies.join())) return;
  overlaps.push({ vm: first.vm, copies, at });
}

/** Brings `known` up to date; returns those that run. */
function note(world: World, known: Map<string, Copy>, at: number): readonly Copy[] {
  const seen = new Set<string>();
  const running: Copy[] = [];
  for (const host of world.hosts) {
    for (const { folder, vm, epoch } of runFolders(host.plan.vmsCgroup)) {
      const events = readText(join(folder, "cgroup.events"));
      if (!events.includes("populated 1")) continue;
      const key = `${host.name} ${vm}.${epoch}`;
      const copy = known.get(key) ?? {
        vm,
        epoch,
        host: host.name,
        runningAt: undefined,
        stillSince: undefined,
        gone: false,
      };
      known.set(key, copy);
      seen.add(key);
      if (copy.runningAt === undefined && isQemu(folder)) copy.runningAt = at;
      if (events.includes("frozen 1")) copy.stillSince ??= at;
      else if (copy.stillSince !== undefined && !isDying(folder)) copy.stillSince = undefined;
      if (copy.runningAt !== undefined && runs(copy)) running.push(copy);
    }
  }
  for (const [key, copy] of known) {
    if (seen.has(key) || copy.gone) continue;
    copy.gone = true;
    copy.stillSince ??= at;
  }
  return running;
}

type RunFolder = { readonly folder: string; readonly vm: string; readonly epoch: number };

/** `<vms>/a/b/INCARNATION/VM.EPOCH` (docs/designs/0001). */
function runFolders(vmsCgroup: string): readonly RunFolder[] {
  const top = join(vmsCgroup, "a", "b");
  return subfolders(top).flatMap((incarnation) =>
    subfolders(join(top, incarnation)).flatMap((name) => {
      const dot = name.lastIndexOf(".");
      const epoch = Number(name.slice(dot + 1));
      if (dot < 1 || !Number.isSafeInteger(epoch)) return [];
      return [{ folder: join(top, incarnation, name), vm: name.slice(0, dot), epoch }];
    }),
  );
}

function isQemu(folder: string): boolean {
  const pids = readText(join(folder, "cgroup.procs")).split("\n").filter(Boolean);
  return pids.some((pid) => readText(`/proc/${pid}/comm`).startsWith("qemu-system"));
}

/**
 * A process that is killed while it is frozen leaves the freezer to die: `frozen 0` for a moment, and yet no instruction
 * of it runs any more. The kernel says so of each of its threads: SIGKILL pending, or PF_EXITING.
 */
function isDying(folder: string): boolean {
  const pids = readText(join(folder, "cgroup.procs")).split("\n").filter(Boolean);
  return pids.every((pid) => {
    const threads = subfolders(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}`);
    return threads.length === 0 || threads.some(isLeaving);
  });
}

function isLeaving(thread: string): boolean {
  const pending = readText(`${thread}/status`).matchAll(/^(?:SigPnd|ShdPnd):\s+([0-9a-f]+)$/gmu);
  const killBit = 1n << 8n;
  if ([...pending].some(([, mask]) => (BigInt(`0x${mask}`) & killBit) !== 0n)) return true;
  const stat = readText(`${thread}/stat`);
  if (stat === "") return true;
  const [state = "", , , , , , flags] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const exiting = 0x4;
  return "ZX".includes(state) || (Number(flags) & exiting) !== 0;
}

/** QEMUs of this cluster whose cgroup is none of the hosts' VM cgroups. */
function strays(world: World, cluster: string): readonly { readonly vm: string; readonly pid: number }[] {
  const inside = world.hosts.map((host) => host.plan.vmsCgroup.slice(host.plan.vmsCgroup.indexOf("/holdfast-lab-")));
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/u.test(entry) || !readText(`/proc/${entry}/comm`).startsWith("qemu-system")) return [];
    const [, vm] = /guest=([^\0]+)\.\d+@([^\0,]+)/u.exec(readText(`/proc/${entry}/cmdline`)) ?? [];
    if (vm === undefined || !readText(`/proc/${entry}/cmdline`).includes(`@${cluster},`)) return [];
    const groups = readText(`/proc/${entry}/cgroup`);
    return groups === "" || inside.some((path) => groups.includes(path)) ? [] : [{ vm, pid: Number(entry) }];
  });
}

function subfolders(path: string): readonly string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return []; // the host is off, or it is just going away
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

import { join } from "node:path";
import type { ClusterId, Epoch, Incarnation, NetworkId, PoolId, VmId } from "../../model/ids.ts";
import type { VmExit } from "../../model/records.ts";
import type { MovePart, VmEvent, VmRun } from "../../ports/hypervisor.ts";
import type { MoveEvent } from "../../ports/migration.ts";
import { cgroupChildren } from "../linux/cgroup.ts";
import type { Qmp } from "./qmp.ts";
import { type RunPaths, type RunRecord, runPaths } from "./run-folder.ts";

export type QemuOptions = {
  readonly cluster: ClusterId;
  readonly runDir: string;
  /** The folder of this host's VM cgroups; incarnations lie under its `a/b` (docs/designs/0001). */
  readonly cgroup: string;
  readonly accel: "kvm" | "tcg";
  /** Cluster network → bridge of this host. */
  readonly networks: Readonly<Record<NetworkId, string>>;
  /** Pool → folder, where it is not the pool's own path. */
  readonly pools: Readonly<Record<PoolId, string>>;
  /** Default: qemu-system-x86_64. */
  readonly binary?: string;
  /** Files of this host's certificate, for moves; the certificate names the host. Absent: moves only without TLS. */
  readonly certificates?: { readonly ca: string; readonly cert: string; readonly key: string };
};

/** One run that this process knows of. Changes place and name when it is adopted. */
export type LiveRun = {
  run: VmRun;
  paths: RunPaths;
  cgroup: string;
  readonly taps: readonly string[];
  readonly abort: AbortController;
  phase: RunRecord["phase"];
  /** Its process was just begun, and whoever did it watches it: its end is no event. */
  launching: boolean;
  qmp: Qmp | undefined;
  /** What its events said about its end so far. */
  exit: VmExit | undefined;
  /** Its disk failed, and it is tried whether it works again: what QEMU says of that is no news. */
  awaitsDisk: boolean;
  /** Its move has stopped it, or is about to: nobody else lets it go on, whatever it stood for before (S15). */
  stoppedToMove: boolean;
  /** Somebody ends it: its end is no news any more. */
  ending: boolean;
  /** The guest is off, or its QEMU is gone. */
  onGuestDown: () => void;
  /** What QEMU last said of its migration; undefined: nothing since the last one began, or ended here. */
  migration: string | undefined;
  /** Called where QEMU says something of its migration, and at the end of its QMP. */
  readonly onMigration: Set<() => void>;
  /** How often QEMU has said something of its jobs, and whom to call where it does, or where its QMP ends. */
  jobWords: number;
  readonly onJob: Set<() => void>;
  /** Of each job that met an error: on which side of it, which the job's own words leave open. */
  readonly jobErrors: Map<string, JobError>;
  /** Disks that a move of it copies, or copied last, as far as this driver began it. */
  copied: readonly number[];
  /** Of a guest that is copied out: aborted by whoever ends the attempt, which then settles. */
  copying: { readonly giveUp: AbortController; readonly settled: Promise<unknown> } | undefined;
  /** Of a run that waits for its guest: closes what its source may knock at. */
  closeDoors: () => void;
  /** Its source may write to its images. Undefined: an earlier driver may have let it. */
  exports: boolean | undefined;
};

/** `read`: what it copies could not be read. `write`: what it copies to did not take it. */
export type JobError = "read" | "write";

export type QemuHost = {
  readonly options: QemuOptions;
  readonly runs: Map<string, LiveRun>;
  readonly emit: (event: VmEvent) => void;
  readonly emitMove: (event: MoveEvent) => void;
  closed: boolean;
};

export function runKey(run: VmRun): string {
  return `${run.incarnation}/${run.vm}.${run.epoch}`;
}

export function incarnationsFolder(options: Pick<QemuOptions, "cgroup">): string {
  return join(options.cgroup, "a", "b");
}

export function runCgroup(options: Pick<QemuOptions, "cgroup">, run: VmRun): string {
  return join(incarnationsFolder(options), runKey(run));
}

/** Every run that has a cgroup here, of every incarnation. */
export function runsWithCgroup(options: QemuOptions): readonly VmRun[] {
  const root = incarnationsFolder(options);
  return cgroupChildren(root)
    .filter((name) => /^\d+$/u.test(name))
    .flatMap((n) => cgroupChildren(join(root, n)).flatMap((name) => parseRun(Number(n), name)));
}

export function newLiveRun(host: QemuHost, run: VmRun, taps: readonly string[], phase: RunRecord["phase"]): LiveRun {
  const live: LiveRun = {
    run,
    paths: runPaths(host.options.runDir, run),
    cgroup: runCgroup(host.options, run),
    taps,
    abort: new AbortController(),
    phase,
    launching: false,
    qmp: undefined,
    exit: undefined,
    awaitsDisk: false,
    stoppedToMove: false,
    ending: false,
    onGuestDown: () => undefined,
    migration: undefined,
    onMigration: new Set(),
    jobWords: 0,
    onJob: new Set(),
    jobErrors: new Map(),
    copied: [],
    copying: undefined,
    closeDoors: () => undefined,
    exports: undefined,
  };
  host.runs.set(runKey(run), live);
  return live;
}

/** A run that has no part in a move has none to tell. */
export function movePart(live: LiveRun | undefined): { readonly move?: MovePart } {
  const { phase } = live ?? {};
  if (phase === undefined || phase === "starting" || phase === "running" || phase === "halted") return {};
  return { move: phase };
}

function parseRun(incarnation: number, name: string): VmRun[] {
  const dot = name.lastIndexOf(".");
  const epoch = Number(name.slice(dot + 1));
  if (dot < 1 || !Number.isSafeInteger(epoch)) return [];
  return [{ vm: name.slice(0, dot) as VmId, incarnation: incarnation as Incarnation, epoch: epoch as Epoch }];
}

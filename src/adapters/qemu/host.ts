import { join } from "node:path";
import type { ClusterId, Epoch, Incarnation, NetworkId, PoolId, VmId } from "../../model/ids.ts";
import type { VmExit } from "../../model/records.ts";
import type { VmEvent, VmRun } from "../../ports/hypervisor.ts";
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
};

/** One run that this process knows of. Changes place and name when it is adopted. */
export type LiveRun = {
  run: VmRun;
  paths: RunPaths;
  cgroup: string;
  readonly taps: readonly string[];
  readonly abort: AbortController;
  phase: RunRecord["phase"];
  qmp: Qmp | undefined;
  /** What its events said about its end so far. */
  exit: VmExit | undefined;
  /** Its disk failed, and it is tried whether it works again: what QEMU says of that is no news. */
  awaitsDisk: boolean;
  /** Somebody ends it: its end is no news any more. */
  ending: boolean;
  /** The guest is off, or its QEMU is gone. */
  onGuestDown: () => void;
};

export type QemuHost = {
  readonly options: QemuOptions;
  readonly runs: Map<string, LiveRun>;
  readonly emit: (event: VmEvent) => void;
  closed: boolean;
};

export function runKey(run: VmRun): string {
  return `${run.incarnation}/${run.vm}.${run.epoch}`;
}

export function incarnationsFolder(options: QemuOptions): string {
  return join(options.cgroup, "a", "b");
}

export function runCgroup(options: QemuOptions, run: VmRun): string {
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
    qmp: undefined,
    exit: undefined,
    awaitsDisk: false,
    ending: false,
    onGuestDown: () => undefined,
  };
  host.runs.set(runKey(run), live);
  return live;
}

function parseRun(incarnation: number, name: string): VmRun[] {
  const dot = name.lastIndexOf(".");
  const epoch = Number(name.slice(dot + 1));
  if (dot < 1 || !Number.isSafeInteger(epoch)) return [];
  return [{ vm: name.slice(0, dot) as VmId, incarnation: incarnation as Incarnation, epoch: epoch as Epoch }];
}

import type { HostId } from "../../model/ids.ts";
import type { Vm, VmExit } from "../../model/records.ts";
import type { TakeoverPlan } from "../../model/takeover-plan.ts";
import { type GuardName, guardNames } from "../../ports/guard.ts";
import type { HeartSays } from "../../ports/heart.ts";
import type { OwnIncarnation } from "../../ports/heart-host.ts";
import type { MovePart, VmEvent, VmRun } from "../../ports/hypervisor.ts";
import type { SimGuard } from "../guard.ts";
import { createTree, type SimTree } from "../guard-tree.ts";
import { SimImages } from "../move/images.ts";
import type { Moving } from "../move/qemu.ts";
import type { HostClock } from "./clock.ts";
import { folderName, runKey } from "./copy.ts";
import { Process } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";

export const processNames = ["guard-a", "guard-b", "heart", "daemon"] as const;
export type ProcessName = (typeof processNames)[number];

export function guardProcess(name: GuardName): ProcessName {
  return `guard-${name}`;
}

/** Stacked faults of a host that its parts look at. */
export type HostTrouble = {
  startsFail: number;
  startsSlow: number;
  /** QEMUs let whoever connects to them wait; and since when, counted for those that connected before. */
  qmpLate: number;
  qmpLateSince: number;
  watchLagMs: number;
  /** Its daemon, and nothing else of it, gets no answer from the store. */
  storeBlocked: boolean;
  memberDown: number;
  /** Writes under way when a freeze comes land later than usual. */
  slowStorage: number;
  /** Its sensors cannot read what is used. */
  sensorsBlind: number;
};

/** One QEMU process as it really is. It changes its run where it is adopted; it is never two processes. */
export type Copy = {
  readonly id: number;
  readonly host: SimHost;
  readonly vm: Vm;
  /** A disk of it lies where an old run could still write what the next one uses: in a shared folder (S10). */
  readonly strict: boolean;
  readonly spawnedAt: number;
  run: VmRun;
  alive: boolean;
  /** Its guest stands still by itself: a disk that failed. */
  paused: boolean;
  /** It was halted for its end: it never goes on. */
  isHalted: boolean;
  /** Stacked: above zero its main loop stands still, and with it its guest; it answers nobody. */
  hangs: number;
  /** Signals do not end it before this moment: a thread in uninterruptible I/O. */
  diesNotBefore: number;
  /** Who ended it first: a driver that was told to, or a guard that could not freeze it (S5). */
  killedBy: "driver" | "guard" | undefined;
  /** It can write its volumes: not while it waits for a guest, nor once it has handed it over. */
  imagesOpen: boolean;
  /**
   * It was adopted while it handed its guest over, and may let go of its images only after that: that it has them again is no second
   * start of the epoch that began with the adoption (S14). Until it goes on.
   */
  isTakenBack: boolean;
  readonly moving: Moving;
  /** Volumes of it that lie in its host's local pools. */
  readonly local: readonly string[];
};

/** D and M of a host's guards. */
export type GuardTiming = { readonly deadlineMs: number; readonly marginMs: number };

/** What `run.json` holds: tells the next driver what was there. Gone after a boot. */
export type RunRecord = {
  readonly run: VmRun;
  exit: VmExit | undefined;
  told: boolean;
  /** Its part in a move when it ended. */
  part?: MovePart | undefined;
};

/** What the machine itself needs of the driver that is open on it. */
export type OpenDriver = { readonly tell: (event: VmEvent) => void; readonly tellExit: (record: RunRecord) => void };
/** What a guard that comes or goes needs of the heart that is there. */
export type OpenLines = {
  readonly connect: (name: GuardName) => void;
  readonly lost: (name: GuardName) => void;
  readonly stampMade: (name: GuardName, stamp: number) => void;
};

/** One machine: power, clocks, processes, cgroups, QEMUs. Processes come and go; what is here stays until the power goes. */
export class SimHost {
  readonly id: HostId;
  readonly number: number;
  readonly clock: HostClock;
  readonly processes: Readonly<Record<ProcessName, Process>>;
  readonly scheduler: Scheduler;
  readonly trouble: HostTrouble = {
    startsFail: 0,
    startsSlow: 0,
    qmpLate: 0,
    qmpLateSince: 0,
    watchLagMs: 0,
    storeBlocked: false,
    memberDown: 0,
    slowStorage: 0,
    sensorsBlind: 0,
  };
  /** What its QEMUs run guests with. */
  accel: "kvm" | "tcg" = "tcg";
  on = false;
  /** Stacked: the whole host stands still while above zero. */
  freezes = 0;
  boots = 0;
  poweredOffAt = -1;
  tree: SimTree = createTree();
  incarnationFile: OwnIncarnation | null = null;
  /** The mark beside its member's data: the store was forced here, and what has to follow may not be written; outlives the power (S24). */
  forced: { readonly plan: TakeoverPlan; readonly boots: number } | undefined;
  /** Set by a fault that acts between a heart's choice of a number and its registration. */
  whenIncarnationWritten: ((own: OwnIncarnation) => void) | undefined;
  /** D and M with which its guards are started. */
  timing: GuardTiming;
  /** D of the guards as they run. */
  readonly guardDeadlinesMs: Record<GuardName, number> = { a: 0, b: 0 };
  guards: Partial<Record<GuardName, SimGuard>> = {};
  heartLines: OpenLines | undefined;
  heartSays: HeartSays | undefined;
  /** Set by a daemon that listens to its heart. */
  hearHeart: ((says: HeartSays | "lost") => void) | undefined;
  hearAgent: ((poolAgeMs: number | null) => void) | undefined;
  driver: OpenDriver | undefined;
  readonly copies = new Map<string, Copy>();
  readonly records = new Map<string, RunRecord>();
  /** In its local pools. */
  readonly images: SimImages = new SimImages((volume) => this.whenImageGone?.(volume));
  whenImageGone: ((volume: string) => void) | undefined;
  readonly #thawed: (() => void)[] = [];

  constructor(id: HostId, number: number, scheduler: Scheduler, clock: HostClock, timing: GuardTiming) {
    this.timing = timing;
    this.id = id;
    this.number = number;
    this.scheduler = scheduler;
    this.clock = clock;
    const make = (name: ProcessName): Process => new Process(name, scheduler, () => this.freezes > 0);
    this.processes = {
      "guard-a": make("guard-a"),
      "guard-b": make("guard-b"),
      heart: make("heart"),
      daemon: make("daemon"),
    };
  }

  get frozen(): boolean {
    return this.freezes > 0;
  }

  get works(): boolean {
    return this.on && this.freezes === 0;
  }

  /** Something of the machine itself: waits while the host is frozen, is lost with the power. */
  after(ms: number, run: () => void): void {
    const boot = this.boots;
    this.scheduler.after(ms, () => this.#whenWorking(boot, run));
  }

  whenThawed(run: () => void): void {
    const boot = this.boots;
    this.#whenWorking(boot, run);
  }

  #whenWorking(boot: number, run: () => void): void {
    if (!this.on || this.boots !== boot) return;
    if (this.frozen) this.#thawed.push(() => this.#whenWorking(boot, run));
    else run();
  }

  /** Its vCPUs run, and its writes go out. */
  executes(copy: Copy): boolean {
    return copy.alive && !copy.paused && copy.hangs === 0 && !copy.moving.halted && !this.isFrozen(copy.run);
  }

  /** QMP of this one answers a driver that is open since `openedAt`; what had connected before stays connected. */
  answers({ spawnedAt, hangs }: Pick<Copy, "spawnedAt" | "hangs">, openedAt: number): boolean {
    const { qmpLate, qmpLateSince } = this.trouble;
    if (hangs > 0) return false;
    return qmpLate === 0 || Math.max(spawnedAt, openedAt) < qmpLateSince;
  }

  /** The machine or the run's cgroup stands still. */
  isFrozen({ incarnation }: VmRun): boolean {
    if (!this.works || this.tree.frozenLevels.size > 0) return true;
    return this.tree.folders.get(incarnation)?.frozen !== false;
  }

  cutPower(): void {
    this.on = false;
    this.poweredOffAt = this.scheduler.now;
    this.boots += 1;
    for (const name of processNames) this.processes[name].end();
    for (const copy of this.copies.values()) copy.alive = false;
    this.copies.clear();
    this.records.clear();
    this.#thawed.length = 0;
    this.tree = createTree();
    this.guards = {};
    this.incarnationFile = null;
    this.heartLines = undefined;
    this.heartSays = undefined;
    this.hearHeart = undefined;
    this.hearAgent = undefined;
    this.driver = undefined;
  }

  freeze(): void {
    this.freezes += 1;
  }

  /**
   * The guards come first: they have real-time priority, and the deadline is the first thing they look at. What they need for it is
   * outside the guarantee, for all of a host's guards stood still at once: so no freeze sticks here (README).
   */
  thaw(): void {
    this.freezes -= 1;
    if (this.frozen || !this.on) return;
    this.tree.sticking.clear();
    for (const name of guardNames) this.processes[guardProcess(name)].catchUpAtOnce();
    for (const name of ["heart", "daemon"] as const) this.processes[name].catchUp();
    for (const run of this.#thawed.splice(0)) run();
  }

  stopProcess(name: ProcessName): void {
    this.processes[name].stopped = true;
  }

  continueProcess(name: ProcessName): void {
    const process = this.processes[name];
    process.stopped = false;
    if (name === "guard-a" || name === "guard-b") process.catchUpAtOnce();
    else process.catchUp();
  }

  /** The process is gone, its cgroup is empty; what is left of it is its record. */
  bury(copy: Copy, exit: VmExit): void {
    copy.alive = false;
    this.copies.delete(runKey(copy.run));
    this.tree.folders.get(copy.run.incarnation)?.runs.delete(folderName(copy.run));
    const record = this.records.get(runKey(copy.run));
    if (record === undefined) return;
    record.exit ??= exit;
    record.part = copy.moving.part;
  }
}

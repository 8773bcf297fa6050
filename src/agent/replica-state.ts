import type { LostCycles } from "../core/replication-receiver.ts";
import type { Epoch, HostId, Incarnation, InstantMs, VmId } from "../model/ids.ts";
import type { Params } from "../model/reason.ts";
import type { CycleId, SealedCycle } from "../model/replication-cycle.ts";
import type { AloneNote, FoundNotes } from "../ports/alone-notes.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import type { Door } from "../ports/migration.ts";
import type {
  AttachRequest,
  CeaseEnd,
  CopyProgress,
  LinkFigures,
  ReceiveEnd,
  ReceiveRequest,
  ReplicaEvent,
  ReplicaVolume,
} from "../ports/replication.ts";
import type { CycleEnd, CycleRequest, GoBack } from "../ports/replication-cycles.ts";

/** A run here whose writes go through a relay, as this agent last heard of it. */
export type Mirror = {
  readonly run: VmRun;
  /**
   * What its relay was last told. `mirror`: each write waits for the copy. `alone`: none does (S16). `unknown`: an earlier
   * agent, or an earlier relay, was told; this relay holds, or does what it was told before. `prepared`: its guest has not come
   * in yet (S15).
   */
  readonly told: "attaching" | "mirror" | "alone" | "unknown" | "prepared";
  /** Where the copy was reached, or tried, last; null: not by this agent. */
  readonly doors: readonly Door[] | null;
  /** A write has waited for the bound. */
  readonly waits: boolean;
  /** Everything seems to be there; `confirmed`: it is (S17). */
  readonly copied: boolean;
  readonly confirmed: boolean;
  /** QEMU mirrors nothing any more. */
  readonly ended: boolean;
  /** Of a guest that has come in: all that it writes is noted, or an earlier agent may have begun that. */
  readonly begun: boolean;
  /** The copy's host answered since it was left behind. */
  readonly reached: boolean;
  /** It was left behind, and nobody was told yet. */
  readonly untold: boolean;
  /** It was left behind by an order, of which nobody has to be told, as long as its copy is not tried in vain after that. */
  readonly byOrder: boolean;
  readonly progress: CopyProgress | null;
  readonly link: LinkFigures;
  readonly retryAt: InstantMs | null;
};

/** Copies that are received here. */
export type Receiving = {
  readonly epoch: Epoch;
  readonly from: HostId;
  readonly incarnation: Incarnation;
  /** In cycles; otherwise each write as it is made. */
  readonly inCycles: boolean;
  /** Null: they are not, and it is tried again. */
  readonly doors: readonly Door[] | null;
  /** Of the points that cycles leave its driver keeps so many by itself; null: all, and this agent thins them out. */
  readonly keepCycles: number | null;
  /** The images are what the run before left here. */
  readonly isAsLeft: boolean;
  /** Why the driver takes none; null: it does, or was not asked yet. */
  readonly refused: { readonly code: string; readonly params: Params; readonly told: boolean } | null;
  /** On record when the driver was asked. */
  readonly promised: SealedCycle | undefined;
  readonly lost: LostCycles | null;
  /** Nothing is asked of the driver again before this. */
  readonly retryAt: InstantMs;
};

/** A run here whose copy is brought up to date in cycles (S25), as this agent knows of it. */
export type Cycled = {
  readonly run: VmRun;
  /** `ended`: none is begun any more, and nothing is left of those that were. */
  readonly stage: "idle" | "under-way" | "ending" | "ended";
  /** The last one of this agent; null: it has begun none. */
  readonly begunAt: InstantMs | null;
  readonly endedAt: InstantMs | null;
  /** How many in a row were not sealed, and why the last one was not. */
  readonly failures: number;
  readonly why: string;
  /** What the one that is under way, or was the last, was begun for: `ahead` of an end, or after its guest stood still for good. */
  readonly purpose: "usual" | "ahead" | "last";
  /** The last one, where it was sealed: what it was begun for. */
  readonly reached: { readonly purpose: Cycled["purpose"]; readonly cycle: CycleId } | null;
  /** Sealed, and not on record yet. */
  readonly sealed: SealedCycle | null;
  /** It was told that its copy lags. */
  readonly toldLate: boolean;
};

/** Of a run whose copy was left behind and has not been in sync since. */
export type CopyTries = {
  readonly run: string;
  /** How often in a row it was begun in vain to bring the copy up to date, and when last. */
  readonly begun: number;
  readonly begunAt: InstantMs | null;
  /** Somebody was told that it is left behind. */
  readonly isTold: boolean;
};

export type ReplicaNotes = {
  /** Which runs have a relay is known. */
  readonly listed: boolean;
  /** By `runKey`. */
  readonly mirrors: ReadonlyMap<string, Mirror>;
  /** By `runKey`. */
  readonly cycled: ReadonlyMap<string, Cycled>;
  readonly receiving: ReadonlyMap<VmId, Receiving>;
  /** VMs whose writes the driver does not begin to copy: of which run, and why. */
  readonly unsent: ReadonlyMap<VmId, { readonly run: VmRun; readonly code: string; readonly params: Params }>;
  /** By VM, the `runKey` of the start before which nothing writes its disks any more (S19). */
  readonly ceased: ReadonlyMap<VmId, string>;
  /** Of VMs whose copies were left behind; of an earlier run of one they say nothing. */
  readonly tries: ReadonlyMap<VmId, CopyTries>;
  /** By `runKey`, or VM: not before this. */
  readonly retries: ReadonlyMap<string, InstantMs>;
  readonly progressAt: InstantMs;
  /** Runs that may go on, or do, without their copy by this host's own note (S23). Null: not read yet, or none can be. */
  readonly alone: ReadonlyMap<VmId, AloneNote & { readonly isThere: boolean }> | null;
  /** Notes that nobody can read, until the records say which runs they may be of. */
  readonly unreadable: FoundNotes["unreadable"];
  /** Whether this host's configuration lets a run be noted. */
  readonly mayNote: boolean;
};

export function noReplicas(now: InstantMs): ReplicaNotes {
  return {
    listed: false,
    mirrors: new Map(),
    cycled: new Map(),
    receiving: new Map(),
    unsent: new Map(),
    ceased: new Map(),
    tries: new Map(),
    retries: new Map(),
    progressAt: now,
    alone: null,
    unreadable: [],
    mayNote: false,
  };
}

export function newMirror(run: VmRun, told: Mirror["told"], doors: readonly Door[] | null): Mirror {
  const nothing = {
    waits: false,
    copied: false,
    confirmed: false,
    ended: false,
    reached: false,
    untold: false,
    byOrder: false,
  };
  return {
    run,
    told,
    doors,
    begun: false,
    ...nothing,
    progress: null,
    link: { latencyMs: null, mibPerSecond: null },
    retryAt: null,
  };
}

export function newCycled(run: VmRun): Cycled {
  const nothing = { begunAt: null, endedAt: null, failures: 0, why: "", toldLate: false };
  const none = { purpose: "usual", reached: null, sealed: null } as const;
  return { run, stage: "idle", ...nothing, ...none };
}

/** A step of replication (ports/replication.ts, replication-cycles.ts). */
export type ReplicaOp =
  | ("receive" | "cease" | "attach" | "begin" | "go-on-alone" | "resync" | "reach" | "confirm" | "detach")
  | ("cycle" | "end-cycles" | "note-alone" | "forget-alone");

export type ReplicaEffect =
  | { readonly kind: "receive"; readonly op: number; readonly request: ReceiveRequest; readonly inCycles: boolean }
  /** `before`: the disks of a start that waits for it; null: nobody starts from them. `back`: they go back to a point first. */
  | {
      readonly kind: "cease";
      readonly op: number;
      readonly vm: VmId;
      readonly before: readonly ReplicaVolume[] | null;
      readonly back?: GoBack;
    }
  | { readonly kind: "cycle"; readonly op: number; readonly run: VmRun; readonly request: CycleRequest }
  | { readonly kind: "note-alone" | "forget-alone"; readonly op: number; readonly note: AloneNote }
  | { readonly kind: "attach"; readonly op: number; readonly run: VmRun; readonly request: AttachRequest }
  | { readonly kind: "begin"; readonly op: number; readonly run: VmRun; readonly limitMs: number }
  | {
      readonly kind: "resync" | "reach";
      readonly op: number;
      readonly run: VmRun;
      readonly doors: readonly Door[];
    }
  | { readonly kind: "go-on-alone" | "confirm" | "detach" | "end-cycles"; readonly op: number; readonly run: VmRun };

export type ReplicaNews =
  | { readonly kind: "received"; readonly op: number; readonly end: ReceiveEnd }
  | { readonly kind: "ceased"; readonly op: number; readonly end: CeaseEnd }
  | { readonly kind: "cycled"; readonly op: number; readonly end: CycleEnd }
  | { readonly kind: "replica"; readonly event: ReplicaEvent };

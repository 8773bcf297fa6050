import type { Epoch, HostId, InstantMs, IntentId, Revision, StoreKey, VmId, WallMs } from "../model/ids.ts";
import type { Copying } from "../model/move-records.ts";
import type { Params } from "../model/reason.ts";
import type { EventDraft, Pool, VmExit } from "../model/records.ts";
import type { CycleId } from "../model/replication-cycle.ts";
import type { CommitterEnd, Transaction } from "../model/transaction.ts";
import type { ClusterView, Touched } from "../model/view.ts";
import type { AloneNotes, FoundNotes } from "../ports/alone-notes.ts";
import type { HeartSays } from "../ports/heart.ts";
import type { HypervisorEnd, MovePart, RunningVm, StartRequest, VmEvent, VmRun } from "../ports/hypervisor.ts";
import type {
  Door,
  GuestHealth,
  IncomingEnd,
  IncomingRequest,
  MoveEvent,
  MoveProgress,
  OutgoingRequest,
} from "../ports/migration.ts";
import type { HostReading, Measurement, Use } from "../ports/sensors.ts";
import type { PointEffect, PointNews, PointNotes, PointOp, PointPart } from "./point-state.ts";
import type { ReplicaEffect, ReplicaNews, ReplicaNotes, ReplicaOp } from "./replica-state.ts";
import type { Stillness } from "./stillness.ts";

/**
 * One run on this host, as this agent last saw it.
 * `gone`: nothing of it is left and its cgroup is removed; `exit` says how it ended.
 * `unclear`: an operation ended unknown; listed again before anything else happens to it.
 * `moving`: it has a part in a live move, told by `moving` (S15).
 */
export type Local = {
  readonly run: VmRun;
  readonly phase:
    | "starting"
    | "running"
    | "paused"
    | "stopping"
    | "killing"
    | "adopting"
    | "gone"
    | "unclear"
    | "moving";
  readonly exit: VmExit | null;
  readonly detail: string | null;
  /** Why its start was refused; null where it was not. */
  readonly refusal: { readonly code: string; readonly params: Params } | null;
  readonly pausedBy: readonly string[];
  /** How often in a row it was to be stopped, and was still there afterwards. */
  readonly stopsFailed: number;
  readonly since: WallMs;
  readonly moving: Moving | null;
  /** How far its end is with a last cycle for its copy (S25); null: none is sent. */
  readonly last: LastCycle | null;
  /** Of what came for a live move and is gone: it never executed, for certain (S15). */
  readonly neverRan: boolean;
};

/**
 * `ahead`: its guest runs, and most of what its copy lacks is sent before it stops. `halting`: the guest is being stopped.
 * `halted`: it stands still for good, and what is sent from here on is all; not later than `until`. `given-up`: it could not be,
 * or the copy did not get it: it ends without. `sealed`: its copy has everything by this cycle.
 */
export type LastCycle =
  | { readonly stage: "ahead" | "halting" | "given-up" }
  | { readonly stage: "halted"; readonly until: InstantMs }
  | { readonly stage: "sealed"; readonly cycle: CycleId };

/** A run's part in a live move, and how far this agent has brought it. */
export type Moving = {
  readonly part: MovePart;
  /** The revision of the move's record when its work here began: another one is another move. Null: an earlier agent's. */
  readonly of: Revision | null;
  /** Where its source may knock; null: this agent did not open any. */
  readonly doors: readonly Door[] | null;
  /** Whether those ask for a certificate. */
  readonly tls: boolean;
  /**
   * `ready`: the guest stands still, and all but its devices' last state is at the target. `over`: everything was sent to the target.
   * `refused`: it never will be. `tried`: it was let go on here, and whether it did is not known; `doubted`: and it cannot be.
   */
  readonly stage: "begun" | "ready" | "over" | "refused" | "tried" | "doubted";
  /** A step that had no answer is not taken again before this. */
  readonly retryAt: InstantMs | null;
  /** When this agent began its part; null: an earlier one did. */
  readonly since: InstantMs | null;
  /** Why a guest whose move is off cannot be let go on; null: nobody tried, or it can. */
  readonly stands: string | null;
  /** Steps in a row that had no answer, or found nothing. */
  readonly tries: number;
  /** It is to be let go on here, and no answer has said that it did; null: not so, or its host is frozen. */
  readonly unanswered: Unanswered | null;
  /** That it may stand still for that was told. */
  readonly silenceTold: boolean;
  /** Of a guest that leaves, once all of it is copied: since when it stands still. */
  readonly stoodSince: InstantMs | null;
};

/** `cause`: what the last attempt came to, in words; empty: nothing yet. */
export type Unanswered = { readonly since: InstantMs; readonly cause: string };

/** QEMU of a run does not answer, by the listings since; `isSure`: not for a moment only. */
export type Silent = { readonly since: WallMs; readonly at: InstantMs; readonly isSure: boolean };

/** A live move that ended here without a record of it, until that is written. */
export type MoveEnd = { readonly of: Revision; readonly code: string; readonly params: Params };

/**
 * A guest that went on here after a live move; `health`: null until it was asked for. `tookMs`: from the beginning of its
 * move here; null: not known.
 */
export type Arrival = {
  readonly run: VmRun;
  readonly health: GuestHealth | null;
  /** That it arrived was told: it is looked at again for the sake of what it left (old-images.ts). */
  readonly told: boolean;
  readonly tookMs: number | null;
  /** The agent in it did not answer, and is asked again (greeting.ts); null: not so. */
  readonly silence: Silence | null;
};

export type Silence = { readonly since: InstantMs; readonly isTold: boolean; readonly askAt: InstantMs };

/**
 * An image that nobody needs, of the record in that revision. `retryAt`: it could not be removed before. `away`: because its pool is not
 * there; null: that is not so.
 */
export type ImageEnd = {
  readonly of: Revision;
  /** `other`: what lies there is not what was to be removed. */
  readonly stage: "removing" | "removed" | "other" | "failed";
  readonly retryAt: InstantMs | null;
  readonly away: { readonly code: string; readonly params: Params; readonly told: boolean } | null;
};

/**
 * Restarts in a row of one VM, for `maxRestart`. `counted`: the epoch whose end was counted last, so that a restart whose
 * outcome was unknown and is tried again counts once.
 */
export type Restarts = { readonly count: number; readonly startedAt: InstantMs; readonly counted: Epoch | null };

/** The revision at which a decision about a run was first seen to be committed. */
export type Seen = { readonly of: string; readonly revision: Revision };

export type AgentState = {
  readonly self: HostId;
  readonly accel: "kvm" | "tcg";
  readonly heart: HeartSays | "lost";
  readonly still: Stillness;
  /** By `runKey`. */
  readonly locals: ReadonlyMap<string, Local>;
  readonly restarts: ReadonlyMap<VmId, Restarts>;
  /** Intents whose act was done, while their answers may not be on record yet: nothing is done twice. */
  readonly carriedOut: ReadonlySet<IntentId>;
  /** The machine was told to go down, after its last word. */
  readonly wentDown: boolean;
  readonly synced: boolean;
  /** An owner record that is not newer than this was there before this agent: whether its epoch ran is not known (S14). */
  readonly syncedRevision: Revision;
  readonly listing: Listing;
  /** Runs whose QEMU does not answer where it should, by `runKey`. */
  readonly silent: ReadonlyMap<string, Silent>;
  /** Subjects with a transaction under way, until the view shows its outcome. */
  readonly pending: ReadonlyMap<number, AgentPending>;
  readonly ops: ReadonlyMap<number, AgentOp>;
  readonly moveEnds: ReadonlyMap<VmId, MoveEnd>;
  /** When this host and those for which its guests leave were heard last; empty while none leaves. */
  readonly beats: ReadonlyMap<HostId, InstantMs>;
  readonly arrivals: ReadonlyMap<VmId, Arrival>;
  /** Moves, by their record's revision, for which this agent has said that it makes images here. */
  readonly arriving: ReadonlyMap<VmId, Revision>;
  readonly imageEnds: ReadonlyMap<StoreKey, ImageEnd>;
  /** How the copying of guests that leave goes, as it was heard last; taken over now and then, not before `progressAt`. */
  readonly progress: ReadonlyMap<VmId, MoveProgress>;
  /** The same as their status tells it. */
  readonly copying: ReadonlyMap<VmId, Copying>;
  /** For how many milliseconds guests stood still that have left, until that is told. */
  readonly pauses: ReadonlyMap<VmId, number>;
  readonly progressAt: InstantMs;
  /** By what they are about: decisions that have to be known to both voters before anything follows (S23). */
  readonly seen: ReadonlyMap<string, Seen>;
  readonly replicas: ReplicaNotes;
  readonly points: PointNotes;
  readonly reading: HostReading | undefined;
  readonly readAt: InstantMs;
  readonly readRunning: boolean;
  readonly measuring: Measuring;
  readonly aliveAt: InstantMs;
  /** The incarnation for which it last decided, and whether others could see the agent at work; `none`: it could not act. */
  readonly standing: `${number} ${"seen" | "unseen"}` | "none";
  readonly nextId: number;
};

/** What was known at one moment. Runs by `runKey`: one that is not in it was unknown or not there. */
export type Sample = {
  readonly atMs: number;
  readonly host: Use;
  readonly runs: ReadonlyMap<string, Use & { readonly vm: VmId }>;
};

/** What was measured lately; empty while nobody wants to know. */
export type Measuring = {
  readonly samples: readonly Sample[];
  readonly running: boolean;
  readonly nextAt: InstantMs;
};

/**
 * What is asked of `Hypervisor.list`. An answer speaks of the past: it counts only for runs to which nothing has happened
 * since it was asked, which `asked` holds as they were then.
 */
export type Listing = {
  /** Nothing is decided before an answer to a question of after this. */
  readonly needed: boolean;
  readonly asked: { readonly needed: boolean; readonly locals: ReadonlyMap<string, Local> } | undefined;
  /** Asked again then, needed or not: an end that nobody told must not stay unknown. */
  readonly nextAt: InstantMs;
};

export type AgentPending = {
  readonly subject: string;
  readonly until:
    | { readonly kind: "sent" }
    | { readonly kind: "answered"; readonly revision: Revision }
    | { readonly kind: "unclear"; readonly freeAt: InstantMs };
};

export type AgentOp = {
  readonly kind: "start" | "stop" | "halt" | "kill" | "adopt" | "reset" | "remove-image" | MoveOp | ReplicaOp | PointOp;
  /** Of `remove-image`: the key of the image's record. */
  readonly runKey: string;
  readonly intent?: IntentId;
  readonly as?: VmRun;
  /** Of a step about recovery points. */
  readonly about?: PointPart;
};

/** A step of a live move (ports/migration.ts). */
export type MoveOp = "prepare" | "migrate-out" | "cancel-out" | "switch-over" | "complete" | "abandon" | "check";

export type AgentEvent = { readonly now: InstantMs; readonly wall: WallMs; readonly view: ClusterView } & (
  | { readonly kind: "synced" }
  | { readonly kind: "changed"; readonly touched: Touched }
  | { readonly kind: "woke" }
  | { readonly kind: "heart"; readonly says: HeartSays | "lost" }
  | { readonly kind: "vm"; readonly event: VmEvent }
  /** `attached`: those of them, and of those that have ended, whose writes go through a relay; `cycled`: copied in cycles. */
  | {
      readonly kind: "listed";
      readonly runs: readonly RunningVm[];
      readonly attached: readonly VmRun[];
      readonly cycled?: readonly VmRun[];
      /** What is noted here of runs that go on without their copies (S23). Not there: no run may. */
      readonly alone?: FoundNotes & Pick<AloneNotes, "mayNote">;
    }
  | { readonly kind: "op-ended"; readonly op: number; readonly end: HypervisorEnd }
  | { readonly kind: "prepared"; readonly op: number; readonly end: IncomingEnd }
  | { readonly kind: "checked"; readonly op: number; readonly health: GuestHealth }
  | { readonly kind: "move"; readonly event: MoveEvent }
  | ReplicaNews
  | PointNews
  | { readonly kind: "commit-ended"; readonly id: number; readonly end: CommitterEnd }
  | { readonly kind: "read"; readonly reading: HostReading }
  | { readonly kind: "measured"; readonly measurement: Measurement }
);

export type AgentEffect =
  | {
      readonly kind: "commit";
      readonly id: number;
      readonly transaction: Transaction;
      readonly events: readonly EventDraft[];
    }
  | { readonly kind: "start"; readonly op: number; readonly request: StartRequest }
  | { readonly kind: "stop" | "halt"; readonly op: number; readonly run: VmRun; readonly graceMs: number }
  | { readonly kind: "kill" | "reset"; readonly op: number; readonly run: VmRun }
  | { readonly kind: "adopt"; readonly op: number; readonly run: VmRun; readonly as: VmRun }
  | { readonly kind: "prepare"; readonly op: number; readonly request: IncomingRequest }
  | { readonly kind: "migrate-out"; readonly op: number; readonly run: VmRun; readonly request: OutgoingRequest }
  | { readonly kind: "complete"; readonly op: number; readonly run: VmRun; readonly limitMs: number }
  | {
      readonly kind: "cancel-out" | "switch-over" | "abandon" | "check";
      readonly op: number;
      readonly run: VmRun;
    }
  /** `arrivedFor`: only what was made for that run of it; null: whatever lies there. */
  | {
      readonly kind: "remove-image";
      readonly op: number;
      readonly pool: Pool;
      readonly volume: string;
      readonly arrivedFor: Epoch | null;
    }
  | { readonly kind: "list" }
  | ReplicaEffect
  | PointEffect
  /** The machine is to go: nothing of it counts in the cluster any more (HM4). */
  | { readonly kind: "leave"; readonly next: "reboot" | "power-off" }
  | { readonly kind: "read" }
  | { readonly kind: "measure"; readonly runs: readonly VmRun[] }
  | { readonly kind: "alive"; readonly poolAgeMs: number | null }
  | { readonly kind: "wake-at"; readonly at: InstantMs };

export type AgentStep = { readonly state: AgentState; readonly effects: readonly AgentEffect[] };

export function runKey(run: VmRun): string {
  return `${run.incarnation}/${run.vm}.${run.epoch}`;
}

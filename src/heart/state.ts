import type { HostId, Incarnation, InstantMs, Nonce, Revision, StoreKey, WallMs } from "../model/ids.ts";
import type { FenceRecord, HostRegistration } from "../model/records.ts";
import type { RemovedHost } from "../model/removal-records.ts";
import type { CommitEnd, Transaction } from "../model/transaction.ts";
import type { Stored } from "../model/view.ts";
import type { GuardName, GuardSays } from "../ports/guard.ts";
import type { HeartSays } from "../ports/heart.ts";
import type { OwnIncarnation } from "../ports/heart-host.ts";
import type { SnapshotEnd } from "../ports/store.ts";

export type HeartConfig = {
  readonly host: HostId;
  /** Identifies the machine over boots. */
  readonly machine: string;
  /** P. */
  readonly heartbeatMs: number;
  /** D and M of the profile, for waiting on an earlier incarnation; heartbeats carry the guards' own (S7). */
  readonly deadlineMs: number;
  readonly marginMs: number;
};

/** Numbers requests, so that an answer that nobody waits for any more is recognised. */
export type Ticket = number;

/** Why it does not beat: codes of `messages`. */
export type Trouble =
  | "heart-guard-away"
  | "heart-guard-refuses"
  | "heart-freeze-unverified"
  | "heart-store-silent"
  | "heart-store-unreadable"
  | "heart-earlier-incarnation"
  | "heart-incarnation-file"
  | "heart-fenced"
  | "heart-power-ordered"
  | "heart-host-leaves"
  | "heart-other-machine"
  | "heart-removed"
  | "heart-registration-changed";

/** What a guard answered to the incarnation it was told on this connection. */
export type GuardAnswer =
  | { readonly kind: "none" }
  | { readonly kind: "asked"; readonly incarnation: Incarnation; readonly at: InstantMs }
  | { readonly kind: "ready"; readonly incarnation: Incarnation; readonly leftovers: number }
  | { readonly kind: "failed"; readonly incarnation: Incarnation; readonly at: InstantMs };

export type GuardView =
  | { readonly kind: "away" }
  | {
      readonly kind: "here";
      /** Grows with each connection: what was asked of an earlier one is void. */
      readonly session: number;
      /** D and M that it enforces. */
      readonly deadlineMs: number;
      readonly marginMs: number;
      /** The incarnation it knew when it said hello. */
      readonly known: Incarnation | null;
      readonly frozen: boolean;
      readonly verified: boolean;
      readonly answer: GuardAnswer;
    };
export type GuardViews = Readonly<Record<GuardName, GuardView>>;

/** `/hosts/H/` as read; null: no machine has ever registered this name. */
export type Found = Stored<HostRegistration> | null;

/** Since when the earlier incarnation's heartbeat has stood at this revision, by this process's own clock. */
export type Silence = {
  readonly incarnation: Incarnation;
  /** Null: it has none. */
  readonly revision: Revision | null;
  readonly since: InstantMs;
  /** The larger of its D + M and ours (S7). */
  readonly waitMs: number;
  /** False: no deadline holds it, and its silence proves nothing (S23). */
  readonly proves: boolean;
};

/** What permits to end the earlier incarnation: nothing to end, a fence record, or silence. */
export type Evidence =
  /** `takenBack`: the host was removed, and may register anew (HM7); null: nobody ever did. */
  | { readonly kind: "first"; readonly takenBack: Stored<RemovedHost> | null }
  | { readonly kind: "fenced"; readonly incarnation: Incarnation; readonly record: Stored<FenceRecord> }
  | { readonly kind: "silent"; readonly silence: Silence };

/** A registration that is to be made or may have been made; kept over repetitions while `/hosts/H/` stands unchanged. */
export type Candidate = OwnIncarnation & { readonly found: Found };

export type Stamping = {
  readonly stamp: number;
  readonly askedAt: InstantMs;
  readonly by: Readonly<Record<GuardName, boolean>>;
};
export type InFlight = {
  readonly ticket: Ticket;
  readonly stamp: number;
  /** The guards' connections on which the stamp was made. */
  readonly sessions: Readonly<Record<GuardName, number>>;
};

export type Question = "host" | "fence" | "heartbeat";

export type Phase =
  | { readonly kind: "idle"; readonly trouble: Trouble | null; readonly dueAt: InstantMs }
  | {
      readonly kind: "looking";
      readonly question: Question;
      readonly found: Found;
      readonly ticket: Ticket;
      readonly dueAt: InstantMs;
      readonly trouble: Trouble | null;
    }
  | {
      readonly kind: "registering";
      readonly stage: "file" | "guards" | "commit";
      readonly candidate: Candidate;
      readonly evidence: Evidence;
      readonly ticket: Ticket;
      readonly dueAt: InstantMs;
    }
  | {
      readonly kind: "beating";
      readonly own: OwnIncarnation;
      /** `/hosts/H/` of this registration: compared in each heartbeat (S1). */
      readonly registration: Stored<HostRegistration>;
      readonly nextBeatAt: InstantMs;
      readonly stamping: Stamping | null;
      readonly inFlight: readonly InFlight[];
      /** When the oldest heartbeat since the last commit was sent; null: none is without an end or came to nothing. */
      readonly unansweredSince: InstantMs | null;
      /** Nothing was heard of the store since the newest heartbeat was sent. */
      readonly unheard: boolean;
      /** The reads that ask whether the store is heard at all, from the first ticket on; null: none was needed. */
      readonly asking: { readonly from: Ticket; readonly againAt: InstantMs } | null;
    }
  | { readonly kind: "refused"; readonly trouble: Trouble };

export type HeartState = {
  readonly config: HeartConfig;
  /** Unguessable, new with each start of the process: nonces are made of it. */
  readonly seed: string;
  readonly attempt: number;
  readonly guards: GuardViews;
  /** What the incarnation file holds; null: nothing of this boot. */
  readonly own: OwnIncarnation | null;
  readonly candidate: Candidate | null;
  readonly silence: Silence | null;
  /** Since when this heart has seen its incarnation's power ordered off. */
  readonly ordered: { readonly incarnation: Incarnation; readonly since: InstantMs } | null;
  /** Since when this heart has seen that its own life of the host gave its last word. */
  readonly left: { readonly incarnation: Incarnation; readonly since: InstantMs } | null;
  /** The last registration of this boot whose commit was seen. */
  readonly registered: OwnIncarnation | null;
  /** The own incarnation that was fenced, until the next one is registered. */
  readonly fenced: Incarnation | null;
  readonly phase: Phase;
  readonly agent: { readonly at: InstantMs; readonly poolAgeMs: number | null } | null;
  readonly lastTicket: Ticket;
  readonly lastStamp: number;
  readonly lastSession: number;
  readonly told: { readonly says: HeartSays; readonly at: InstantMs } | null;
};

export type HeartEvent = { readonly at: InstantMs; readonly wall: WallMs } & (
  | { readonly kind: "tick" }
  | { readonly kind: "guard"; readonly name: GuardName; readonly says: GuardSays }
  | { readonly kind: "snapshot"; readonly ticket: Ticket; readonly end: SnapshotEnd }
  | { readonly kind: "commit"; readonly ticket: Ticket; readonly end: CommitEnd }
  | { readonly kind: "incarnation-written"; readonly ticket: Ticket; readonly written: boolean }
  | { readonly kind: "agent-alive"; readonly poolAgeMs: number | null }
);

export type GuardCommand =
  | { readonly kind: "incarnation"; readonly incarnation: Incarnation }
  | { readonly kind: "stamp"; readonly stamp: number }
  | { readonly kind: "committed"; readonly stamp: number }
  | { readonly kind: "freeze" };

export type HeartEffect =
  | { readonly kind: "guard"; readonly name: GuardName; readonly command: GuardCommand }
  | { readonly kind: "snapshot"; readonly ticket: Ticket; readonly prefix: StoreKey }
  | {
      readonly kind: "commit";
      readonly ticket: Ticket;
      readonly transaction: Transaction;
      readonly timeoutMs: number;
    }
  | { readonly kind: "write-incarnation"; readonly ticket: Ticket; readonly own: OwnIncarnation }
  | { readonly kind: "tell-agent"; readonly says: HeartSays }
  | { readonly kind: "wake-at"; readonly at: InstantMs };

export type HeartStep = { readonly state: HeartState; readonly effects: readonly HeartEffect[] };

export function start(config: HeartConfig, own: OwnIncarnation | null, seed: string, at: InstantMs): HeartState {
  return {
    config,
    seed,
    attempt: 0,
    guards: { a: { kind: "away" }, b: { kind: "away" } },
    own,
    candidate: null,
    silence: null,
    ordered: null,
    left: null,
    registered: null,
    fenced: null,
    phase: { kind: "idle", trouble: null, dueAt: at },
    agent: null,
    lastTicket: 0,
    lastStamp: 0,
    lastSession: 0,
    told: null,
  };
}

export function stay(state: HeartState): HeartStep {
  return { state, effects: [] };
}

/** `next` after `step`; effects keep their order. */
export function andThen(step: HeartStep, next: (state: HeartState) => HeartStep): HeartStep {
  const after = next(step.state);
  if (step.effects.length === 0) return after;
  if (after.effects.length === 0) return { state: after.state, effects: step.effects };
  return { state: after.state, effects: [...step.effects, ...after.effects] };
}

export function nonceOf(seed: string, attempt: number): Nonce {
  return `${seed}-${attempt}` as Nonce;
}

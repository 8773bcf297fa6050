import type { Contacts, OwnContact } from "../core/contact.ts";
import type { Placing } from "../core/decision.ts";
import type { LeaderContact } from "../core/leadership.ts";
import type { BalanceState } from "../core/placement/rebalance.ts";
import type { Turns } from "../core/start-order.ts";
import type { Profile } from "../model/config.ts";
import type { HostId, InstantMs, Revision, TaskId, Term, WallMs } from "../model/ids.ts";
import type { EventDraft, FenceDevice } from "../model/records.ts";
import type { CommitterEnd, Transaction } from "../model/transaction.ts";
import type { ClusterView, Touched } from "../model/view.ts";
import type { Doubts } from "./doubts.ts";

/** What one transaction of this manager keeps busy, until the view has caught up with its revision. */
export type Pending = {
  /** Promised until the view shows it, or that it was refused (PL1); where its outcome is unknown, by `doubts`. */
  readonly places?: readonly Placing[];
  readonly subject: string;
  readonly kind: "decision" | "tick" | "claim" | "notice";
  /**
   * `sent`: no answer yet. `answered`: free once the view holds this revision, which shows the outcome or why it was
   * refused. `unclear`: the outcome is unknown; free at this moment, and what is decided then rests on compares again.
   */
  readonly until:
    | { readonly kind: "sent" }
    | { readonly kind: "answered"; readonly revision: Revision }
    | { readonly kind: "unclear"; readonly freeAt: InstantMs };
};

export type Leadership =
  | { readonly kind: "standby" }
  | { readonly kind: "claiming" }
  | {
      readonly kind: "leading";
      readonly term: Term;
      readonly tick: number;
      readonly nextTickAt: InstantMs;
      readonly since: InstantMs;
    };

export type DeviceRun = { readonly attempt: number; readonly running: boolean; readonly retryAt: InstantMs };

/** Everything one manager process knows. All of it may be lost: what matters is in the store. */
export type ManagerState = {
  readonly self: HostId;
  readonly profile: Profile;
  readonly startedAt: InstantMs;
  /** When it last decided. */
  readonly decidedAt: InstantMs;
  /** True from the first snapshot on. */
  readonly synced: boolean;
  readonly own: OwnContact;
  readonly contacts: Contacts;
  readonly leader: LeaderContact;
  readonly leadership: Leadership;
  readonly fencesSeenAt: ReadonlyMap<string, number>;
  readonly failuresSeenAt: ReadonlyMap<string, number>;
  /** Counted anew by each manager (PL5). */
  readonly balance: BalanceState;
  readonly turns: Turns;
  readonly pending: ReadonlyMap<number, Pending>;
  readonly doubts: Doubts;
  readonly devices: ReadonlyMap<string, DeviceRun>;
  /** What was said of a subject and still holds: said once. */
  readonly announced: Announced;
  readonly nextId: number;
};

/** By subject, what it was and whose open tasks knew of it when it was said. */
export type Announced = ReadonlyMap<string, { readonly text: string; readonly tasks: readonly TaskId[] }>;

export type ManagerEvent = {
  readonly now: InstantMs;
  readonly wall: WallMs;
  readonly view: ClusterView;
  /** This host's store was forced, and what has to follow may not even have been begun (S24). */
  readonly isHeld?: boolean;
} & (
  | { readonly kind: "synced" }
  | { readonly kind: "changed"; readonly touched: Touched }
  | { readonly kind: "woke" }
  | { readonly kind: "commit-ended"; readonly id: number; readonly end: CommitterEnd }
  | { readonly kind: "power-off-ended"; readonly key: string; readonly off: boolean; readonly cause: string }
);

export type ManagerEffect =
  | {
      readonly kind: "commit";
      readonly id: number;
      readonly transaction: Transaction;
      readonly events: readonly EventDraft[];
      /** Not to be sent again by itself where its outcome is unknown (S8). */
      readonly once: boolean;
    }
  | { readonly kind: "power-off"; readonly key: string; readonly device: FenceDevice }
  | { readonly kind: "wake-at"; readonly at: InstantMs };

export type ManagerStep = { readonly state: ManagerState; readonly effects: readonly ManagerEffect[] };

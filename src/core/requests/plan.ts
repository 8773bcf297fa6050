import type { Actor } from "../../model/branded.ts";
import type { WallMs } from "../../model/ids.ts";
import type { Refusal } from "../../model/reason.ts";
import type { EventDraft, VmSpec } from "../../model/records.ts";
import type { Outcome } from "../../model/request-records.ts";
import type { Transaction } from "../../model/transaction.ts";

/** Who asks, and when by the wall clock (for people only). */
export type Asked = { readonly actor: Actor; readonly at: WallMs };

/** A request that may be carried out: all of it in one transaction, or nothing. */
export type Plan = {
  readonly kind: "plan";
  readonly transaction: Transaction;
  readonly outcome: Outcome;
  /** What is to be told once it is committed. */
  readonly events: readonly EventDraft[];
  /** Images that must exist before it is committed. */
  readonly volumes?: VmSpec["disks"];
};
export type Planned = Plan | Refusal;

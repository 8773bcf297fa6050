import { isRemoved } from "../../core/removal.ts";
import type { Plan, Planned } from "../../core/requests/plan.ts";
import { put, transaction, unchanged } from "../../core/transactions.ts";
import { type InstantMs, later, type Revision, type StoreKey, type WallMs } from "../../model/ids.ts";
import { parseJson } from "../../model/json.ts";
import { keys } from "../../model/keys.ts";
import { type Params, type Refusal, refuse } from "../../model/reason.ts";
import type { EventDraft } from "../../model/records.ts";
import { type Outcome, requestSchema } from "../../model/request-records.ts";
import type { CommitterEnd } from "../../model/transaction.ts";
import type { SnapshotEnd, Transaction } from "../../ports/store.ts";
import { type ApiOptions, apiLimits } from "./options.ts";
import { answered, waitFor } from "./wait.ts";

/** The store gave no answer in time. */
export type Unavailable = { readonly kind: "unavailable"; readonly code: string; readonly params: Params };
export type Mutated = { readonly kind: "done"; readonly outcome: Outcome } | Refusal | Unavailable;

export type Mutation = {
  readonly requestId: string;
  /** The procedure and its input as text. */
  readonly asked: string;
  readonly at: WallMs;
  /** Called again where somebody else was first. */
  readonly plan: () => Planned;
  /** What must exist before the records do: made before the commit of a plan, undone where it surely did not happen. */
  readonly prepare?: {
    readonly make: (plan: Plan) => Promise<Refusal | undefined>;
    readonly undo: (plan: Plan) => Promise<void>;
  };
};

type Attempt = Mutated | { readonly kind: "again"; readonly cause: string; readonly unknown: boolean };

/**
 * Carries a request out exactly once, or says truly that it did not or could not tell. The request's own record is part
 * of the transaction: after an `unknown` the next attempt reads it, and a repetition finds it.
 */
export async function mutate(options: ApiOptions, mutation: Mutation): Promise<Mutated> {
  const until = later(options.clock.now(), apiLimits.requestMs);
  let unknown = false;
  let cause = "";
  for (let attempt = 0; attempt < apiLimits.attempts && options.clock.now() < until; attempt++) {
    const end = await attemptOnce(options, mutation, until);
    // Once a commit had no answer, only its record can tell: a refusal by a later look might be about its own effect.
    if (end.kind === "done" || (!unknown && end.kind !== "again")) return end;
    unknown ||= end.kind === "again" && end.unknown;
    cause = end.kind === "again" ? end.cause : cause;
  }
  const { requestId } = mutation;
  if (unknown) return { kind: "unavailable", code: "request-outcome-unknown", params: { requestId, cause } };
  return refuse("request-always-overtaken", { attempts: apiLimits.attempts });
}

async function attemptOnce(options: ApiOptions, mutation: Mutation, until: InstantMs): Promise<Attempt> {
  const key = keys.request(mutation.requestId);
  const read = await snapshot(options, key);
  if (read.kind === "unknown")
    return { kind: "unavailable", code: "store-not-reachable", params: { cause: read.cause } };
  const before = read.values.find((value) => value.key === key);
  if (before !== undefined) return repeated(mutation, before.text);
  // What is refused is refused on what the store says now, not on what this host heard some time ago.
  if (!(await viewReaches(options, read.revision, until))) {
    return { kind: "unavailable", code: "view-behind", params: { revision: read.revision } };
  }
  if (isRemoved(options.view(), options.self)) return refuse("asked-of-removed-host", { host: options.self });
  const planned = mutation.plan();
  if (planned.kind === "refused") return planned;
  const unprepared = await mutation.prepare?.make(planned);
  if (unprepared !== undefined) return unprepared;
  const record = { schema: 1 as const, asked: mutation.asked, outcome: planned.outcome, at: mutation.at };
  const { compares, writes } = planned.transaction;
  const write = transaction([unchanged(key, undefined), ...compares], [...writes, put(key, record)]);
  const end = await commit(options, write, planned.events);
  switch (end.kind) {
    case "committed":
      await viewReaches(options, end.revision, until);
      return { kind: "done", outcome: planned.outcome };
    case "refused": {
      await mutation.prepare?.undo(planned);
      const first = end.found.find((value) => value.key === key);
      if (first !== undefined) return repeated(mutation, first.text);
      await viewReaches(options, end.revision, until);
      return { kind: "again", cause: "overtaken", unknown: false };
    }
    case "too-large":
      await mutation.prepare?.undo(planned);
      return refuse("transaction-too-large", end.params);
    case "unknown":
      return { kind: "again", cause: end.cause, unknown: true };
  }
}

function repeated(mutation: Mutation, text: string): Mutated {
  const parsed = requestSchema.safeParse(parseJson(text));
  const { requestId } = mutation;
  if (!parsed.success || parsed.data.asked !== mutation.asked) return refuse("request-id-reused", { requestId });
  return { kind: "done", outcome: parsed.data.outcome };
}

function viewReaches(options: ApiOptions, revision: Revision, until: InstantMs): Promise<boolean> {
  const limit = Math.min(until, options.clock.now() + apiLimits.viewMs) as InstantMs;
  return waitFor(options.clock, limit, apiLimits.pollMs, () => options.view().revision >= revision);
}

function snapshot(options: ApiOptions, prefix: StoreKey): Promise<SnapshotEnd> {
  const late = { kind: "unknown", cause: "no answer" } as const;
  return answered<SnapshotEnd>(options.clock, apiLimits.storeMs, late, (done) => options.store.snapshot(prefix, done));
}

function commit(options: ApiOptions, write: Transaction, events: readonly EventDraft[]): Promise<CommitterEnd> {
  const late = { kind: "unknown", cause: "no answer" } as const;
  return answered<CommitterEnd>(options.clock, apiLimits.commitMs, late, (done) => {
    if (options.commit === undefined) options.store.commit(write, apiLimits.storeMs, done);
    else options.commit(write, events, done);
  });
}

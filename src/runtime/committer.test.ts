import { describe, expect, test } from "vitest";
import { virtualClock } from "../../test/support/virtual-clock.ts";
import { event } from "../core/decision.ts";
import type { HostId, StoreKey } from "../model/ids.ts";
import type { EventDraft } from "../model/records.ts";
import type { CommitEnd, Transaction } from "../model/transaction.ts";
import { transactionOpsMax } from "../ports/store-rules.ts";
import { createMemoryStore } from "../sim/memory-store.ts";
import { createCommitter } from "./committer.ts";

const key = "/policy/" as StoreKey;
const put = (text: string): Transaction => ({ compares: [], writes: [{ kind: "put", key, text }] });
const told = [event("host-joined", {}, {})];
const forgotten = (): void => undefined;

/** A committer on a store that takes messages only when a test passes them on. */
function rig() {
  const clock = virtualClock();
  const store = createMemoryStore({ schedule: (deliver) => deliver() });
  const sent: { readonly transaction: Transaction; readonly done: (end: CommitEnd) => void }[] = [];
  let boots = 0;
  const commit = createCommitter({
    host: "h1" as HostId,
    clock,
    random: { hex: () => `boot${++boots}`, below: () => 0 },
    digest: (text) => String(text.length),
    store: { ...store, commit: (transaction, _timeoutMs, done) => sent.push({ transaction, done }) },
  });
  const ends: string[] = [];
  return {
    clock,
    sent,
    ends,
    commit,
    ask: (transaction: Transaction) => commit(transaction, told, (end) => ends.push(end.kind)),
    /** The store carries out the message of this number; the answer comes, or is lost. */
    carryOut: (index: number, answer: "comes" | "lost") => {
      const message = sent[index];
      if (message === undefined) throw new Error(`message ${index} was never sent`);
      store.commit(message.transaction, 1, answer === "comes" ? message.done : forgotten);
    },
    unanswered: (index: number) => sent[index]?.done({ kind: "unknown", cause: "timeout: test" }),
  };
}

describe("a transaction that no store takes", () => {
  const many = Array.from({ length: transactionOpsMax + 1 }, (_, i) => `/vms/${i}/` as StoreKey);
  const large: Transaction = { compares: many.map((key) => ({ kind: "absent", key })), writes: [] };

  test("is never sent and answered as such, what it was about is told, and the next one is sent", () => {
    const { ask, carryOut, ends, sent } = rig();
    ask(large);
    ask(put("one"));
    expect(ends).toEqual(["too-large"]);
    carryOut(0, "comes");
    const said = sent[0]?.transaction.writes[0];
    expect(said?.kind === "put" && JSON.parse(said.text)).toMatchObject({
      type: "transaction-too-large",
      params: { about: "host-joined", compares: transactionOpsMax + 2, writes: 1, most: transactionOpsMax },
    });
    carryOut(1, "comes");
    expect(ends).toEqual(["too-large", "committed"]);
  });

  test("without events, too", () => {
    const { commit, ends, sent } = rig();
    commit(large, [], (end) => ends.push(end.kind));
    expect(ends).toEqual(["too-large"]);
    expect(sent).toEqual([]);
  });

  test("asked for by a person it is told by the answer alone", () => {
    const { commit, ends, sent } = rig();
    const actor = { name: "ada", role: "admin", requestId: "r1" } as const;
    commit(large, [{ ...told[0], actor } as EventDraft], (end) => ends.push(end.kind));
    expect(ends).toEqual(["too-large"]);
    expect(sent).toEqual([]);
  });
});

describe("commits with events", () => {
  test("a lost answer: the repetition finds its own event, and the transaction has happened once", () => {
    const { ask, carryOut, unanswered, clock, ends, sent } = rig();
    ask(put("one"));
    carryOut(0, "lost");
    unanswered(0);
    clock.advance(1_000);
    expect(sent).toHaveLength(2);
    carryOut(1, "comes");
    expect(ends).toEqual(["committed"]);
  });

  test("an attempt that lands after it was given up takes a number of the chain, and the next event still gets through", () => {
    const { ask, carryOut, unanswered, clock, ends, sent } = rig();
    // Refused at the second attempt, yet true again when the first one arrives.
    ask({ compares: [{ kind: "absent", key }], writes: [] });
    unanswered(0);
    clock.advance(1_000);
    sent[1]?.done({ kind: "refused", found: [], revision: 1 as never });
    expect(ends).toEqual(["refused"]);
    carryOut(0, "lost");
    ask(put("two"));
    carryOut(2, "comes");
    ask(put("three"));
    carryOut(3, "comes");
    expect(ends).toEqual(["refused", "refused", "committed"]);
  });
});

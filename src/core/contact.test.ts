import { describe, expect, test } from "vitest";
import { heartbeat, incarnation } from "../../test/support/records.ts";
import type { InstantMs, Revision } from "../model/ids.ts";
import { agentSilenceMs, evidence, hasContact, hear, mayHaveWaited, silenceOf } from "./contact.ts";
import { limits } from "./limits.ts";

const at = (ms: number): InstantMs => ms as InstantMs;
const ownWaitMs = 5_600;
const process = { startedAt: at(0), ownWaitMs, extraMs: 0 };
const steady = (now: number) => ({ lastAt: at(now), since: at(0), graceUntil: at(0) });

function heardAt(now: number, revision: number, more: Parameters<typeof heartbeat>[0] = {}, n = 1) {
  return (known: ReturnType<typeof hear> | undefined) =>
    hear(
      known,
      { incarnation: incarnation(n), revision: revision as Revision, heartbeat: heartbeat(more) },
      ownWaitMs,
      at(now),
      true,
    );
}

describe("silence of a host", () => {
  test("[S8] a fence is due D+M after the receipt of the last heartbeat, not before", () => {
    const contact = heardAt(10_000, 1)(undefined);
    expect(silenceOf(contact, steady(15_599), process, at(15_599))).toEqual({ kind: "not-due", at: 15_600 });
    expect(silenceOf(contact, steady(15_600), process, at(15_600))).toEqual({ kind: "due" });
  });

  test("[S7] the larger of the host's D+M and this process's own is waited for", () => {
    const contact = heardAt(10_000, 1, { deadlineMs: 15_000, marginMs: 1_000 })(undefined);
    expect(contact.waitMs).toBe(16_000);
    const shorter = heardAt(10_000, 1, { deadlineMs: 3_000, marginMs: 600 })(undefined);
    expect(shorter.waitMs).toBe(ownWaitMs);
  });

  test("[S7] a shorter D counts only once the longer promise of the heartbeat before it is over", () => {
    const longer = heardAt(10_000, 1, { deadlineMs: 15_000, marginMs: 1_000 })(undefined);
    const shorter = heardAt(10_500, 2)(longer);
    expect(shorter.waitMs).toBe(ownWaitMs);
    expect(shorter.silentUntil).toBe(26_000);
  });

  test("[S2, S7] an old heartbeat that a frozen member of the store hands on late makes the wait longer, never shorter", () => {
    const longer = heardAt(10_000, 2, { seq: 900, deadlineMs: 15_000, marginMs: 1_000 })(undefined);
    const old = heardAt(12_000, 3, { seq: 7 })(longer);
    expect(old.silentUntil).toBe(26_000);
    expect(silenceOf(old, steady(25_999), process, at(25_999))).toEqual({ kind: "not-due", at: 26_000 });
    expect(heardAt(25_000, 4, { seq: 8 })(old).silentUntil).toBe(30_600);
  });

  test("[S1] a promise of an earlier incarnation does not bind the next", () => {
    const longer = heardAt(10_000, 1, { deadlineMs: 15_000, marginMs: 1_000 })(undefined);
    expect(heardAt(10_500, 2, {}, 2)(longer).silentUntil).toBe(16_100);
  });

  test("[S13] a host that rejoins begins frozen: how long the incarnation before it stood frozen does not count", () => {
    const frozen = heardAt(10_000, 1, { frozen: true })(undefined);
    expect(heardAt(20_000, 2, { frozen: true })(frozen).frozenSince).toBe(10_000);
    expect(heardAt(20_000, 2, { frozen: true }, 2)(frozen).frozenSince).toBe(20_000);
  });

  test("[S13] a heart that has just begun has not heard the agent yet, and takes back nothing of what was heard before", () => {
    const first = heardAt(10_000, 1, { agentAgeMs: null })(undefined);
    expect(first.agentLivedAt).toBe(10_000);
    const heard = heardAt(90_000, 2, { agentAgeMs: 300 })(first);
    expect(heard.agentLivedAt).toBe(89_700);
    const begun = heardAt(90_500, 3, { agentAgeMs: null })(heard);
    expect(begun.agentLivedAt).toBe(89_700);
    expect(agentSilenceMs(heartbeat({ agentAgeMs: null }), begun, at(91_000))).toBe(1_300);
    expect(heardAt(91_000, 4, { agentAgeMs: null }, 2)(begun).agentLivedAt).toBe(91_000);
  });

  test("[S8] the same revision heard again, or an older one, restarts nothing", () => {
    const contact = heardAt(10_000, 5)(undefined);
    expect(heardAt(14_000, 5)(contact)).toBe(contact);
    expect(heardAt(14_000, 4)(contact)).toBe(contact);
  });

  test("[S8] a process younger than D+M fences nobody", () => {
    const contact = { ...heardAt(0, 1)(undefined), silentUntil: at(0) };
    const young = { ...process, startedAt: at(10_000) };
    expect(silenceOf(contact, steady(15_000), young, at(15_000))).toEqual({ kind: "not-due", at: 15_600 });
  });

  test("[S8] a host that was only in the first snapshot is not fenced for 180 s: the whole cluster may be starting", () => {
    const contact = hear(
      undefined,
      { incarnation: incarnation(1), revision: 1 as Revision, heartbeat: heartbeat() },
      ownWaitMs,
      at(0),
      false,
    );
    expect(silenceOf(contact, steady(100_000), process, at(100_000))).toEqual({
      kind: "not-due",
      at: limits.unheardMs,
    });
  });
});

describe("this process's own contact", () => {
  test("[S8] without a sign of the store for more than a second nobody is judged", () => {
    const own = steady(10_000);
    expect(hasContact(own, at(11_000))).toBe(true);
    expect(hasContact(own, at(11_001))).toBe(false);
    const contact = heardAt(1_000, 1)(undefined);
    expect(silenceOf(contact, own, process, at(12_000))).toEqual({ kind: "cannot-judge" });
  });

  test("[S8] after a gap nobody is fenced for 3 s, after one longer than D for 10 s", () => {
    expect(evidence(steady(10_000), 5_000, at(12_000))).toEqual({ lastAt: 12_000, since: 12_000, graceUntil: 15_000 });
    expect(evidence(steady(10_000), 5_000, at(30_000))).toMatchObject({ lastAt: 30_000, graceUntil: 40_000 });
  });

  test("[S8] a short gap never shortens the grace of a long one", () => {
    const long = evidence(steady(10_000), 5_000, at(30_000));
    expect(evidence(long, 5_000, at(32_000)).graceUntil).toBe(40_000);
  });

  test("[PL1] what arrives right after a long gap may have waited since before it, and tells of no life until a later word", () => {
    const short = evidence(steady(10_000), 5_000, at(12_000));
    expect(mayHaveWaited(short, at(12_000))).toBe(false);
    const long = evidence(steady(10_000), 5_000, at(30_000));
    expect(mayHaveWaited(long, at(30_000 + limits.waitedWordsMs - 1))).toBe(true);
    expect(mayHaveWaited(evidence(long, 5_000, at(30_400)), at(30_000 + limits.waitedWordsMs))).toBe(false);
    const said = (revision: number) => ({
      incarnation: incarnation(1),
      revision: revision as Revision,
      heartbeat: heartbeat({}),
    });
    const waited = hear(heardAt(9_000, 1)(undefined), said(2), ownWaitMs, at(30_000), true, true);
    expect(waited).toMatchObject({ heardAt: 30_000, live: true, waited: true });
    expect(hear(waited, said(2), ownWaitMs, at(31_000), true).waited).toBe(true);
    expect(hear(waited, said(3), ownWaitMs, at(31_000), true).waited).toBeUndefined();
  });

  test("[S8] a fence that became due during the gap waits for the end of the grace", () => {
    const own = evidence(steady(10_000), 5_000, at(30_000));
    const contact = heardAt(9_000, 1)(undefined);
    expect(silenceOf(contact, own, process, at(30_000))).toEqual({ kind: "not-due", at: 40_000 });
  });
});

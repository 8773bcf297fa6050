import { describe, expect, test } from "vitest";
import { fenceOf, HeartRig, host, registrationOf, stored } from "../../test/support/heart-rig.ts";
import type { Incarnation, Revision } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { heartLimits } from "./limits.ts";

const one = 1 as Incarnation;
const registeredAs = (number: number, nonce: string, revision: number, machine?: string) =>
  stored(keys.host(host), registrationOf(number, nonce, machine), revision);

describe("beating", () => {
  test("[S3] both guards stamp before the heartbeat is sent", () => {
    const rig = HeartRig.beating();
    expect(rig.commands().slice(-2)).toEqual(["a stamp 1", "b stamp 1"]);
    rig.guard("a", { kind: "stamped", stamp: 1 });
    expect(rig.take("commit")).toHaveLength(0);
    rig.guard("b", { kind: "stamped", stamp: 1 });
    expect(rig.one("commit").timeoutMs).toBe(1_500);
  });

  test("[S1] a heartbeat compares the registration's revision and the absence of a fence, and writes its own key", () => {
    const rig = HeartRig.beating();
    const { transaction, heartbeat } = rig.stampBoth();
    expect(transaction.compares).toEqual([
      { kind: "revision", key: keys.host(host), revision: 10 },
      { kind: "absent", key: keys.fence(host, one) },
    ]);
    expect(transaction.writes.map((write) => write.key)).toEqual([keys.heartbeat(host, one)]);
    expect(heartbeat).toMatchObject({ schema: 1, seq: 1, frozen: true, agentAgeMs: null });
  });

  test("[S7] a heartbeat carries the larger D and M of what the guards enforce", () => {
    const rig = HeartRig.beating();
    rig.hello("b", { deadlineMs: 3_000, marginMs: 900, incarnation: one });
    rig.ready("b", 1);
    rig.commands();
    rig.tick(500);
    expect(rig.stampBoth().heartbeat).toMatchObject({ deadlineMs: 5_000, marginMs: 900 });
  });

  test("[S2] a commit goes to both guards; an unknown end permits nothing", () => {
    const rig = HeartRig.beating();
    const first = rig.stampBoth();
    rig.committed(first.ticket);
    expect(rig.commands()).toEqual(["a committed 1", "b committed 1"]);
    rig.tick(500);
    const second = rig.stampBoth();
    rig.unknown(second.ticket);
    expect(rig.commands()).toEqual([]);
  });

  test("[S2] late, repeated and reordered ends are harmless", () => {
    const rig = HeartRig.beating();
    const first = rig.stampBoth();
    rig.tick(500);
    rig.heard();
    const second = rig.stampBoth();
    rig.committed(second.ticket);
    rig.committed(first.ticket);
    expect(rig.commands()).toEqual(["a committed 2", "b committed 2", "a committed 1", "b committed 1"]);
    rig.committed(first.ticket);
    rig.unknown(second.ticket);
    rig.committed(777);
    expect(rig.commands()).toEqual([]);
    rig.tick(500);
    const third = rig.stampBoth();
    rig.unknown(third.ticket);
    rig.committed(third.ticket); // after its time-out: the guards may not hear of it
    expect(rig.commands()).toEqual([]);
  });

  test("[S3] at most three heartbeats are in flight; the next waits for an end", () => {
    const rig = HeartRig.beating();
    const first = rig.stampBoth();
    for (let beat = 2; beat <= 3; beat++) {
      rig.tick(500);
      rig.heard();
      rig.stampBoth();
    }
    rig.tick(500);
    expect(rig.commands()).toEqual([]);
    rig.unknown(first.ticket);
    rig.heard();
    expect(rig.commands()).toEqual(["a stamp 4", "b stamp 4"]);
  });

  test("[S2] no heartbeat follows one without an answer before the store was heard: it might be committed for nothing", () => {
    const rig = HeartRig.beating();
    const first = rig.stampBoth();
    rig.tick(500);
    expect(rig.commands()).toEqual([]);
    expect(rig.one("snapshot").prefix).toBe(keys.host(host));
    rig.tick(200);
    expect(rig.take("snapshot")).toEqual([]);
    rig.tick(50);
    const { ticket } = rig.one("snapshot");
    rig.send({ kind: "snapshot", ticket, end: { kind: "unknown", cause: "timeout" } });
    rig.unknown(first.ticket);
    expect(rig.commands()).toEqual([]);
    rig.tick(250);
    rig.heard();
    expect(rig.commands()).toEqual(["a stamp 2", "b stamp 2"]);
  });

  test("[S2] a heartbeat's own late answer ends the asking; an answer to an earlier question does not", () => {
    const rig = HeartRig.beating();
    const first = rig.stampBoth();
    rig.tick(500);
    const asked = rig.one("snapshot");
    rig.committed(first.ticket);
    expect(rig.commands()).toEqual(["a committed 1", "b committed 1", "a stamp 2", "b stamp 2"]);
    for (const name of ["a", "b"] as const) rig.guard(name, { kind: "stamped", stamp: 2 });
    rig.tick(500);
    rig.one("snapshot");
    const end = { kind: "done", values: [], revision: 99 as Revision } as const;
    rig.send({ kind: "snapshot", ticket: asked.ticket, end });
    expect(rig.commands()).toEqual([]);
  });

  test("[S4] with one guard missing no heartbeat is sent, and its return is told the incarnation first", () => {
    const rig = HeartRig.beating();
    rig.committed(rig.stampBoth().ticket);
    rig.guard("b", { kind: "lost" });
    rig.commands();
    for (let beat = 0; beat < 5; beat++) rig.tick(500);
    expect(rig.commands()).toEqual([]);
    expect(rig.take("commit")).toHaveLength(0);
    expect(rig.says).toMatchObject({ phase: "beating", trouble: "heart-guard-away" });
    rig.hello("b", { incarnation: one });
    expect(rig.commands()).toEqual(["b incarnation 1"]);
    rig.ready("b", 1);
    expect(rig.commands()).toEqual(["a stamp 2", "b stamp 2"]);
    expect(rig.says.trouble).toBeNull();
  });

  test("[S3] a guard's new connection voids the stamps made on the old one", () => {
    const rig = HeartRig.beating();
    const sent = rig.stampBoth();
    rig.guard("a", { kind: "lost" });
    rig.hello("a", { incarnation: one });
    rig.ready("a", 1);
    rig.commands();
    rig.committed(sent.ticket);
    expect(rig.commands()).toEqual(["b committed 1"]);
    rig.tick(500);
    rig.guard("b", { kind: "stamped", stamp: 2 });
    rig.guard("a", { kind: "lost" });
    rig.hello("a", { incarnation: one });
    rig.ready("a", 1);
    rig.guard("a", { kind: "stamped", stamp: 2 }); // an answer that nobody waits for any more
    expect(rig.take("commit")).toHaveLength(0);
  });

  test("[S3] a stamp that a guard does not answer is given up, and its late answer sends nothing", () => {
    const rig = HeartRig.beating();
    rig.commands();
    rig.guard("a", { kind: "stamped", stamp: 1 });
    rig.tick(1_500);
    expect(rig.commands()).toEqual(["a stamp 2", "b stamp 2"]);
    rig.guard("b", { kind: "stamped", stamp: 1 });
    expect(rig.take("commit")).toHaveLength(0);
  });

  test("[S13] a heartbeat says how long ago the agent and its pools were heard", () => {
    const rig = HeartRig.beating();
    rig.stampBoth();
    rig.send({ kind: "agent-alive", poolAgeMs: 40 });
    rig.tick(500);
    rig.heard();
    expect(rig.stampBoth().heartbeat).toMatchObject({ agentAgeMs: 500, poolAgeMs: 540 });
    rig.send({ kind: "agent-alive", poolAgeMs: null });
    rig.tick(500);
    rig.heard();
    expect(rig.stampBoth().heartbeat).toMatchObject({ agentAgeMs: 500, poolAgeMs: null });
  });

  test("the agent hears each change at once, the newest word again after a while, and of a silent store", () => {
    const rig = HeartRig.beating();
    rig.committed(rig.stampBoth().ticket);
    rig.take("tell-agent");
    rig.tick(heartLimits.tellMs - 1);
    expect(rig.take("tell-agent")).toHaveLength(0);
    rig.tick(1);
    expect(rig.one("tell-agent").says).toMatchObject({ phase: "beating", incarnation: 1, trouble: null });
    rig.guard("a", { kind: "thawed" });
    expect(rig.take("tell-agent")).toHaveLength(0); // one guard is enough to hold them
    rig.guard("b", { kind: "thawed" });
    expect(rig.one("tell-agent").says.frozen).toBe(false);
    rig.stampBoth();
    rig.tick(2_001);
    expect(rig.says.trouble).toBe("heart-store-silent");
  });
});

describe("fenced and replaced", () => {
  test("[S1] a fence of this incarnation freezes both guards, and the host rejoins as the next one", () => {
    const rig = HeartRig.beating();
    rig.send({ kind: "agent-alive", poolAgeMs: null });
    const first = rig.stampBoth();
    rig.tick(500);
    rig.heard();
    const second = rig.stampBoth();
    const registration = registeredAs(1, "seed-0", 10);
    const fence = stored(keys.fence(host, one), fenceOf(), 40);
    rig.refused(first.ticket, [registration, fence]);
    expect(rig.commands()).toEqual(["a freeze", "b freeze"]);
    expect(rig.says).toMatchObject({ phase: "fenced", trouble: "heart-fenced", incarnation: 1 });
    rig.committed(second.ticket); // S2: no answer of the fenced incarnation thaws anything
    expect(rig.commands()).toEqual([]);
    rig.answer(keys.host(host), [registration]);
    rig.answer(keys.fence(host, one), [fence]);
    const { ticket, transaction } = rig.registers(2, 1);
    expect(rig.commands()).toEqual(["a incarnation 2", "b incarnation 2"]);
    expect(transaction.compares).toEqual([{ kind: "revision", key: keys.host(host), revision: 10 }]);
    expect(transaction.writes.map((write) => write.key)).toEqual([keys.host(host)]);
    rig.committed(ticket, 60);
    expect(rig.says).toMatchObject({ phase: "beating", incarnation: 2, nonce: "seed-1" });
    const beat = rig.stampBoth();
    expect(beat.transaction.compares[0]).toMatchObject({ revision: 60 });
    expect(beat.heartbeat.agentAgeMs).toBeNull();
  });

  test("[S9] with no process of the fenced incarnation left, the rejoin adds the host's last word to its fence", () => {
    const rig = HeartRig.beating();
    const fence = stored(keys.fence(host, one), fenceOf(), 40);
    const registration = registeredAs(1, "seed-0", 10);
    rig.refused(rig.stampBoth().ticket, [registration, fence]);
    rig.answer(keys.host(host), [registration]);
    rig.answer(keys.fence(host, one), [fence]);
    const { transaction } = rig.registers(2, 0);
    expect(transaction.compares).toContainEqual({ kind: "revision", key: keys.fence(host, one), revision: 40 });
    const put = transaction.writes.find((write) => write.key === keys.fence(host, one));
    expect(put?.kind === "put" && JSON.parse(put.text).proofs).toEqual(["silence", "last-word"]);
  });

  test("[S1] a registration that changed under it: freezes and stops for good", () => {
    const rig = HeartRig.beating();
    const beat = rig.stampBoth();
    const fence = stored(keys.fence(host, one), fenceOf(), 40);
    rig.refused(beat.ticket, [registeredAs(2, "other", 40), fence]);
    expect(rig.commands()).toEqual(["a freeze", "b freeze"]);
    expect(rig.says).toMatchObject({ phase: "refused", trouble: "heart-registration-changed" });
    rig.hello("b", { incarnation: one, frozen: false });
    expect(rig.commands().at(-1)).toBe("b freeze");
    for (let s = 0; s < 60; s++) rig.tick(1_000);
    expect([...rig.take("commit"), ...rig.take("snapshot")]).toEqual([]);
  });

  test("[S1, HM7] the absence of the registration stops it for good too: it was removed", () => {
    const rig = HeartRig.beating();
    rig.refused(rig.stampBoth().ticket, []);
    expect(rig.says).toMatchObject({ phase: "refused", trouble: "heart-removed" });
  });

  test("[S1] a rejoin whose commit was unknown and happened is taken up, not repeated", () => {
    const rig = HeartRig.beating();
    const fence = stored(keys.fence(host, one), fenceOf(), 40);
    const registration = registeredAs(1, "seed-0", 10);
    rig.refused(rig.stampBoth().ticket, [registration, fence]);
    rig.answer(keys.host(host), [registration]);
    rig.answer(keys.fence(host, one), [fence]);
    rig.unknown(rig.registers(2, 1).ticket);
    rig.tick(1_000);
    rig.answer(keys.host(host), [registeredAs(2, "seed-1", 60)]);
    expect(rig.says).toMatchObject({ phase: "beating", incarnation: 2 });
    expect(rig.take("write-incarnation")).toEqual([]);
  });
});

import { describe, expect, test } from "vitest";
import { fenceOf, HeartRig, heartbeatOf, host, own, registrationOf, stored } from "../../test/support/heart-rig.ts";
import { withoutDeadline } from "../core/limits.ts";
import { type Incarnation, later } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { guardNames } from "../ports/guard.ts";

const one = 1 as Incarnation;
const registeredAs = (number: number, nonce: string, revision: number, machine?: string) =>
  stored(keys.host(host), registrationOf(number, nonce, machine), revision);

describe("registering", () => {
  test("[S1] the first registration: file, guards, then the commit; no stamp before it is known", () => {
    const rig = new HeartRig();
    for (const name of guardNames) rig.hello(name);
    rig.answer(keys.host(host), []);
    expect(rig.says).toMatchObject({ phase: "registering", incarnation: null });
    expect(rig.commands()).toEqual([]);
    expect(rig.written()).toEqual(own(1, "seed-0"));
    expect(rig.commands()).toEqual(["a incarnation 1", "b incarnation 1"]);
    rig.ready("a", 1);
    expect(rig.take("commit")).toEqual([]);
    rig.ready("b", 1);
    const { ticket, transaction } = rig.one("commit");
    expect(transaction.compares).toEqual([
      { kind: "absent", key: keys.host(host) },
      { kind: "absent", key: keys.removedHost(host) },
    ]);
    expect(rig.commands()).toEqual([]);
    rig.committed(ticket);
    expect(rig.commands()).toEqual(["a stamp 1", "b stamp 1"]);
  });

  const removedAs = (last: number, takenBackAt: number | null, revision: number) => {
    const member = { schema: 1, id: host, name: host, role: "host", links: [], joinedAt: 0 };
    const by = { name: "root", role: "admin", requestId: "" };
    const removed = { schema: 1, member, device: null, incarnation: last, store: "left", takenBackAt, by, at: 0 };
    return stored(keys.removedHost(host), removed, revision);
  };

  test("[HM7] the heart of a host that was removed registers no more, after a boot as well as before", () => {
    for (const before of [null, own(3, "mine")]) {
      const rig = new HeartRig(before);
      for (const name of guardNames) rig.hello(name);
      rig.answer(keys.host(host), [removedAs(3, null, 40)]);
      expect(rig.says).toMatchObject({ phase: "refused", trouble: "heart-removed" });
      expect(rig.commands()).toEqual(["a freeze", "b freeze"]);
      for (let s = 0; s < 60; s++) rig.tick(1_000);
      expect([...rig.take("commit"), ...rig.take("write-incarnation")]).toEqual([]);
    }
  });

  test("[HM7, S1] taken back it registers above all its lives, and what allowed that counts once", () => {
    const rig = new HeartRig();
    for (const name of guardNames) rig.hello(name);
    rig.answer(keys.host(host), [removedAs(3, 1, 41)]);
    expect(rig.written()).toEqual(own(4, "seed-0"));
    for (const name of guardNames) rig.ready(name, 4);
    const { transaction } = rig.one("commit");
    expect(transaction.compares).toEqual([
      { kind: "absent", key: keys.host(host) },
      { kind: "revision", key: keys.removedHost(host), revision: 41 },
    ]);
    expect(transaction.writes).toContainEqual({ kind: "delete", key: keys.removedHost(host) });
  });

  test("[S1] a restarted heart keeps its incarnation: no registration, no freeze, no wait", () => {
    const rig = new HeartRig(own(3, "mine"));
    for (const name of guardNames) rig.hello(name, { incarnation: 3 as Incarnation, frozen: false });
    rig.answer(keys.host(host), [registeredAs(3, "mine", 30)]);
    expect(rig.says).toMatchObject({ phase: "beating", incarnation: 3, nonce: "mine", frozen: false });
    expect(rig.commands()).toEqual(["a incarnation 3", "b incarnation 3"]);
    for (const name of guardNames) rig.ready(name, 3);
    expect(rig.stampBoth().transaction.compares[0]).toMatchObject({ revision: 30 });
    expect(rig.take("write-incarnation")).toEqual([]);
  });

  test("[S1] another machine's registration of this name is refused: nothing is written, the guards freeze", () => {
    const rig = new HeartRig(own(3, "mine"));
    for (const name of guardNames) rig.hello(name);
    rig.answer(keys.host(host), [registeredAs(3, "mine", 30, "m2")]);
    expect(rig.says).toMatchObject({ phase: "refused", trouble: "heart-other-machine" });
    expect(rig.commands()).toEqual(["a freeze", "b freeze"]);
    for (let s = 0; s < 60; s++) rig.tick(1_000);
    expect([...rig.take("commit"), ...rig.take("write-incarnation"), ...rig.take("snapshot")]).toEqual([]);
  });

  /** Answers one whole look at an earlier incarnation that nobody fenced. */
  function seeEarlier(rig: HeartRig, heartbeatRevision: number, deadlineMs = 5_000): void {
    rig.answer(keys.host(host), [registeredAs(1, "before", 10)]);
    rig.answer(keys.fence(host, one), []);
    rig.answer(keys.heartbeat(host, one), [
      stored(keys.heartbeat(host, one), heartbeatOf(deadlineMs), heartbeatRevision),
    ]);
  }

  test("[S1] an incarnation that this boot did not register is ended only after D+M of its silence", () => {
    const rig = new HeartRig();
    for (const name of guardNames) rig.hello(name);
    seeEarlier(rig, 20);
    const since = rig.now;
    expect(rig.says).toMatchObject({ phase: "waiting", trouble: "heart-earlier-incarnation" });
    while (rig.take("write-incarnation").length === 0) {
      expect(rig.now - since).toBeLessThan(6_000);
      rig.tick(100);
      if (rig.effects.some((effect) => effect.kind === "snapshot")) seeEarlier(rig, 20);
      if (rig.effects.some((effect) => effect.kind === "write-incarnation")) break;
    }
    expect(rig.now - since).toBeGreaterThanOrEqual(5_600);
    const { transaction } = rig.registers(2, 0);
    expect(transaction.compares).toEqual([
      { kind: "revision", key: keys.host(host), revision: 10 },
      { kind: "absent", key: keys.fence(host, one) },
      { kind: "revision", key: keys.heartbeat(host, one), revision: 20 },
    ]);
    const fence = transaction.writes.find((write) => write.key === keys.fence(host, one));
    expect(fence?.kind === "put" && JSON.parse(fence.text)).toMatchObject({
      cause: "self",
      by: host,
      heartbeatRevision: 20,
      proofs: ["silence", "last-word"],
    });
  });

  test("[S1] each heartbeat of the earlier incarnation starts the wait anew", () => {
    const rig = new HeartRig();
    for (const name of guardNames) rig.hello(name);
    seeEarlier(rig, 20);
    for (let s = 1; s <= 20; s++) {
      rig.tick(1_000);
      seeEarlier(rig, 20 + s);
    }
    expect(rig.take("write-incarnation")).toEqual([]);
    expect(rig.state.silence?.since).toBe(rig.now);
  });

  test("[S7] the wait is the larger of its D+M and ours", () => {
    const rig = new HeartRig();
    for (const name of guardNames) rig.hello(name);
    seeEarlier(rig, 20, 15_000);
    expect(rig.state.silence?.waitMs).toBe(15_600);
    rig.tick(1_000);
    seeEarlier(rig, 21, 3_000); // S7: what the one before had promised is waited for too
    expect(rig.state.silence?.waitMs).toBe(15_600);
  });

  test("[S23] where no deadline holds, a boot does not wait a year, and silence is no proof", () => {
    for (const leftovers of [0, 1]) {
      const rig = new HeartRig();
      for (const name of guardNames) rig.hello(name);
      const { deadlineMs } = withoutDeadline;
      seeEarlier(rig, 20, deadlineMs);
      for (let s = 0; s < 6; s++) {
        rig.tick(1_000);
        seeEarlier(rig, 20, deadlineMs);
      }
      const { transaction } = rig.registers(2, leftovers);
      const fence = transaction.writes.find((write) => write.key === keys.fence(host, one));
      expect(fence?.kind === "put" && JSON.parse(fence.text).proofs).toEqual(leftovers === 0 ? ["last-word"] : []);
    }
  });

  test("[S9] with leftovers of earlier incarnations there is no last word", () => {
    const rig = new HeartRig();
    for (const name of guardNames) rig.hello(name);
    seeEarlier(rig, 20);
    for (let s = 0; s < 6; s++) {
      rig.tick(1_000);
      seeEarlier(rig, 20);
    }
    const { transaction } = rig.registers(2, 1);
    const fence = transaction.writes.find((write) => write.key === keys.fence(host, one));
    expect(fence?.kind === "put" && JSON.parse(fence.text).proofs).toEqual(["silence"]);
  });

  test("[S1] a fence of the earlier incarnation ends the wait at once", () => {
    const rig = new HeartRig();
    for (const name of guardNames) rig.hello(name);
    rig.answer(keys.host(host), [registeredAs(1, "before", 10)]);
    rig.answer(keys.fence(host, one), [stored(keys.fence(host, one), fenceOf(["power-off", "last-word"]), 40)]);
    const { transaction } = rig.registers(2);
    expect(transaction.writes.map((write) => write.key)).toEqual([keys.host(host)]);
  });

  test("[S1] a number that a guard has heard of is never used again", () => {
    const rig = new HeartRig();
    rig.hello("a", { incarnation: 7 as Incarnation });
    rig.hello("b");
    rig.answer(keys.host(host), []);
    expect(rig.written().incarnation).toBe(8);
  });

  test("[S1] an unknown commit is repeated with the same numbers while nothing else registered", () => {
    const rig = new HeartRig();
    for (const name of guardNames) rig.hello(name);
    rig.answer(keys.host(host), []);
    const first = rig.registers(1);
    rig.unknown(first.ticket);
    rig.tick(1_000);
    rig.answer(keys.host(host), []);
    expect(rig.written()).toEqual(own(1, "seed-0"));
    const second = rig.one("commit"); // the guards know it already
    rig.committed(first.ticket); // late: this one is answered by reading only
    expect(rig.says.phase).toBe("registering");
    rig.refused(second.ticket, [registeredAs(1, "seed-0", 33)]);
    rig.answer(keys.host(host), [registeredAs(1, "seed-0", 33)]);
    expect(rig.says).toMatchObject({ phase: "beating", incarnation: 1 });
  });

  test("[S4] without both guards nothing is registered", () => {
    const rig = new HeartRig();
    rig.hello("a");
    rig.answer(keys.host(host), []);
    expect(rig.says).toMatchObject({ phase: "waiting", trouble: "heart-guard-away" });
    expect(rig.take("write-incarnation")).toEqual([]);
    rig.hello("b");
    rig.answer(keys.host(host), []);
    expect(rig.registers(1).transaction.writes).toHaveLength(1);
  });

  test("[S4] a guard that cannot freeze the other incarnations is asked again, and nothing is committed meanwhile", () => {
    const rig = new HeartRig();
    for (const name of guardNames) rig.hello(name);
    rig.answer(keys.host(host), []);
    rig.written();
    rig.ready("a", 1);
    rig.guard("b", { kind: "incarnation", incarnation: one, ok: false, cause: "folder 4", leftovers: 1 });
    expect(rig.says.trouble).toBe("heart-guard-refuses");
    rig.commands();
    rig.tick(1_000);
    expect(rig.commands()).toEqual(["b incarnation 1"]);
    expect(rig.take("commit")).toEqual([]);
    rig.ready("b", 1);
    expect(rig.take("commit")).toHaveLength(1);
  });

  test("a store that is silent or whose record cannot be read is asked again; answers given up on change nothing", () => {
    const rig = new HeartRig();
    for (const name of guardNames) rig.hello(name);
    const first = rig.one("snapshot");
    rig.send({ kind: "snapshot", ticket: first.ticket, end: { kind: "unknown", cause: "no leader" } });
    expect(rig.says.trouble).toBe("heart-store-silent");
    rig.tick(1_000);
    rig.answer(keys.host(host), [stored(keys.host(host), { schema: 2 }, 3)]);
    expect(rig.says.trouble).toBe("heart-store-unreadable");
    rig.tick(1_000);
    const third = rig.one("snapshot");
    rig.tick(5_000);
    rig.send({
      kind: "snapshot",
      ticket: third.ticket,
      end: { kind: "done", values: [], revision: third.ticket as never },
    });
    expect(rig.take("write-incarnation")).toEqual([]);
    rig.answer(keys.host(host), []);
    expect(rig.written().incarnation).toBe(1);
  });

  test("[S22] a store that answers reads and takes no writes is asked for the registration once a second", () => {
    const rig = new HeartRig();
    for (const name of guardNames) rig.hello(name);
    let asked = 0;
    const until = rig.now + 5_000;
    while (rig.now < until) {
      for (let rounds = 0; rounds < 100 && rig.effects.some(({ kind }) => kind === "snapshot"); rounds++) {
        rig.answer(keys.host(host), []);
        rig.written();
        for (const name of guardNames) rig.ready(name, 1);
        rig.unknown(rig.one("commit").ticket);
        asked += 1;
      }
      expect(rig.says.trouble).toBe("heart-store-silent");
      rig.tick(100);
    }
    expect([asked >= 4, asked <= 6]).toEqual([true, true]);
  });

  test("[S1] a registration that was not answered in its time is looked for at once", () => {
    const rig = new HeartRig();
    for (const name of guardNames) rig.hello(name);
    rig.answer(keys.host(host), []);
    rig.written();
    for (const name of guardNames) rig.ready(name, 1);
    const { ticket } = rig.one("commit");
    rig.tick(3_000);
    rig.unknown(ticket);
    rig.one("snapshot");
  });

  test("[S1] a file that cannot be written keeps the host from registering", () => {
    const rig = new HeartRig();
    for (const name of guardNames) rig.hello(name);
    rig.answer(keys.host(host), []);
    const { ticket } = rig.one("write-incarnation");
    rig.send({ kind: "incarnation-written", ticket, written: false });
    expect(rig.says.trouble).toBe("heart-incarnation-file");
    expect(rig.commands()).toEqual([]);
  });

  test("every step says when it wants to be woken, never in the past", () => {
    const rig = new HeartRig();
    const wake = rig.take("wake-at").at(-1);
    expect(wake?.at).toBeGreaterThanOrEqual(rig.now);
    const beating = HeartRig.beating();
    const sent = beating.stampBoth();
    beating.committed(sent.ticket);
    expect(beating.take("wake-at").at(-1)?.at).toBe(later(beating.now as never, 500));
  });
});

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CeaseEnd } from "../../src/ports/replication.ts";
import { type CycleRig, cyclesOf } from "./cycles-calls.ts";
import { done, replicasOf, run4, run5 } from "./replication-calls.ts";

/** Disks that go back to an earlier point (ports/replication-cycles.ts, `ceaseAt`), for every driver pair. */
export function goingBackSuite(name: string, open: () => Promise<CycleRig>): void {
  describe(name, { timeout: 60_000 }, () => {
    let rig: CycleRig;
    const calls = cyclesOf(() => rig);
    const { attached, attach, inSync, write, bar, unbar, takePoint, dropPoint, points, atPoint, ceaseAt } = calls;
    beforeEach(async () => {
      rig = await open();
    });
    afterEach(() => rig.close());

    const take = async (id: string): Promise<void> => {
      expect([await bar(), await takePoint(id), await unbar()]).toEqual([done, done, done]);
    };
    /** Of a block of the first disk. */
    const holds = async (end: CeaseEnd, block: number): Promise<number | CeaseEnd> => {
      const [copy] = end.kind === "ceased" ? end.copies : [];
      return copy === undefined ? end : rig.readCopy(copy, block);
    };
    /** p1 holds 1, p2 holds 2, and the copies hold 3. */
    const threeMoments = async (): Promise<void> => {
      await attached();
      await write(0, 30, 1);
      await take("p1");
      await write(0, 30, 2);
      await take("p2");
      await write(0, 30, 3);
    };

    test("[S18, S20] what came later stays, can be read and dropped, and the point never changes", async () => {
      await threeMoments();
      const end = await ceaseAt("p1", { id: "left-1", keeps: true });
      expect(await holds(end, 30)).toBe(1);
      expect(await points()).toEqual(["p2", "left-1", "p1"]);
      const all = async () => [await atPoint("p1", 30), await atPoint("p2", 30), await atPoint("left-1", 30)];
      const held = [
        [1, 0],
        [2, 0],
        [3, 0],
      ];
      expect(await all()).toEqual(held);
      expect(await dropPoint("p1")).toMatchObject({ kind: "refused", code: "replica-point-below-disk" });
      await rig.rebootTarget();
      expect(await all()).toEqual(held);
      expect(await dropPoint("p2")).toEqual(done);
      expect(await points()).toEqual(["left-1", "p1"]);
      expect(await atPoint("left-1", 30)).toEqual([3, 0]);
      expect(await dropPoint("left-1")).toEqual(done);
      expect(await points()).toEqual(["p1"]);
    });

    test("[S20] asked twice it is done once, also where the host was off in between", async () => {
      await threeMoments();
      expect((await ceaseAt("p2", { id: "left-1", keeps: true })).kind).toBe("ceased");
      const before = await points();
      for (const isOff of [false, true]) {
        if (isOff) await rig.rebootTarget();
        expect(await holds(await ceaseAt("p2", { id: "left-1", keeps: true }), 30)).toBe(2);
        expect(await points()).toEqual(before);
      }
      // Another time it goes further back.
      expect(await holds(await ceaseAt("p1", { id: "left-2", keeps: true }), 30)).toBe(1);
      expect([...(await points())].sort()).toEqual(["left-1", "left-2", "p1", "p2"]);
      expect((await points()).at(-1)).toBe("p1");
      // The first branch lies on what the second one begins with.
      expect([await dropPoint("p2"), await dropPoint("left-2")]).toEqual([done, done]);
      expect([await points(), await atPoint("left-1", 30)]).toEqual([
        ["left-1", "p1"],
        [3, 0],
      ]);
    });

    test("[S20] what was no moment is not kept as one; what the branch lies on is not merged away", async () => {
      await threeMoments();
      expect((await ceaseAt("p1", { id: "left-1", keeps: false })).kind).toBe("ceased");
      expect(await points()).toEqual(["p2", "p1"]);
      await rig.killRun(run4);
      await rig.startRun(run5);
      expect(await calls.detach()).toEqual(done);
      const doors = await replicasOf(() => rig).doorsFor({ epoch: run5.epoch });
      expect(await attach(doors, run5)).toEqual(done);
      await inSync(run5);
      expect(await points()).toEqual(["p2", "p1"]);
      expect(await dropPoint("p1")).toEqual(done);
      await rig.whileLater();
      expect([await points(), await atPoint("p2", 30)]).toEqual([["p2"], [2, 0]]);
      expect(await dropPoint("p2")).toEqual(done);
      await rig.whileLater();
      expect(await points()).toEqual([]);
      await calls.expectSame(await calls.copies());
    });

    test("[S20] refused: a point that is none, and one that lies in a branch", async () => {
      await threeMoments();
      const refused = { kind: "refused", code: "replica-point-absent" };
      expect(await ceaseAt("none", { id: "left-1", keeps: true })).toMatchObject(refused);
      expect(await points()).toEqual(["p1", "p2"]);
      expect((await ceaseAt("p1", { id: "left-1", keeps: true })).kind).toBe("ceased");
      expect(await ceaseAt("p2", { id: "left-2", keeps: true })).toMatchObject(refused);
      expect(await points()).toEqual(["p2", "left-1", "p1"]);
    });
  });
}

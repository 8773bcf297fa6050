import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Epoch } from "../../src/model/ids.ts";
import { type CycleRig, cyclesOf } from "./cycles-calls.ts";
import { blocks, diskNames, done, replicasOf, run4, run5, type Spoilt } from "./replication-calls.ts";

/** The contract of `ports/replication-cycles.ts`, the same for every driver. */
export function cyclesSuite(name: string, openRig: () => Promise<CycleRig>): void {
  describe(name, { timeout: 60_000 }, () => {
    let rig: CycleRig;
    const { doorsFor, receive, cycle, sealed, sealedInTheEnd, begun, last, write, fill, endCycles } = cyclesOf(
      () => rig,
    );
    const { cease, ceaseForStart, takePoint, dropPoint, points, atPoint, ceaseAt, copiesAt, expectSame } = cyclesOf(
      () => rig,
    );
    beforeEach(async () => {
      rig = await openRig();
    });
    afterEach(() => rig.close());

    test("[S25] first everything is sent, then what was written since; each is all disks at one moment", async () => {
      await rig.startRun(run4);
      const doors = await doorsFor();
      expect(await last()).toBeNull();
      for (const disk of [0, 1]) await write(disk, 3, 10 + disk);
      const first = await sealed(doors);
      expect(first).toMatchObject({ whole: true, cycle: { sequence: 1 } });
      for (const disk of [0, 1]) await write(disk, 4, 20 + disk);
      const second = await sealed(doors);
      expect(second).toMatchObject({ whole: false, cycle: { chain: first.cycle.chain, sequence: 2 } });
      expect(second.sentMiB).toBe(2 / 16);
      expect(second.cycle.at).toBeGreaterThan(first.cycle.at);
      await write(0, 5, 30);
      expect(await last()).toEqual(second.cycle);
      expect(await points()).toEqual([first.cycle.point, second.cycle.point]);
      expect([await atPoint(first.cycle.point, 3), await atPoint(first.cycle.point, 4)]).toEqual([
        [10, 11],
        [0, 0],
      ]);
      expect([await atPoint(second.cycle.point, 3), await atPoint(second.cycle.point, 4)]).toEqual([
        [10, 11],
        [20, 21],
      ]);
      expect(await atPoint(second.cycle.point, 5)).toEqual([0, 0]);
      expect((await sealed(doors)).sentMiB).toBe(1 / 16);
      expect((await sealed(doors)).sentMiB).toBe(0);
    });

    test("[S25] a cut in the midst: the guest goes on, nothing is sealed, and the next one has all of it", async () => {
      await rig.startRun(run4);
      const doors = await doorsFor();
      const first = await sealed(doors);
      await fill(7);
      const under = await begun(doors);
      await rig.cut(true);
      await write(0, 39, 8);
      await write(1, blocks - 1, 9);
      await rig.until("the cycle is over", () => under.end !== undefined);
      expect(under.end).toMatchObject({ kind: "broken", code: "cycle-broken" });
      expect(await cycle(doors)).toMatchObject({ kind: "broken" });
      await rig.cut(false);
      expect(await last()).toEqual(first.cycle);
      expect(await atPoint(first.cycle.point, 1)).toEqual([0, 0]);
      const next = await sealed(doors);
      expect(next).toMatchObject({ whole: false, cycle: { chain: first.cycle.chain, sequence: 2 } });
      await expectSame(await copiesAt(next.cycle.point));
    });

    test("[S25] the storage dies in the midst: that cycle is none, whatever it had taken", async () => {
      await rig.startRun(run4);
      const doors = await doorsFor();
      await sealed(doors);
      await fill(17);
      const under = await begun(doors);
      await rig.killDaemon();
      await write(0, 39, 18);
      await rig.until("the cycle is over", () => under.end !== undefined);
      expect(under.end).toMatchObject({ kind: "broken" });
      const next = await sealed(doors);
      expect(next).toMatchObject({ whole: false, cycle: { sequence: 2 } });
      await expectSame(await copiesAt(next.cycle.point));
    });

    test("[S25] storage that hangs keeps no write waiting for long, and lands nothing of before", async () => {
      await rig.startRun(run4);
      const doors = await doorsFor();
      await sealed(doors);
      await fill(27);
      const under = await begun(doors);
      await rig.hangDaemon(true);
      await write(0, 39, 28);
      await rig.until("the cycle is over", () => under.end !== undefined);
      expect(under.end).toMatchObject({ kind: "broken" });
      const next = await sealedInTheEnd(doors);
      await rig.hangDaemon(false);
      await rig.whileLater();
      await expectSame(await copiesAt(next.cycle.point));
    });

    test("[S25] an agent that dies in the midst: what it began is cleared away by the next one's first", async () => {
      await rig.startRun(run4);
      const doors = await doorsFor();
      await sealed(doors);
      await fill(37);
      await begun(doors);
      await rig.reopenSource(() => write(1, 38, 38));
      const next = await sealed(doors);
      expect(next).toMatchObject({ whole: false, cycle: { sequence: 2 } });
      await rig.reopenTarget(() => write(0, 38, 39));
      const later = await sealed(await doorsFor());
      expect(later).toMatchObject({ whole: false, cycle: { sequence: 3 } });
      await expectSame(await copiesAt(later.cycle.point));
    });

    test("[S18, S25] what a QEMU noted is believed after an orderly end, and never after another", async () => {
      await rig.startRun(run4);
      const first = await sealed(await doorsFor());
      await write(0, 9, 47);
      await rig.stopRun(run4);
      await rig.startRun(run5);
      const doors = await doorsFor({ epoch: run5.epoch });
      const second = await sealed(doors, {}, run5);
      expect(second).toMatchObject({ whole: false, sentMiB: 1 / 16, cycle: { chain: first.cycle.chain } });
      await write(0, 10, 48);
      await rig.killRun(run5);
      const run6 = { ...run5, epoch: 6 as Epoch };
      await rig.startRun(run6);
      const third = await sealed(await doorsFor({ epoch: run6.epoch }), {}, run6);
      expect(third).toMatchObject({ whole: true, cycle: { sequence: 1 } });
      expect(await points()).toEqual([first.cycle.point, second.cycle.point, third.cycle.point]);
      await expectSame(await copiesAt(third.cycle.point));
    });

    test("[S19] once a later epoch is received, no cycle of an earlier one is", async () => {
      await rig.startRun(run4);
      const doors = await doorsFor();
      const first = await sealed(doors);
      await doorsFor({ epoch: run5.epoch });
      expect(await cycle(doors)).toMatchObject({ kind: "broken" });
      expect(await receive({ epoch: run4.epoch })).toMatchObject({ kind: "refused", code: "replica-epoch-old" });
      expect(await last()).toEqual(first.cycle);
    });

    test("[S20] a start from an earlier point holds just that; of an unsealed cycle there is nothing to start from", async () => {
      await rig.startRun(run4);
      const doors = await doorsFor();
      await write(0, 1, 57);
      const first = await sealed(doors);
      await write(0, 1, 58);
      await sealed(doors);
      await fill(59);
      await begun(doors);
      expect(await takePoint("p0")).toMatchObject({ kind: "refused", code: "replica-in-cycles" });
      expect(await ceaseAt("none")).toMatchObject({ kind: "refused", code: "replica-point-absent" });
      const copies = await copiesAt(first.cycle.point);
      expect(copies).toMatchObject(diskNames.map((volume) => ({ volume, epoch: run4.epoch })));
      const [copy] = copies;
      expect(copy === undefined ? undefined : await rig.readCopy(copy, 1)).toBe(57);
    });

    test.each([
      ["from one that goes on", false],
      ["after its host was off", true],
    ])("[S25] a start is from the last sealed cycle, whatever a later one left: %s", async (_how, isOff) => {
      await rig.startRun(run4);
      expect(await ceaseForStart()).toMatchObject({ kind: "refused", code: "replica-not-received" });
      const doors = await doorsFor({ keepCycles: 2 });
      for (const value of [61, 62, 63]) {
        await write(0, 1, value);
        await sealed(doors);
      }
      await fill(64);
      await begun(doors);
      if (isOff) await rig.rebootTarget();
      const end = await ceaseForStart();
      const [copy] = end.kind === "ceased" ? end.copies : [];
      expect(copy === undefined ? end : await rig.readCopy(copy, 1)).toBe(63);
      const params = { vm: run4.vm };
      expect(await ceaseForStart()).toEqual({ kind: "refused", code: "replica-not-received", params });
    });

    test.each<readonly [Spoilt | "nothing", string]>([
      ["nothing", "replica-not-received"],
      ["missing", "replica-identity-missing"],
      ["foreign", "replica-identity-foreign"],
      ["restored", "replica-identity-restored"],
      ["sealed", "replica-edited"],
    ])(
      "[S21] a copy of each write is looked at before a start after its host was off, too: %s was spoilt",
      async (how, code) => {
        const mirror = replicasOf(() => rig);
        await mirror.attached();
        expect(await takePoint("p0")).toEqual(done);
        await rig.rebootTarget();
        if (how !== "nothing") await rig.spoil(how);
        expect(await ceaseForStart()).toMatchObject({ kind: "refused", code });
        // Asking again makes it no better.
        expect(await ceaseForStart()).toMatchObject({ kind: "refused", code });
      },
    );

    test("[S21] what was found amiss with a copy is not forgotten because its host was off", async () => {
      await replicasOf(() => rig).attached();
      expect(await takePoint("p0")).toEqual(done);
      await rig.spoil("replaced");
      expect(await ceaseForStart()).toMatchObject({ kind: "refused", code: "replica-edited" });
      await rig.rebootTarget();
      expect(await ceaseForStart()).toMatchObject({ kind: "refused", code: "replica-edited" });
    });

    test("[S25] of cycles only so many stay as points; where none is sealed nothing starts", async () => {
      await rig.startRun(run4);
      const doors = await doorsFor({ keepCycles: 2 });
      expect(await ceaseForStart()).toMatchObject({ kind: "refused", code: "replica-in-cycles" });
      const again = await doorsFor({ keepCycles: 2 });
      expect(again.length).toBe(doors.length);
      const names: string[] = [];
      for (const value of [65, 66, 67, 68]) {
        await write(0, 2, value);
        names.push((await sealed(again)).cycle.point);
      }
      expect(await points()).toEqual(names.slice(-2));
    });

    test("[S25] asked anew to keep all points, it keeps them from then on, and goes on with its cycles", async () => {
      await rig.startRun(run4);
      const doors = await doorsFor({ keepCycles: 1 });
      const names: string[] = [];
      const next = async (value: number): Promise<void> => {
        await write(0, 2, value);
        const end = await sealed(doors);
        expect(end.whole).toBe(names.length === 0);
        names.push(end.cycle.point);
      };
      for (const value of [71, 72]) await next(value);
      expect(await points()).toEqual(names.slice(-1));
      expect(await doorsFor()).toEqual(doors);
      for (const value of [73, 74]) await next(value);
      expect(await points()).toEqual(names.slice(-3));
    });

    test("[S20] copies in cycles are never given out as they stand", async () => {
      await rig.startRun(run4);
      await sealed(await doorsFor());
      expect(await cease()).toMatchObject({ kind: "refused", code: "replica-in-cycles" });
    });

    test("[S21, S25] upon a copy that was put back no cycle is built: everything is sent", async () => {
      await rig.startRun(run4);
      const first = await sealed(await doorsFor());
      expect(await receive()).toMatchObject({ kind: "ready", lastCycle: first.cycle });
      await rig.spoil("restored");
      const end = await receive();
      expect(end).toMatchObject({ kind: "ready", lastCycle: null });
      const doors = end.kind === "ready" ? end.doors : [];
      const next = await sealed(doors);
      expect(next).toMatchObject({ whole: true, cycle: { sequence: 1 } });
      expect(next.cycle.chain).not.toBe(first.cycle.chain);
    });

    test("[S20] points that are dropped between cycles change no other", async () => {
      await rig.startRun(run4);
      const doors = await doorsFor();
      const taken: string[] = [];
      for (const value of [1, 2, 3]) {
        await write(0, 30, value);
        taken.push((await sealed(doors)).cycle.point);
      }
      const [first = "", second = "", third = ""] = taken;
      expect(await dropPoint(first)).toEqual(done);
      await write(0, 30, 4);
      const fourth = await sealed(doors);
      expect(await points()).toEqual([second, third, fourth.cycle.point]);
      expect([await atPoint(second, 30), await atPoint(third, 30)]).toEqual([
        [2, 0],
        [3, 0],
      ]);
      await expectSame(await copiesAt(fourth.cycle.point));
    });

    test("what cannot be is refused by name; after the end nothing is noted any more", async () => {
      const doors = await doorsFor();
      expect(await cycle(doors)).toMatchObject({ kind: "refused", code: "vm-not-running" });
      await rig.startRun(run4);
      await fill(67);
      const under = await begun(doors);
      expect(await cycle(doors)).toMatchObject({ kind: "refused", code: "cycle-under-way" });
      expect(await endCycles()).toMatchObject({ kind: "refused", code: "cycle-under-way" });
      await rig.until("the cycle is over", () => under.end !== undefined);
      expect(under.end).toMatchObject({ kind: "sealed" });
      expect([await endCycles(), await endCycles()]).toEqual([done, done]);
      expect(await sealed(doors)).toMatchObject({ whole: true, cycle: { sequence: 1 } });
      expect(await receive({ tls: true })).toMatchObject({ kind: "refused", code: "replica-no-certificate" });
    });
  });
}

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Epoch } from "../../src/model/ids.ts";
import { blocks, diskNames, done, type ReplicationRig, replicasOf, run4, run5 } from "./replication-calls.ts";

/** No write waits for as long unless something is wrong. */
const longMs = 20_000;

/** The contract of `ports/replication.ts`, the same for every driver. */
export function replicationSuite(name: string, openRig: () => Promise<ReplicationRig>): void {
  describe(name, { timeout: 60_000 }, () => {
    let rig: ReplicationRig;
    const { receive, doorsFor, attach, told, confirm, inSync, write, cease } = replicasOf(() => rig);
    const { goOnAlone, resync, detach, bar, unbar, attached, alone, copies, expectSame } = replicasOf(() => rig);
    const { takePoint, dropPoint, points, atPoint } = replicasOf(() => rig);
    beforeEach(async () => {
      rig = await openRig();
    });
    afterEach(() => rig.close());

    test("[S16, S21] what was there is copied, and what was acknowledged since is at the replica", async () => {
      await rig.startRun(run4);
      for (const disk of [0, 1]) await write(disk, 3, 10 + disk);
      expect(await attach(await doorsFor(), run4, { waitMs: longMs })).toEqual(done);
      await inSync();
      for (const disk of [0, 1]) await write(disk, blocks - 1, 20 + disk);
      await write(0, 3, 30);
      await rig.until("it is told that all is copied", () => told("copied").length > 0);
      await rig.killRun(run4);
      const found = await copies();
      expect(found).toMatchObject(diskNames.map((volume) => ({ volume, epoch: run4.epoch, counter: 1 })));
      const [first, second] = found;
      if (first === undefined || second === undefined) throw new Error("Two copies are wanted");
      expect([await rig.readCopy(first, 3), await rig.readCopy(first, blocks - 1)]).toEqual([30, 20]);
      expect([await rig.readCopy(second, 3), await rig.readCopy(second, blocks - 1)]).toEqual([11, 21]);
      expect(told("progress").at(-1)).toMatchObject({ progress: { percent: 100, remainingMiB: 0 } });
      expect(told("waits")).toEqual([]);
    });

    test("[S16, S17] cut off, a write waits for the word; then only what is missing is copied", async () => {
      const doors = await attached();
      await alone();
      for (let block = 8; block < 16; block++) await write(1, block, 40 + block);
      expect(await confirm()).toMatchObject({ kind: "refused", code: "replica-not-in-sync" });
      await rig.cut(false);
      await rig.whileLater();
      expect(await confirm()).toMatchObject({ kind: "refused", code: "replica-not-in-sync" });
      const before = await rig.sentMiB();
      expect(await resync(doors)).toEqual(done);
      await inSync();
      expect((await rig.sentMiB()) - before).toBeLessThanOrEqual((9 / 16) * 1.2);
      await write(0, 5, 50);
      await expectSame(await copies());
    });

    test("[S16] a cut that ends in time costs nothing but time: no order, nothing stale", async () => {
      await attached();
      await rig.cut(true);
      const waits = rig.write(0, 7, 60);
      await rig.whileLater();
      expect(waits.isAcknowledged).toBe(false);
      await rig.cut(false);
      await rig.until("the write is acknowledged", () => waits.isAcknowledged);
      expect(await confirm()).toEqual(done);
      await rig.killRun(run4);
      const [first] = await copies();
      expect(first === undefined ? undefined : await rig.readCopy(first, 7)).toBe(60);
    });

    test("[S16] what its copies lack is told while the guest goes on without them, and is what it wrote since", async () => {
      await attached();
      await alone();
      const lacking = (): number => {
        const last = told("progress").at(-1);
        return last?.kind === "progress" ? last.progress.remainingMiB : 0;
      };
      for (let block = 0; block < 24; block++) await write(0, block, 50 + block);
      await rig.until("what was written is told as lacking", () => lacking() >= 1.5);
      expect(lacking()).toBeLessThan(3);
      for (let block = 24; block < 48; block++) await write(1, block, 50 + block);
      await rig.until("so is what another disk has of it", () => lacking() >= 3);
      expect(lacking()).toBeLessThan(5);
      // Another agent, which nobody gives an order: its relay refuses as before.
      await rig.reopenSource();
      const before = told("progress").length;
      await rig.until("another agent tells it, too", () => told("progress").length > before);
      expect(lacking()).toBeGreaterThanOrEqual(3);
    });

    test("[S16] the replica's storage dies: writes wait, and arrive once it is received again", async () => {
      await attached();
      await rig.killDaemon();
      const waits = rig.write(1, 13, 90);
      await rig.until("it is told that a write waits", () => told("waits").length > 0);
      expect(waits.isAcknowledged).toBe(false);
      await doorsFor();
      await rig.until("the write is acknowledged", () => waits.isAcknowledged);
      expect(await confirm()).toEqual(done);
      await expectSame(await copies());
    });

    test("[S16] a write that was on its way when the replica's storage died is sent again", async () => {
      await attached();
      await rig.hangDaemon(true);
      const waits = rig.write(0, 18, 95);
      await rig.whileLater();
      await rig.killDaemon();
      await rig.whileLater();
      expect(waits.isAcknowledged).toBe(false);
      await doorsFor();
      await rig.until("the write is acknowledged", () => waits.isAcknowledged);
      expect(await confirm()).toEqual(done);
      const [first] = await copies();
      expect(first === undefined ? undefined : await rig.readCopy(first, 18)).toBe(95);
    });

    test("[S19] a replica that hung lands nothing of before after what came later", async () => {
      await attached();
      await rig.hangDaemon(true);
      const waits = rig.write(0, 14, 1);
      await rig.until("it is told that a write waits", () => told("waits").length > 0);
      expect(await goOnAlone()).toEqual(done);
      await rig.until("the write is acknowledged", () => waits.isAcknowledged);
      await write(0, 14, 2);
      const doors = await doorsFor();
      expect(await resync(doors)).toEqual(done);
      await inSync();
      await rig.hangDaemon(false);
      await rig.whileLater();
      const [first] = await copies();
      expect(first === undefined ? undefined : await rig.readCopy(first, 14)).toBe(2);
    });

    test("[S19] once a later epoch is received, nothing of an earlier one gets in", async () => {
      await attached();
      await doorsFor({ epoch: run5.epoch });
      const waits = rig.write(0, 15, 100);
      await rig.until("it is told that a write waits", () => told("waits").length > 0);
      expect(waits.isAcknowledged).toBe(false);
      expect(await receive({ epoch: run4.epoch })).toMatchObject({ kind: "refused", code: "replica-epoch-old" });
      const [first] = await copies();
      expect(first).toMatchObject({ epoch: run5.epoch });
      expect(first === undefined ? undefined : await rig.readCopy(first, 15)).toBe(0);
      expect(waits.isAcknowledged).toBe(false);
    });

    test("[S19] once it has ceased, nothing gets in", async () => {
      await attached();
      const found = await copies();
      const waits = rig.write(0, 17, 110);
      await rig.until("it is told that a write waits", () => told("waits").length > 0);
      expect(waits.isAcknowledged).toBe(false);
      const [first] = found;
      expect(first === undefined ? undefined : await rig.readCopy(first, 17)).toBe(0);
      expect(await cease()).toMatchObject({ kind: "refused", code: "replica-not-received" });
    });

    test("[S18] after its QEMU died all of it is copied again, in the next epoch", async () => {
      await attached();
      await alone();
      await write(1, 20, 120);
      await rig.killRun(run4);
      await rig.cut(false);
      await rig.startRun(run5);
      expect(await detach()).toEqual(done);
      expect(await attach(await doorsFor({ epoch: run5.epoch }), run5)).toEqual(done);
      await inSync(run5);
      await write(0, 21, 130);
      const found = await copies();
      expect(found[0]?.counter).toBeGreaterThan(1);
      await expectSame(found);
    });

    test("agents come and go, and no write notices", async () => {
      await attached(longMs);
      await rig.reopenSource(() => write(0, 22, 140));
      await rig.reopenTarget(() => write(1, 22, 141));
      await write(0, 23, 142);
      expect(await confirm()).toMatchObject({ kind: "refused", code: "replica-not-in-sync" });
      expect(await resync(await doorsFor())).toEqual(done);
      await inSync();
      expect(told("waits")).toEqual([]);
      await expectSame(await copies());
    });

    test("[S20] behind a bar nothing reaches the replica, and nothing is lost; one that did not last is told", async () => {
      await attached();
      await write(0, 24, 150);
      expect(await bar()).toEqual(done);
      const waits = rig.write(0, 24, 151);
      expect(await unbar()).toEqual(done);
      await rig.until("the write is acknowledged", () => waits.isAcknowledged);
      expect(await bar()).toEqual(done);
      expect(await bar()).toMatchObject({ kind: "refused", code: "replica-bar-broken" });
      const later = rig.write(0, 25, 152);
      await rig.until("the bar is over by itself", () => later.isAcknowledged);
      expect(await unbar()).toMatchObject({ kind: "refused", code: "replica-bar-broken" });
      await alone();
      expect(await bar()).toMatchObject({ kind: "refused", code: "replica-bar-broken" });
    });

    test("[S20] a point holds all disks at one moment, never changes, and outlives others that are dropped", async () => {
      await attached();
      const take = async (id: string): Promise<void> => {
        expect(await bar()).toEqual(done);
        expect(await takePoint(id)).toEqual(done);
        expect(await unbar()).toEqual(done);
      };
      for (const [value, id] of ["p0", "p1", "p2"].entries()) {
        for (const disk of [0, 1]) await write(disk, 30, 10 * value + disk + 1);
        await take(id);
        await write(0, 31, value + 1);
      }
      await write(1, 30, 99);
      expect(await points()).toEqual(["p0", "p1", "p2"]);
      expect([await atPoint("p0", 30), await atPoint("p1", 30), await atPoint("p1", 31)]).toEqual([
        [1, 2],
        [11, 12],
        [1, 0],
      ]);
      expect(await takePoint("p1")).toEqual(done);
      expect([await dropPoint("p0"), await dropPoint("none")]).toEqual([done, done]);
      expect(await points()).toEqual(["p1", "p2"]);
      await rig.killDaemon();
      await doorsFor();
      await write(0, 32, 7);
      expect([await atPoint("p1", 30), await atPoint("p2", 30), await atPoint("p2", 31)]).toEqual([
        [11, 12],
        [21, 22],
        [2, 0],
      ]);
      await dropPoint("p1");
      await rig.whileLater();
      expect(await atPoint("p2", 30)).toEqual([21, 22]);
      await expectSame(await copies());
    });

    test.each([
      ["missing", "replica-identity-missing"],
      ["foreign", "replica-identity-foreign"],
      ["restored", "replica-identity-restored"],
      ["replaced", "replica-edited"],
      ["sealed", "replica-edited"],
    ] as const)("[S21] a copy is used only as what was received: %s", async (how, code) => {
      await attached();
      expect(await bar()).toEqual(done);
      expect(await takePoint("p0")).toEqual(done);
      expect(await unbar()).toEqual(done);
      await rig.spoil(how);
      expect(await cease()).toMatchObject({ kind: "refused", code, params: { vm: run4.vm, volume: diskNames[0] } });
      expect(await cease()).toMatchObject({ kind: "refused", code });
      expect(told("waits")).toEqual([]);
    });

    test("[S21] a run that goes on with its copy goes on only with what it left there; a later one copies all", async () => {
      await attached();
      await rig.spoil("restored");
      await rig.killDaemon();
      const waits = rig.write(0, 28, 180);
      expect(await receive()).toMatchObject({ kind: "refused", code: "replica-identity-restored" });
      await rig.whileLater();
      expect(waits.isAcknowledged).toBe(false);
      expect(await receive({ epoch: run5.epoch })).toMatchObject({ kind: "ready" });
    });

    test.each([false, true])(
      "[S18, S21] an image that was made anew is not brought up to date, only copied as a whole; another relay: %s",
      async (isAnotherRelay) => {
        await rig.startRun(run4);
        await write(0, 3, 10);
        expect(await attach(await doorsFor(), run4)).toEqual(done);
        await inSync();
        await alone();
        await write(1, 33, 190);
        await rig.renewTarget();
        if (isAnotherRelay) {
          await rig.killRelay();
          await rig.until("another relay is there", () => told("holds").length > 0);
          expect(await goOnAlone()).toEqual(done);
        }
        await rig.cut(false);
        const doors = await doorsFor();
        const other = { kind: "refused", code: "replica-copy-other" };
        expect([await resync(doors), await resync(doors)]).toMatchObject([other, other]);
        const goesOn = rig.write(0, 34, 191);
        await rig.until("the write is acknowledged", () => goesOn.isAcknowledged);
        expect(await detach()).toEqual(done);
        expect(await attach(doors, run4)).toEqual(done);
        await inSync();
        await expectSame(await copies());
      },
    );

    test("detached, also while the replica is away, the guest goes on without a trace of it", async () => {
      await attached();
      await rig.cut(true);
      const waits = rig.write(0, 26, 160);
      expect(await detach()).toEqual(done);
      await rig.until("the write is acknowledged", () => waits.isAcknowledged);
      expect(await detach()).toEqual(done);
      expect(await confirm()).toMatchObject({ kind: "refused", code: "replica-not-attached" });
      await rig.cut(false);
      expect(await attach(await doorsFor())).toEqual(done);
      await inSync();
      await expectSame(await copies());
    });

    test("[S16] with a QEMU that does not answer nothing is taken apart: its guest goes on, and is mirrored as before", async () => {
      await attached();
      rig.silence(true);
      expect(await detach()).toMatchObject({ kind: "unknown" });
      expect(await confirm()).toMatchObject({ kind: "refused", code: "vm-not-running" });
      const written = rig.write(0, 27, 170);
      await rig.until("the write is acknowledged", () => written.isAcknowledged);
      rig.silence(false);
      await inSync();
      expect(await detach()).toEqual(done);
      const alone = rig.write(0, 27, 171);
      await rig.until("the write is acknowledged", () => alone.isAcknowledged);
    });

    test("a replica that is away does not keep a run from being attached; its writes wait", async () => {
      await rig.startRun(run4);
      const doors = await doorsFor();
      await rig.cut(true);
      expect(await attach(doors)).toEqual(done);
      const waits = rig.write(0, 27, 170);
      await rig.until("it is told that a write waits", () => told("waits").length > 0);
      expect(waits.isAcknowledged).toBe(false);
      await rig.cut(false);
      await rig.until("the write is acknowledged", () => waits.isAcknowledged);
      await inSync();
    });

    test("what cannot be is refused by name, and leaves nothing", async () => {
      const doors = await doorsFor();
      expect(await attach(doors)).toMatchObject({ kind: "refused", code: "vm-not-running" });
      await rig.startRun(run4);
      expect(await attach(doors)).toEqual(done);
      expect(await attach(doors)).toMatchObject({ kind: "refused", code: "replica-attached" });
      expect(await goOnAlone(run5)).toMatchObject({ kind: "refused", code: "replica-not-attached" });
      expect(await receive({ addresses: [rig.foreignAddress] })).toMatchObject({ code: "replica-no-address" });
      expect(await receive({ tls: true })).toMatchObject({ kind: "refused", code: "replica-no-certificate" });
      expect(await receive({ epoch: 3 as Epoch })).toMatchObject({ kind: "refused", code: "replica-epoch-old" });
    });
  });
}

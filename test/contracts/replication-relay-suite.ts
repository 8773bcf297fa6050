import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { done, type ReplicationRig, replicasOf } from "./replication-calls.ts";

/** The contract of `ports/replication.ts` where relays die and hang, the same for every driver. */
export function replicationRelaySuite(name: string, openRig: () => Promise<ReplicationRig>): void {
  describe(`${name}: its relays`, { timeout: 60_000 }, () => {
    let rig: ReplicationRig;
    const { doorsFor, told, confirm, inSync, write } = replicasOf(() => rig);
    const { goOnAlone, resync, attached, alone, copies, expectSame } = replicasOf(() => rig);
    beforeEach(async () => {
      rig = await openRig();
    });
    afterEach(() => rig.close());

    test("[S16] a relay that is killed: a write waits for the next one, which holds", async () => {
      const doors = await attached();
      await rig.cut(true);
      await rig.killRelay();
      const waits = rig.write(0, 9, 70);
      await rig.until("another relay is there", () => told("holds").length > 0);
      await rig.whileLater();
      expect(waits.isAcknowledged).toBe(false);
      await rig.cut(false);
      await rig.until("the write is acknowledged", () => waits.isAcknowledged);
      expect(await resync(doors)).toEqual(done);
      await inSync();
      await expectSame(await copies());
    });

    test("[S16] a relay that is killed while it refuses: the next one holds until it is told again", async () => {
      await attached();
      await alone();
      await rig.killRelay();
      const waits = rig.write(0, 11, 80);
      await rig.until("another relay is there", () => told("holds").length > 0);
      await rig.whileLater();
      expect(waits.isAcknowledged).toBe(false);
      expect(await goOnAlone()).toEqual(done);
      await rig.until("the write is acknowledged", () => waits.isAcknowledged);
    });

    test("[S20] nor does the next one send anything to the copy, which holds what there was at one moment", async () => {
      await attached();
      await alone();
      await rig.cut(false);
      await write(0, 12, 82);
      await rig.killRelay();
      const waits = rig.write(0, 15, 83);
      await rig.until("another relay is there", () => told("holds").length > 0);
      await rig.whileLater();
      await rig.whileLater();
      expect(waits.isAcknowledged).toBe(false);
      expect(await goOnAlone()).toEqual(done);
      await rig.until("the write is acknowledged", () => waits.isAcknowledged);
      const [first] = await copies();
      if (first === undefined) throw new Error("There is no copy");
      expect([await rig.readCopy(first, 12), await rig.readCopy(first, 15)]).toEqual([0, 0]);
    });

    test("[S16] a relay that is killed after its copies were brought up to date: the next one sends again, untold", async () => {
      await attached();
      await alone();
      await rig.cut(false);
      expect(await resync(await doorsFor())).toEqual(done);
      await inSync();
      await rig.killRelay();
      await write(0, 16, 84);
      await rig.until("it is told that another relay is there", () => told("holds").length > 0);
      expect(told("holds")).toHaveLength(1);
      await expectSame(await copies());
    });

    test("[S16] a relay that hangs: nothing of it is known, and a write waits for the next one, which holds", async () => {
      const doors = await attached();
      await rig.hangRelay();
      const waits = rig.write(0, 13, 90);
      expect(await confirm()).toMatchObject({ kind: "unknown" });
      expect(waits.isAcknowledged).toBe(false);
      await rig.until("the write is acknowledged", () => waits.isAcknowledged);
      expect(told("holds")).toHaveLength(1);
      expect(await resync(doors)).toEqual(done);
      await inSync();
      await expectSame(await copies());
    });

    test("[S16] a relay that hangs as it is told to let the guest go on: the next one does so", async () => {
      await attached();
      await rig.cut(true);
      await rig.hangRelay();
      const waits = rig.write(0, 14, 91);
      expect(await goOnAlone()).toEqual(done);
      await rig.until("the write is acknowledged", () => waits.isAcknowledged);
    });
  });
}

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { HostId } from "../../src/model/ids.ts";
import type { Door } from "../../src/ports/migration.ts";
import type { ReplicaPoint } from "../../src/ports/replication.ts";
import type { PointEnd, PointRequest, PointSource } from "../../src/ports/replication-points.ts";
import { pointsOf, type ReplicationRig, replicasOf, run4 } from "./replication-calls.ts";

export type PointRig = ReplicationRig & { readonly pointSource: PointSource };

/** Points by the word of the host of the run (ports/replication-points.ts), for every driver pair. */
export function pointsSuite(name: string, open: () => Promise<PointRig>): void {
  describe(name, { timeout: 60_000 }, () => {
    let rig: PointRig;
    const { attached, alone, write, points, atPoint, copies, expectSame, goOnAlone, resync, inSync } = replicasOf(
      () => rig,
    );
    beforeEach(async () => {
      rig = await open();
    });
    afterEach(() => rig.close());

    const begin = (doors: readonly Door[], id: string, over: Partial<PointRequest> = {}): Promise<PointEnd> =>
      rig.end((end) => {
        const request = { to: "b" as HostId, doors, tls: false, id, origin: "schedule", consistency: "crash" } as const;
        rig.pointSource.takePoint(run4, { ...request, ...over }, end);
      });

    test("[S20] it holds all that was acknowledged before, of both disks, and nothing of what came after", async () => {
      const doors = await attached();
      for (const disk of [0, 1]) await write(disk, 30, disk + 1);
      const end = await begin(doors, "one");
      expect(end).toMatchObject({ kind: "taken", consistency: "crash" });
      for (const disk of [0, 1]) await write(disk, 30, disk + 11);
      expect(await begin(doors, "two", { origin: "hand" })).toMatchObject({ kind: "taken" });
      expect(await points()).toEqual(["one", "two"]);
      expect([await atPoint("one", 30), await atPoint("two", 30)]).toEqual([
        [1, 2],
        [11, 12],
      ]);
      const listed = await rig.end<readonly ReplicaPoint[]>((told) => rig.target.listPoints(pointsOf(rig), told));
      expect(listed.map(({ origin }) => origin)).toEqual(["schedule", "hand"]);
      await expectSame(await copies());
    });

    test("[S20] where no agent answers in the guest it is as after a power cut, and says so", async () => {
      const doors = await attached();
      const end = await begin(doors, "one", { consistency: "application" });
      expect(end).toMatchObject({ kind: "taken", consistency: "crash" });
    });

    test("[S20] without its copy, or cut off from it, there is none, and the guest goes on", async () => {
      const doors = await attached();
      await alone();
      expect(await begin(doors, "one")).toMatchObject({ kind: "refused" });
      await rig.cut(false);
      expect(await begin(doors, "two")).toMatchObject({ kind: "refused" });
      expect(await points()).toEqual([]);
    });

    test("[S20] a name is given once", async () => {
      const doors = await attached();
      await begin(doors, "one");
      await write(0, 3, 5);
      expect(await begin(doors, "one")).toMatchObject({ kind: "refused" });
      expect(await atPoint("one", 3)).toEqual([0, 0]);
    });

    test("[S20] what a copy held is a point before it is brought up to date, whatever becomes of that", async () => {
      const doors = await attached();
      await write(0, 7, 70);
      await alone();
      const later = rig.write(0, 7, 71);
      await rig.until("it goes on alone", () => later.isAcknowledged);
      await rig.cut(false);
      expect(await begin(doors, "last", { origin: "resync" })).toMatchObject({ kind: "taken" });
      expect(await resync(doors)).toMatchObject({ kind: "done" });
      await inSync();
      await write(1, 7, 72);
      expect(await atPoint("last", 7)).toEqual([70, 0]);
      expect(await goOnAlone()).toMatchObject({ kind: "done" });
    });
  });
}

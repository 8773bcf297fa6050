import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ReplicaDaemon } from "../../src/adapters/qemu/replica-daemon.ts";
import { must } from "../../src/base/assert.ts";
import type { HostId } from "../../src/model/ids.ts";
import type { Door } from "../../src/ports/migration.ts";
import type { PointEnd } from "../../src/ports/replication-points.ts";
import { openRealReplicaPair, type RealReplicaPair } from "./real-replica-pair.ts";
import { diskNames, done, replicasOf, run4 } from "./replication-calls.ts";

// What QEMU's storage daemon does with a branch: made of what was left, and deleted before or after it is copied over.

let rig: RealReplicaPair;
const { attached, alone, write, points, atPoint, dropPoint, doorsFor, resync, inSync, copies, expectSame } = replicasOf(
  () => rig,
);

beforeEach(async () => {
  rig = await openRealReplicaPair();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rig.close();
});

const branch = "b4-7";
const pool = (): string => join(dirname(rig.exportFolder), "pool-b");
const filesOf = (disk: number): readonly string[] =>
  readdirSync(pool()).filter((file) => file.startsWith(`${diskNames[disk]}.`) && file.endsWith(".qcow2"));
const keep = (doors: readonly Door[]): Promise<PointEnd> =>
  rig.end((end) => {
    const how = { tls: false, id: branch, origin: "branch-kept", consistency: "crash" } as const;
    rig.pointSource.takePoint(run4, { to: "b" as HostId, doors, ...how }, end);
  });

/** A copy that nobody writes to any more: of block 7 the first disk has 70. */
async function left(): Promise<readonly Door[]> {
  const doors = await attached();
  await write(0, 7, 70);
  await alone();
  await rig.cut(false);
  return doors;
}

describe("a branch", { timeout: 60_000 }, () => {
  test("[S18] that was half laid when its storage daemon died is laid under the same name by the next", async () => {
    const doors = await left();
    const real = ReplicaDaemon.prototype.execute;
    vi.spyOn(ReplicaDaemon.prototype, "execute").mockImplementation(function (this: ReplicaDaemon, command, args) {
      return command === "transaction" ? Promise.resolve({ kind: "dead" }) : real.call(this, command, args);
    });
    expect(await keep(doors)).not.toMatchObject({ kind: "taken" });
    vi.restoreAllMocks();
    expect(await points()).toEqual([]);
    expect(await keep(await doorsFor())).toMatchObject({ kind: "taken" });
    expect(await points()).toEqual([branch]);
    expect(await atPoint(branch, 7)).toEqual([70, 0]);
  });

  test("[S18, S20] that is deleted before anybody copied over it leaves one image of each disk, which is copied to then", async () => {
    const doors = await left();
    const before = [filesOf(0), filesOf(1)];
    expect(await keep(doors)).toMatchObject({ kind: "taken" });
    expect(filesOf(0).length).toBe((before[0]?.length ?? 0) + 1);
    expect(await dropPoint(branch)).toEqual(done);
    expect([filesOf(0), filesOf(1)]).toEqual(before);
    expect(await points()).toEqual([]);
    expect(await resync(await doorsFor())).toMatchObject({ kind: "done" });
    await inSync();
    await write(1, 7, 72);
    await expectSame(await copies());
  });

  test("[S18, S20] that is deleted once it is copied over takes nothing of the copy along", async () => {
    await keep(await left());
    expect(await resync(await doorsFor())).toMatchObject({ kind: "done" });
    await inSync();
    await write(1, 7, 72);
    await alone();
    // Of its connections nothing is left, and what they wrote is there.
    await rig.killDaemon();
    await rig.cut(false);
    await doorsFor();
    expect(await dropPoint(branch)).toEqual(done);
    expect(await points()).toEqual([]);
    const [first, second] = await copies();
    expect([await rig.readCopy(must(first, "no copy"), 7), await rig.readCopy(must(second, "no copy"), 7)]).toEqual([
      70, 72,
    ]);
  });
});

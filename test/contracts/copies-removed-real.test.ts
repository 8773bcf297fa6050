import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openVolumes } from "../../src/adapters/qemu/volumes.ts";
import type { ClusterId, PoolId } from "../../src/model/ids.ts";
import type { HypervisorEnd } from "../../src/ports/hypervisor.ts";
import { cyclesOf } from "./cycles-calls.ts";
import { openRealReplicaPair, type RealReplicaPair } from "./real-replica-pair.ts";
import { diskNames, done, pool, replicasOf, run4 } from "./replication-calls.ts";

// What the removal of a VM's copies leaves at their host, and whether the same run can be copied there again (real QEMU).

let rig: RealReplicaPair;
const { doorsFor, sealed, write, cease, copiesAt, expectSame, points, last } = cyclesOf(() => rig);
const mirrored = replicasOf(() => rig);

beforeEach(async () => {
  rig = await openRealReplicaPair();
});
afterEach(() => rig.close());

const folder = (): string => dirname(rig.exportFolder);
const filesLeft = (): readonly string[] =>
  readdirSync(join(folder(), "pool-b")).filter((file) => diskNames.some((disk) => file.startsWith(disk)));
const isReceived = (): boolean => existsSync(join(folder(), "b", "received", run4.vm));

/** A run copied in cycles, of which points are left, and whose writing has ended as before a removal. */
async function copiedInCycles(): Promise<void> {
  await rig.startRun(run4);
  const doors = await doorsFor();
  for (const value of [11, 12, 13]) {
    await write(0, 3, value);
    await sealed(doors);
  }
  expect(await points()).toHaveLength(3);
  expect(await cease()).toMatchObject({ kind: "refused", code: "replica-in-cycles" });
}

function removals(): Promise<HypervisorEnd[]> {
  const pools = { ["pool" as PoolId]: join(folder(), "pool-b") };
  const volumes = openVolumes({ cluster: "test" as ClusterId, pools, runDir: join(folder(), "b") });
  return Promise.all(diskNames.map((disk) => rig.end<HypervisorEnd>((end) => volumes.remove(pool, disk, end))));
}

async function removeImages(): Promise<void> {
  expect(await removals()).toEqual(diskNames.map(() => done));
}

/** From outside: the run folder still says that they are received. */
function loseImages(): void {
  for (const file of filesLeft()) rmSync(join(folder(), "pool-b", file));
}

async function copiedAgain(): Promise<void> {
  await write(1, 5, 21);
  const again = await sealed(await doorsFor());
  expect(again).toMatchObject({ whole: true, cycle: { sequence: 1 } });
  expect(await points()).toEqual([again.cycle.point]);
  await expectSame(await copiesAt(again.cycle.point));
}

describe("copies that were removed", { timeout: 60_000 }, () => {
  test("in cycles leave nothing behind, and the same run is copied there in cycles again", async () => {
    await copiedInCycles();
    await removeImages();
    expect(filesLeft()).toEqual([]);
    expect(isReceived()).toBe(false);
    expect([await points(), await last()]).toEqual([[], null]);
    await copiedAgain();
  });

  test("in cycles: the same run is copied there with each write", async () => {
    await copiedInCycles();
    await removeImages();
    expect(await mirrored.attach(await mirrored.doorsFor())).toEqual(done);
    await mirrored.inSync();
    await write(0, 7, 31);
    await expectSame(await mirrored.copies());
  });

  test("[S21] are not called removed while their pool is away, and go once it is back", async () => {
    await copiedInCycles();
    const [there, aside] = [join(folder(), "pool-b"), join(folder(), "pool-b-aside")];
    renameSync(there, aside);
    mkdirSync(there);
    for (const end of await removals()) expect(end).toMatchObject({ kind: "refused", code: "pool-mark-missing" });
    expect(isReceived()).toBe(true);
    rmSync(there, { recursive: true });
    renameSync(aside, there);
    await removeImages();
    expect([filesLeft(), isReceived()]).toEqual([[], false]);
  });

  test("[S21] images that vanished while a record counts on them are not made anew", async () => {
    await mirrored.attached();
    await rig.reopenTarget(() => rig.killDaemon());
    loseImages();
    expect(await mirrored.receive()).toMatchObject({ kind: "refused", code: "replica-copy-missing" });
    expect(filesLeft().filter((file) => file.endsWith(".qcow2"))).toEqual([]);
  });
});

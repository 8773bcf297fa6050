import { expect, test } from "vitest";
import { facts, held, host, incarnation, Records, vm, vmId } from "../../test/support/records.ts";
import type { Epoch, PoolId, VmId, VolumeId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { ReplicaState } from "../model/replication-records.ts";
import { lacksRoomBeside } from "./last-moments.ts";

const here = host("h2");
const names = ["one", "three", "two"] as const;
const left: ReplicaState = { kind: "diverged", at: 70 as WallMs, kept: true };

/** Of VMs of 64 MiB each, all of one group, whose lost host `h2` is back with a branch of each. */
function afterTheLoss(freeMiB: number): Records {
  const pools = [{ pool: "local" as PoolId, capacityMiB: 1_000, freeMiB, unfit: null }];
  const records = new Records().host("h1").host("h2").put(keys.hostFacts(here), facts({ pools }));
  const vms = names.map((name) => vmId(name));
  records.put(keys.group("office" as never), {
    ...{ schema: 1, name: "office", vms, source: "h2", target: "h1", paused: [], createdAt: 0 },
    mode: { kind: "asynchronous", everyS: 5, lossS: 60 },
  });
  for (const name of names) {
    const known = vm(name);
    const disk = { volume: `${name}-0` as VolumeId, pool: "local" as PoolId, sizeMiB: 64, format: "raw" as const };
    records.put(keys.vm(known.id), { ...known, spec: { ...known.spec, disks: [disk] } });
    records.put(keys.owner(known.id), held("h1", 1, 2));
    const id = "b1-70";
    const branch = { schema: 1, vm: known.id, id, host: "h2", at: 70, origin: "branch-kept", consistency: "crash" };
    records.put(keys.point(known.id, id), { ...branch, sizeMiB: null, proof: null });
    copyIs(records, known.id, left);
  }
  return records;
}

function copyIs(records: Records, of: VmId, state: ReplicaState): void {
  const volume = `${of.replace("vm:", "")}-0` as VolumeId;
  const receiver = { incarnation: incarnation(1), epoch: 2 as Epoch, doors: [] };
  records.put(keys.replica(of, volume, here), { schema: 1, vm: of, volume, host: "h2", epoch: 1, state, receiver });
}

const lacking = ({ view }: Records) =>
  names.map((name) => lacksRoomBeside(view, vmId(name), here)?.freeMiB ?? "there is room");

test("[S18] copies that begin at once have together the room that there is, each what those before it leave", () => {
  expect(lacking(afterTheLoss(70))).toEqual(["there is room", 6, 6]);
  expect(lacking(afterTheLoss(128))).toEqual(["there is room", "there is room", 0]);
  expect(lacking(afterTheLoss(192))).toEqual(["there is room", "there is room", "there is room"]);
  // One that does not fit keeps nobody else waiting.
  expect(lacking(afterTheLoss(63))).toEqual([63, 63, 63]);
});

test("[S18] what has begun beside its branch may still grow; what somebody had deleted leaves its room to others", () => {
  const begun = afterTheLoss(70);
  copyIs(begun, vmId("two"), { kind: "copying" });
  expect(lacking(begun)).toEqual([6, 6, "there is room"]);
  const forgone = afterTheLoss(70);
  copyIs(forgone, vmId("one"), { ...left, forgone: true });
  expect(lacking(forgone)).toEqual(["there is room", "there is room", 6]);
});

import type { HostId, VmId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { Owner } from "../../model/records.ts";
import type { Replica } from "../../model/replication-records.ts";
import { runKey } from "../world/copy.ts";
import type { Copy, SimHost } from "../world/host.ts";
import type { World } from "../world/world.ts";
import type { Fail } from "./checker.ts";
import type { CheckerKind } from "./kind.ts";

/**
 * S15: a VM with disks in local pools executes only on images that hold every write that it was ever answered; the images on
 * which it lies are never removed, those that it moved away from not before it was seen to live, and somebody's never.
 */
export const disksGoAlong: CheckerKind = {
  rule: "S15",
  make: (world, fail) => {
    const copies = new Set<Copy>();
    /** Where each VM executed last. */
    const ran = new Map<string, HostId>();
    const touch = (): void => {
      for (const copy of copies) {
        if (!copy.alive) copies.delete(copy);
        else if (copy.imagesOpen && copy.host.executes(copy)) write(world, copy, ran);
      }
    };
    return {
      starting: (copy) => {
        if (copy.local.length === 0 || world.truth.isReplicated(copy.run.vm)) return;
        copies.add(copy);
        checkWhole(world, copy, fail);
      },
      adopting: (copy) => {
        if (copy.local.length > 0) copies.add(copy);
      },
      committed: ({ name, value, before }) => {
        if (name.kind !== "owner") return;
        const [was, is] = [before as Owner | undefined, value as Owner | undefined];
        if (is !== undefined && was?.host !== is.host) checkPlace(world, name.vm, is.host, fail);
        if (is !== undefined) checkNoRecord(world, name.vm, is.host, fail);
      },
      imageGone: (host, volume) => {
        if (host.images.foreign.has(volume))
          fail(`somebody's image under the name of ${volume} on ${host.id} is removed`);
        else checkRemoval(world, host, volume, ran, fail);
      },
      afterEvent: touch,
    };
  },
};

function write(world: World, copy: Copy, ran: Map<string, HostId>): void {
  ran.set(copy.run.vm, copy.host.id);
  for (const volume of copy.local) {
    const image = copy.host.images.all.get(volume);
    if (image !== undefined) image.upTo = world.scheduler.now;
  }
}

/** The newest write to a volume, wherever it is. */
function newestOf(world: World, volume: string): number {
  return Math.max(...world.hosts.map(({ images }) => images.all.get(volume)?.upTo ?? -1));
}

function checkWhole(world: World, copy: Copy, fail: Fail): void {
  for (const volume of copy.local) {
    const image = copy.host.images.all.get(volume);
    const name = `${runKey(copy.run)} starts on ${copy.host.id}`;
    if (image === undefined || !image.whole) fail(`${name} from an image of ${volume} that was never filled`);
    else if (image.upTo < newestOf(world, volume)) fail(`${name} without what was written to ${volume} elsewhere`);
  }
}

function volumesOf(world: World, vm: VmId): readonly string[] {
  const disks = world.truth.vms.get(vm)?.spec.disks ?? [];
  // Where its writes are copied, others watch.
  if (disks.length === 0 || world.truth.isReplicated(vm)) return [];
  return disks.filter(({ pool }) => world.truth.pools.get(pool)?.kind === "local-dir").map(({ volume }) => volume);
}

function checkPlace(world: World, vm: VmId, host: HostId, fail: Fail): void {
  for (const volume of volumesOf(world, vm)) {
    const image = world.host(host).images.all.get(volume);
    if (image?.whole !== true) fail(`${vm} is given to ${host}, which has no whole image of ${volume}`);
    else if (image.upTo < newestOf(world, volume))
      fail(`${vm} is given to ${host} without its last writes to ${volume}`);
  }
}

/** What is the volume now is no copy of it. */
function checkNoRecord(world: World, vm: VmId, host: HostId, fail: Fail): void {
  for (const volume of volumesOf(world, vm)) {
    const record = world.truth.values.get(keys.replica(vm, volume as Replica["volume"], host));
    if (record !== undefined) fail(`${vm} lies on ${host}, and its image of ${volume} there is said to be a copy`);
  }
}

function checkRemoval(world: World, host: SimHost, volume: string, ran: Map<string, HostId>, fail: Fail): void {
  for (const vm of world.truth.vms.keys()) {
    if (!volumesOf(world, vm).includes(volume)) continue;
    const owner = world.truth.values.get(keys.owner(vm)) as Owner | undefined;
    if (owner === undefined) continue;
    if (owner.host === host.id) fail(`the image of ${volume} on ${host.id} is removed, although ${vm} lies on it`);
    const record = world.truth.values.get(keys.replica(vm, volume as Replica["volume"], host.id)) as
      | Replica
      | undefined;
    // Until that is on record its hand-over may commit.
    if (record?.state.kind !== "surplus")
      fail(`the image of ${volume} on ${host.id} is removed, and no record gives it up`);
    else if (ran.get(vm) === host.id)
      fail(`the image of ${volume} on ${host.id} is removed before anybody saw ${vm} live`);
  }
}

import type { PoolId } from "../../model/ids.ts";
import { refuse } from "../../model/reason.ts";
import type { VmSpec } from "../../model/records.ts";
import type { HypervisorEnd } from "../../ports/hypervisor.ts";
import type { Trouble } from "../contract/base.ts";
import type { Mutation } from "./mutate.ts";
import { type ApiOptions, apiLimits } from "./options.ts";
import { answered } from "./wait.ts";

type Disk = Pick<VmSpec["disks"][number], "volume" | "pool">;
export type RemovedVolume = {
  readonly volume: string;
  readonly pool: string;
  readonly kept: Trouble | null;
};

/** Removes a deleted VM's images from this host's pools. What stays is said by name: nothing refers to it any more. */
export async function removeVolumes(options: ApiOptions, disks: readonly Disk[]): Promise<RemovedVolume[]> {
  const removed: RemovedVolume[] = [];
  for (const disk of disks) {
    const { volume, pool } = disk;
    removed.push({ volume, pool, kept: await removeOne(options, pool, volume) });
  }
  return removed;
}

async function removeOne(options: ApiOptions, id: PoolId, volume: string): Promise<RemovedVolume["kept"]> {
  const pool = options.view().pools.get(id)?.value;
  const { volumes } = options;
  if (pool === undefined || volumes === undefined)
    return { code: "volume-pool-not-here", params: { volume, pool: id } };
  const late = { kind: "unknown", cause: "no answer" } as const;
  const end = await answered<HypervisorEnd>(options.clock, apiLimits.storeMs, late, (done) =>
    volumes.remove(pool, volume, done),
  );
  switch (end.kind) {
    case "done":
      return null;
    case "refused":
      return { code: "volume-not-removed", params: { volume, pool: pool.name, cause: end.code } };
    case "unknown":
      return { code: "volume-not-removed", params: { volume, pool: pool.name, cause: end.cause } };
  }
}

/**
 * A VM's images are made before its records, on the host that answers: a VM without its disks never exists, and an
 * image that is missing later is a fault, never a reason to make an empty one.
 */
export function volumesFirst(options: ApiOptions): NonNullable<Mutation["prepare"]> {
  return {
    make: async ({ volumes = [] }) => {
      for (const disk of volumes) {
        const end = await createOne(options, disk);
        if (end.kind === "done") continue;
        await removeVolumes(options, volumes);
        const { volume } = disk;
        return end.kind === "refused" ? end : refuse("volume-create-unclear", { volume, cause: end.cause });
      }
      return undefined;
    },
    undo: async ({ volumes = [] }) => {
      await removeVolumes(options, volumes);
    },
  };
}

async function createOne(options: ApiOptions, disk: VmSpec["disks"][number]): Promise<HypervisorEnd> {
  const pool = options.view().pools.get(disk.pool)?.value;
  const { volumes } = options;
  if (pool === undefined || volumes === undefined) {
    return refuse("volume-pool-absent", { volume: disk.volume, pool: disk.pool });
  }
  const late = { kind: "unknown", cause: "no answer" } as const;
  return answered<HypervisorEnd>(options.clock, apiLimits.volumeMs, late, (done) =>
    volumes.create(pool, disk.volume, disk.sizeMiB, disk.format, done),
  );
}

import type { PoolId } from "../../model/ids.ts";
import type { Outcome } from "../../model/records.ts";
import type { HypervisorEnd } from "../../ports/hypervisor.ts";
import type { Trouble } from "../contract/base.ts";
import { type ApiOptions, apiLimits } from "./options.ts";
import { answered } from "./wait.ts";

type Disk = Extract<Outcome, { kind: "vm-deleted" }>["disks"][number];
export type RemovedVolume = {
  readonly volume: string;
  readonly pool: string;
  readonly kept: Trouble | null;
};

/** Removes a deleted VM's images from this host's pools. What stays is said by name: nothing refers to it any more. */
export async function removeVolumes(options: ApiOptions, disks: readonly Disk[]): Promise<RemovedVolume[]> {
  const removed: RemovedVolume[] = [];
  for (const disk of disks) removed.push({ ...disk, kept: await removeOne(options, disk.pool, disk.volume) });
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

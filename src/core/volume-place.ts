import type { HostId, PoolId } from "../model/ids.ts";
import type { Owner, Vm } from "../model/records.ts";
import type { ClusterView } from "../model/view.ts";
import { derived } from "./derived.ts";

type Disk = Vm["spec"]["disks"][number];

const localPools = derived(["pool"], (view: ClusterView): ReadonlySet<PoolId> => {
  const local = [...view.pools.values()].filter(({ value }) => value.kind === "local-dir");
  return new Set(local.map(({ value }) => value.id));
});

/** The VM's volumes in pools that each host has for itself, in the spec's order. */
export function localDisks(view: ClusterView, vm: Vm): readonly Disk[] {
  const pools = localPools(view);
  return pools.size === 0 ? [] : vm.spec.disks.filter(({ pool }) => pools.has(pool));
}

/**
 * The one host on which such a VM can be started: its local volumes lie where its owner record says, held or released, so
 * that whatever moves the ownership moves their place (S15). Undefined: none of them is local, or it has no owner yet.
 */
export function liesOn(view: ClusterView, vm: Vm): HostId | undefined {
  return localDisks(view, vm).length === 0 ? undefined : view.owners.get(vm.id)?.value.host;
}

/** MiB that the local volumes may come to take on another host, by pool. */
export function localNeeds(view: ClusterView, vm: Vm): ReadonlyMap<PoolId, number> {
  const needs = new Map<PoolId, number>();
  for (const { pool, sizeMiB } of localDisks(view, vm)) needs.set(pool, (needs.get(pool) ?? 0) + sizeMiB);
  return needs;
}

/** A volume that is made is on the host that made it, before its VM ever ran: epoch 0 has no run. */
export function bornOn(host: HostId): Owner {
  return { schema: 1, kind: "released", host, epoch: 0 as Owner["epoch"], failed: null, failedHosts: [] };
}

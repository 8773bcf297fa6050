import { compareText, inKeyOrder } from "../../base/order.ts";
import type { HostId, NetworkId, PoolId, StoreKey, VmId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { Member, Network, Pool, Vm } from "../../model/records.ts";
import type { ClusterView, Records, Stored } from "../../model/view.ts";

type Found<T> = { readonly kind: "found"; readonly stored: Stored<T> };

function byIdOrName<K extends string, T extends { readonly name: string }>(
  records: Records<K, T>,
  wanted: string,
): Found<T> | undefined {
  const byId = records.get(wanted as K);
  if (byId !== undefined) return { kind: "found", stored: byId };
  const named = inKeyOrder(records).find(([, stored]) => stored.value.name === wanted);
  return named === undefined ? undefined : { kind: "found", stored: named[1] };
}

/** Names for a remedy: the first few that exist. */
function known(records: Records<string, { readonly name: string }>): string {
  const names = [...records.values()].map((stored) => stored.value.name).sort(compareText);
  if (names.length === 0) return "none";
  return names.length <= 8 ? names.join(", ") : `${names.slice(0, 8).join(", ")}, … (${names.length} in all)`;
}

/** A record that exists but cannot be read is not absent: nothing may be done about its subject. */
export function findVm(view: ClusterView, wanted: string): Found<Vm> | Refusal {
  const trouble = view.unreadable.get(keys.vm(wanted as VmId));
  if (trouble !== undefined) return refuse("vm-unreadable", { vm: wanted, trouble });
  return byIdOrName(view.vms, wanted) ?? refuse("vm-unknown", { vm: wanted, known: known(view.vms) });
}

export function findHost(view: ClusterView, wanted: string): Found<Member> | Refusal {
  return byIdOrName(view.members, wanted) ?? refuse("host-unknown", { host: wanted, known: known(view.members) });
}

export function findPool(view: ClusterView, wanted: string): Found<Pool> | Refusal {
  return byIdOrName(view.pools, wanted) ?? refuse("pool-unknown", { pool: wanted, known: known(view.pools) });
}

export function findNetwork(view: ClusterView, wanted: string): Found<Network> | Refusal {
  return (
    byIdOrName(view.networks, wanted) ?? refuse("network-unknown", { network: wanted, known: known(view.networks) })
  );
}

/** What this version cannot read it does not overwrite. */
export function refuseUnreadable(view: ClusterView, key: StoreKey): Refusal | undefined {
  const trouble = view.unreadable.get(key);
  return trouble === undefined ? undefined : refuse("record-unreadable", { key, trouble });
}

/** Whoever asks for what a disarmed cluster does not do is told so at once; unread is not absent (HM5). */
export function refuseDisarmed(view: ClusterView): Refusal | undefined {
  const disarm = view.disarm?.value;
  if (disarm === undefined) return refuseUnreadable(view, keys.disarm);
  return refuse("cluster-disarmed", { mode: disarm.mode, by: disarm.by.name });
}

export function hostName(view: ClusterView, host: HostId): string {
  return view.members.get(host)?.value.name ?? host;
}

export function vmName(view: ClusterView, vm: VmId): string {
  return view.vms.get(vm)?.value.name ?? vm;
}

export function poolName(view: ClusterView, pool: PoolId): string {
  return view.pools.get(pool)?.value.name ?? pool;
}

export function networkName(view: ClusterView, network: NetworkId): string {
  return view.networks.get(network)?.value.name ?? network;
}

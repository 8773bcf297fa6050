import { compareText } from "../base/order.ts";
import type { HostId, VmId } from "../model/ids.ts";
import type { Stored } from "../model/view.ts";

/** By host, the VMs of which any of these records says that something lies there, in the order of their ids. */
export function vmsByHost(
  records: ReadonlyMap<unknown, Stored<{ readonly host: HostId; readonly vm: VmId }>>,
): ReadonlyMap<HostId, readonly VmId[]> {
  const found = new Map<HostId, Set<VmId>>();
  for (const { value } of records.values())
    found.set(value.host, (found.get(value.host) ?? new Set<VmId>()).add(value.vm));
  return new Map([...found].map(([host, vms]) => [host, [...vms].sort(compareText)]));
}

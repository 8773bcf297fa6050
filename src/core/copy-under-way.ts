import type { HostId, VmId } from "../model/ids.ts";
import { type ClusterView, fenceOf } from "../model/view.ts";
import { copiesOn } from "./replication.ts";
import { isWorking, protectionOf } from "./replication-duty.ts";
import { presentFacts } from "./replication-groups.ts";

/**
 * The host to which a copy of the VM is being made or brought up to date, and from which it would be started by itself once that is
 * complete (S17, S25). Undefined: there is none, or nothing gets on with it.
 */
export function copyUnderWay(view: ClusterView, vm: VmId): HostId | undefined {
  const protection = protectionOf(view, vm);
  if (protection === undefined || !isWorking(view, protection.group)) return undefined;
  const { group, from, to } = protection;
  const owner = view.owners.get(vm)?.value;
  // What its host has not sent it sends no more.
  if (owner?.kind !== "held" || fenceOf(view, owner.host, owner.incarnation) !== undefined) return undefined;
  const startsByItself = group.mode.kind === "synchronous" || group.mode.lossS !== null;
  const isRefused = [from, to].some((host) => presentFacts(view, host)?.copiesRefused?.some((one) => one.vm === vm));
  const isCopying = copiesOn(view, vm, to).some(({ record }) => record?.value.state.kind === "copying");
  return startsByItself && isCopying && !isRefused ? to : undefined;
}

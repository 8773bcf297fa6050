import type { HostId, VmId, WallMs } from "../model/ids.ts";
import type { Check } from "../model/reason.ts";
import type { ClusterView } from "../model/view.ts";
import type { VmRun } from "../ports/hypervisor.ts";

// S14: a QEMU that does not answer its host is there, and its guest may stand still for as long. Its host says so, as a check of its
// own; nothing follows from it by itself: what is neither ended nor proven gone is started nowhere.

const id = "qemu-silent";

export function silentCheck(view: ClusterView, host: HostId, { vm, epoch }: VmRun, since: WallMs): Check {
  const params = { host, vm: view.vms.get(vm)?.value.name ?? vm, epoch, sinceWall: since };
  return { id, subject: vm, level: "fail", params };
}

/** Since when QEMU of the VM as it runs now has not answered; null: it does, as far as its host has said. */
export function silentSince(view: ClusterView, vm: VmId): number | null {
  const owner = view.owners.get(vm)?.value;
  if (owner?.kind !== "held") return null;
  const facts = view.facts.get(owner.host)?.value;
  if (facts?.incarnation !== owner.incarnation) return null;
  const check = facts.checks.find((one) => one.id === id && one.subject === vm && one.params["epoch"] === owner.epoch);
  return typeof check?.params["sinceWall"] === "number" ? check.params["sinceWall"] : null;
}

/** What a host once said of a run speaks of no other. */
export function isOverBy(view: ClusterView, host: string, check: Check): boolean {
  if (check.id !== id) return false;
  const vm = check.subject as VmId;
  return view.owners.get(vm)?.value.host !== host || silentSince(view, vm) === null;
}

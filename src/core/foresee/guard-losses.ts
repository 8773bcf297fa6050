import { inKeyOrder } from "../../base/order.ts";
import type { HostId, VmId, WallMs } from "../../model/ids.ts";
import type { Reason } from "../../model/reason.ts";
import type { ClusterView } from "../../model/view.ts";
import { admissionOf, type Counterexample, strandedBy } from "../admission.ts";
import { reason } from "../placement/fitness.ts";
import { knowledgeOf } from "../placement/imagine.ts";
import { hostName } from "../requests/find.ts";

/**
 * Losses of hosts that are borne less after an edit: fewer of them at once, and VM by VM for each host that may be lost. The
 * number alone would hide everything else as soon as one VM is at risk.
 */
export function lossesNotBorne(view: ClusterView, after: ClusterView, up: ReadonlySet<HostId>, wall: WallMs): Reason[] {
  const before = admissionOf(view, knowledgeOf(view, up, wall)).bears;
  const { bears, counterexample } = admissionOf(after, knowledgeOf(after, up, wall));
  if (bears >= before || counterexample === null) return newlyStranded(view, after, up, wall, null);
  const { losing, vm } = counterexample;
  const name = vm === null ? "any VM" : (after.vms.get(vm)?.value.name ?? vm);
  const hosts = losing.map((host) => hostName(view, host)).join(" and ");
  const fewer = reason("FC2", "edit-bears-less", { before, after: bears, losing: hosts, vm: name });
  return [fewer, ...newlyStranded(view, after, up, wall, counterexample)];
}

/**
 * `told`: what was said of one of these losses already. A VM that is stranded with whatever host it is on is no news where it goes
 * to another one: it takes its risk along.
 */
function newlyStranded(
  view: ClusterView,
  after: ClusterView,
  up: ReadonlySet<HostId>,
  wall: WallMs,
  told: Counterexample | null,
): Reason[] {
  const knownAfter = knowledgeOf(after, up, wall);
  const { stranded, undecided } = strandedBefore(view, up, wall);
  return inKeyOrder(after.members).flatMap(([host, { value: member }]) => {
    // Nobody could decide before: it cannot become worse.
    if (!up.has(host) || !view.members.has(host) || undecided.has(host)) return [];
    const isTold = told !== null && told.losing.length === 1 && told.losing[0] === host;
    const now = strandedBy(after, knownAfter, [host]);
    const params = { losing: member.name };
    if (now === undefined) return isTold ? [] : [reason("FC2", "edit-loses-majority", params)];
    const name = (id: VmId): string => after.vms.get(id)?.value.name ?? id;
    const vms = [...now].filter((id) => !stranded.has(id) && !(isTold && told.vm === id)).map(name);
    if (vms.length === 0) return [];
    return [reason("FC2", "edit-strands-vms", { ...params, vms: vms.sort().join(", ") })];
  });
}

/** VMs that find no host if their own is lost, and hosts without which nobody decides. */
function strandedBefore(
  view: ClusterView,
  up: ReadonlySet<HostId>,
  wall: WallMs,
): { readonly stranded: ReadonlySet<VmId>; readonly undecided: ReadonlySet<HostId> } {
  const known = knowledgeOf(view, up, wall);
  const stranded = new Set<VmId>();
  const undecided = new Set<HostId>();
  for (const host of up) {
    if (!view.members.has(host)) continue;
    const found = strandedBy(view, known, [host]);
    if (found === undefined) undecided.add(host);
    for (const vm of found ?? []) stranded.add(vm);
  }
  return { stranded, undecided };
}

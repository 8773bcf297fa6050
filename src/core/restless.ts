import type { HostId, Revision, VmId } from "../model/ids.ts";
import type { ClusterView } from "../model/view.ts";
import { seatOf, seatsOf } from "./placement/seats.ts";
import { type RuleBook, ruleBook } from "./rules/rule-book.ts";

type Kept = {
  readonly restless: Set<VmId>;
  readonly rules: Revision | undefined;
  readonly members: Revision | undefined;
  /** Up to which of the view's changes of VMs it is true. */
  seen: number;
};

const known = new WeakMap<ClusterView, Kept>();

/**
 * The held VMs that the rules might rather have elsewhere: not in their best class, beside what is kept apart from them,
 * not beside all that belongs together with them, or with a host to return to. Of all others no host could be better,
 * whatever happens to hosts. Kept up to date by the VMs that changed, and those that rules tie to them. In no order.
 */
export function restlessVms(view: ClusterView): ReadonlySet<VmId> {
  const { first, ids } = view.vmChanges;
  const end = first + ids.length;
  const rules = view.changedAt.get("rule");
  const members = view.changedAt.get("member");
  const book = ruleBook(view);
  const before = known.get(view);
  if (before !== undefined && before.rules === rules && before.members === members && before.seen >= first) {
    for (const vm of new Set(ids.slice(before.seen - first))) {
      if (!book.binds(vm)) before.restless.delete(vm);
      else for (const tied of [vm, ...book.together(vm), ...book.apart(vm)]) look(before.restless, view, book, tied);
    }
    before.seen = end;
    return before.restless;
  }
  const restless = new Set<VmId>();
  for (const rule of view.rules.values())
    for (const vm of rule.value.vms) if (book.binds(vm)) look(restless, view, book, vm);
  known.set(view, { restless, rules, members, seen: end });
  return restless;
}

function look(restless: Set<VmId>, view: ClusterView, book: RuleBook, vm: VmId): void {
  const owner = view.owners.get(vm)?.value;
  if (owner?.kind === "held" && !isAtRest(view, book, vm, owner.host)) restless.add(vm);
  else restless.delete(vm);
}

function isAtRest(view: ClusterView, book: RuleBook, vm: VmId, host: HostId): boolean {
  if (view.plans.size > 0 && (view.plans.get(vm)?.value.returnTo ?? null) !== null) return false;
  if (book.classOf(vm, host) !== book.topClassOf(vm)) return false;
  for (const other of book.apart(vm)) {
    if (seatsOf(view, other, undefined).includes(host) || homeOf(view, other) === host) return false;
  }
  for (const other of book.together(vm)) {
    const seat = seatOf(view, other, undefined) ?? homeOf(view, other);
    if (seat !== undefined && seat !== host) return false;
  }
  return true;
}

/** Where a VM that nobody holds lies: it may be about to start there. */
function homeOf(view: ClusterView, vm: VmId): HostId | undefined {
  const owner = view.owners.get(vm)?.value;
  return owner?.kind === "released" && view.vms.get(vm)?.value.requested === "started" ? owner.host : undefined;
}

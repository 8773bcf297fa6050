import { compareText, valuesInKeyOrder } from "../../base/order.ts";
import type { HostId, NetworkId, PoolId, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmMove } from "../../model/move-records.ts";
import { type Reason, type Refusal, refuse } from "../../model/reason.ts";
import type { Member, Vm } from "../../model/records.ts";
import type { ClusterView } from "../../model/view.ts";
import { whyNotLiveTo } from "../cpu.ts";
import { whyPaused } from "../guest-paused.ts";
import { linkOrder, type MoveLink, moveLinks } from "../migration-links.ts";
import { movesLive } from "../moves.ts";
import { knowledgeOf } from "../placement/imagine.ts";
import { assign, openRound } from "../placement/round.ts";
import { mannerOfOrder, whyUnfit } from "../placement/select.ts";
import { protectionOf } from "../replication-duty.ts";
import { ruleBook } from "../rules/rule-book.ts";
import { hostName, networkName, poolName, refuseUnreadable } from "./find.ts";
import type { Sight } from "./sight.ts";

/**
 * Why `vm` cannot be moved to `target` now; undefined: nothing speaks against it. By the same placement as the manager's, which
 * looks again when it carries the order out; what is known to be in vain is refused here, while somebody is there to read
 * why. A host of a lower class is a person's choice; one that a strict rule excludes would only be left again.
 */
export function refuseTarget(
  view: ClusterView,
  { vm, kind }: Wanted,
  target: Member,
  sight: Sight,
  at: WallMs,
): Refusal | undefined {
  const { id: to } = target;
  const unreadable = refuseUnreadable(view, keys.maintenance(to)) ?? refuseUnreadable(view, keys.hostMode(to));
  if (unreadable !== undefined) return unreadable;
  const round = openRound(view, knowledgeOf(view, heardBy(view, sight), at));
  let alongMiB = 0;
  const all = [vm, ...comesAlong(view, vm, to)];
  const paused = kind === "migrate" ? refusePaused(view, all, target) : undefined;
  if (paused !== undefined) return paused;
  for (const one of all) {
    const why = whyUnfit(round, one, to, mannerOfOrder(kind));
    if (why?.code === "host-memory-short") return refuseFull(vm, target, all, Number(why.params["freeMiB"]) + alongMiB);
    if (why !== undefined) return refusalOf(view, one, target, why);
    assign(round, one, to);
    alongMiB += one.spec.memoryMiB;
  }
  if (kind !== "migrate") return undefined;
  // Its guest cannot go on there as it is: only a stop and a start lead there (PL8).
  const why = whyNotLiveTo(view, vm, to);
  return why === undefined ? refuseUnlinked(view, vm, target) : refusalOf(view, vm, target, why);
}

/** HM1: whoever asks for a move of a guest that runs gets no other: what stands still could only be stopped for it. */
function refusePaused(view: ClusterView, all: readonly Vm[], target: Member): Refusal | undefined {
  for (const vm of all) {
    const why = whyPaused(view, vm);
    if (why === undefined) continue;
    const from = hostName(view, why.params["host"] as HostId);
    return refuse("move-guest-paused", { vm: vm.name, from, by: String(why.params["by"]), host: target.name });
  }
  return undefined;
}

/** A guest that runs has to get there over a link that both hosts have, and that the policy names. */
function refuseUnlinked(view: ClusterView, vm: Vm, target: Member): Refusal | undefined {
  const way = wayOfMove(view, vm, target);
  if (way === undefined || way.links.length > 0) return undefined;
  return refuse("move-no-common-link", { vm: vm.name, from: way.from.name, host: target.name });
}

/** Where a guest that runs would come from, and the links over which it would be sent; undefined: it is none, or does not. */
export function wayOfMove(
  view: ClusterView,
  vm: Vm,
  target: Member,
): { readonly from: Member; readonly links: readonly MoveLink[] } | undefined {
  const owner = view.owners.get(vm.id)?.value;
  const from = owner === undefined ? undefined : view.members.get(owner.host)?.value;
  if (owner === undefined || from === undefined || !movesLive(view, vm, owner, "migrate", target.id)) return undefined;
  return { from, links: moveLinks(from, target, linkOrder(view)) };
}

type Wanted = { readonly vm: Vm; readonly kind: VmMove["kind"] };

/**
 * Why `vm` would leave `target` again as soon as it runs there: a host that its rules prefer can take it, and it goes back
 * to such a host by itself (PL2). Obeyed to the letter, the order would cost two moves and change nothing.
 */
export function refuseReturn(view: ClusterView, vm: Vm, target: Member, sight: Sight, at: WallMs): Refusal | undefined {
  if (vm.requested !== "started" || !vm.failback) return undefined;
  const book = ruleBook(view);
  const own = book.classOf(vm.id, target.id) ?? -1;
  if (own >= book.topClassOf(vm.id)) return undefined;
  const better = valuesInKeyOrder(view.members)
    .map(({ value }) => value)
    .filter(({ id }) => (book.classOf(vm.id, id) ?? -1) > own)
    .filter((other) => refuseTarget(view, { vm, kind: "relocate" }, other, sight, at) === undefined);
  if (better.length === 0) return undefined;
  const best = better.map(({ name }) => name).join(" and ");
  const rules = book.rulesOf(vm.id).join(", ");
  return refuse("move-host-not-preferred", { vm: vm.name, host: target.name, best, rules });
}

/** Whoever hears nothing itself does not take the others for silent. */
function heardBy(view: ClusterView, sight: Sight): ReadonlySet<HostId> {
  return new Set([...view.hosts.keys()].filter((host) => ["up", "unknown"].includes(sight(host))));
}

/** VMs that are kept together with it and run elsewhere; in order of their ids. */
function comesAlong(view: ClusterView, vm: Vm, to: HostId): Vm[] {
  return [...ruleBook(view).together(vm.id)].sort(compareText).flatMap((id) => {
    const owner = view.owners.get(id)?.value;
    const other = view.vms.get(id)?.value;
    return other !== undefined && owner?.kind === "held" && owner.host !== to ? [other] : [];
  });
}

function refuseFull(vm: Vm, target: Member, all: readonly Vm[], freeMiB: number): Refusal {
  const neededMiB = all.reduce((sum, { spec }) => sum + spec.memoryMiB, 0);
  return refuse("move-host-full", { vm: vm.name, host: target.name, neededMiB, freeMiB, along: all.length - 1 });
}

const codes: ReadonlyMap<string, string> = new Map([
  ["host-is-witness", "move-to-witness"],
  ["host-never-registered", "move-host-absent"],
  ["host-is-fenced", "move-host-fenced"],
  ["host-power-being-cut", "move-host-fenced"],
  ["host-not-heard", "move-host-silent"],
  ["host-is-silent", "move-host-silent"],
  ["agent-is-silent", "move-host-agent-silent"],
  ["agent-not-heard-yet", "move-host-agent-starting"],
  ["host-record-unreadable", "move-host-record-unreadable"],
  ["host-in-maintenance", "move-host-in-maintenance"],
  ["host-mode-not-active", "move-host-leaving"],
  ["host-quarantined", "move-host-in-quarantine"],
  ["host-facts-unknown", "move-host-unknown-equipment"],
  ["pool-not-on-host", "move-pool-missing"],
  ["pool-unfit", "move-pool-unfit"],
  ["volume-elsewhere", "move-disks-elsewhere"],
  ["pool-short", "move-pool-short"],
  ["network-not-on-host", "move-network-missing"],
  ["network-unfit", "move-network-unfit"],
  ["host-not-allowed", "move-host-forbidden"],
  ["host-has-vm-apart", "move-apart-vm-there"],
  ["cpu-flags-missing", "move-cpu-flags-missing"],
  ["cpu-model-unknown-there", "move-cpu-model-unknown-there"],
  ["cpu-vendor-differs", "move-cpu-vendor-differs"],
  ["cpu-accel-differs", "move-cpu-accel-differs"],
]);

/** What placement says of a host, in words for whoever asked for it. */
function refusalOf(view: ClusterView, vm: Vm, target: Member, { code, params }: Reason): Refusal {
  const { pool, network, rules, other, cause, lies } = params;
  const copied = code === "volume-elsewhere" ? refuseAwayFromCopies(view, vm, target) : undefined;
  if (copied !== undefined) return copied;
  const named = {
    ...(code.startsWith("cpu-") || code === "pool-short" ? params : {}),
    vm: vm.name,
    host: target.name,
    ...(rules === undefined ? {} : { rules }),
    ...(other === undefined ? {} : { other }),
    ...(cause === undefined ? {} : { cause }),
    ...(lies === undefined ? {} : { lies: hostName(view, lies as HostId) }),
    ...(pool === undefined ? {} : { pool: poolName(view, pool as PoolId) }),
    ...(network === undefined ? {} : { network: networkName(view, network as NetworkId) }),
    ...(code === "host-mode-not-active" ? { next: view.modes.get(target.id)?.value.next ?? "nothing" } : {}),
  };
  const known = codes.get(code);
  return known === undefined ? refuse("move-host-unfit", { ...named, why: code }) : refuse(known, named);
}

/** Where its disks are copied by a group they go along to nobody: it goes to the host of the copies, and only to whole ones. */
function refuseAwayFromCopies(view: ClusterView, vm: Vm, target: Member): Refusal | undefined {
  const protection = protectionOf(view, vm.id);
  if (protection === undefined) return undefined;
  const { group, from, to } = protection;
  const named = { vm: vm.name, host: target.name, group: group.name, lies: hostName(view, from) };
  return to === target.id
    ? refuse("move-copy-not-whole", named)
    : refuse("move-away-from-copies", { ...named, copy: hostName(view, to) });
}

const aboutDisks: ReadonlySet<string> = new Set([
  "move-disks-elsewhere",
  "move-away-from-copies",
  "move-copy-not-whole",
]);

/** It is its disks that are missing at the target, nothing else was found. */
export function lacksDisks({ code }: Refusal): boolean {
  return aboutDisks.has(code);
}

import type { HostId } from "../../model/ids.ts";
import type { Reason } from "../../model/reason.ts";
import type { HeldOwner, Vm } from "../../model/records.ts";
import type { ClusterView } from "../../model/view.ts";
import { whyNotLive } from "../cpu.ts";
import { derived } from "../derived.ts";
import { moveLinks } from "../migration-links.ts";
import { failedTargets } from "../move-failures.ts";
import { reason } from "./fitness.ts";
import type { Knowledge } from "./knowledge.ts";
import type { Slot } from "./round.ts";

// Targets that a guest would hardly get to as it runs (HM2). They are fit, and come after all others: what is known of links may be
// over, and what failed may succeed.

/** What speaks against targets of one VM that runs; undefined: nothing does. */
export type Reach = {
  readonly from: HostId;
  /** Its moves there failed: the last one last. */
  readonly tried: readonly HostId[];
  /** Whoever looked found that no link connects. */
  readonly cut: ReadonlySet<HostId>;
  /** As the records say there is no link over which a guest may be moved. */
  readonly unlinked: ReadonlySet<HostId>;
  /** There it would be stopped and started: no link is needed. */
  readonly isStoppedFor: (to: HostId) => boolean;
};

const nobody: ReadonlySet<HostId> = new Set();

export function reachOf(
  view: ClusterView,
  vm: Vm,
  { host }: HeldOwner,
  unreached: Knowledge["unreached"],
): Reach | undefined {
  const tried = failedTargets(view, vm.id);
  const seen = [...(view.maintenances.get(host)?.value.unreached ?? []), ...(unreached?.get(host) ?? [])];
  const unlinked = unlinkedHosts(view).get(host) ?? nobody;
  if (tried.length === 0 && seen.length === 0 && unlinked.size === 0) return undefined;
  const isStoppedFor = (to: HostId): boolean => whyNotLive(view, vm, host, to) !== undefined;
  return { from: host, tried, cut: new Set(seen), unlinked, isStoppedFor };
}

/** By host: those with which it has no link in common over which guests may be moved. Gateways change the order of links alone. */
const unlinkedHosts = derived(["member", "policy"], (view) => {
  const order = view.policy?.value.migration.links ?? [];
  const members = [...view.members.values()].map(({ value }) => value);
  const pairs = members.map((from) => {
    const apart = members.filter(
      (to) => to !== from && moveLinks(from, to, { order, gateways: new Set() }).length === 0,
    );
    return [from.id, new Set(apart.map(({ id }) => id))] as const;
  });
  return new Map<HostId, ReadonlySet<HostId>>(pairs);
});

/** The lowest is taken first; 0: nothing speaks against it. Of those that were tried, the one that failed longest ago. */
export function doubtOf(reach: Reach | undefined, { host }: Pick<Slot, "host">): number {
  if (reach === undefined) return 0;
  if (reach.unlinked.has(host) && !reach.isStoppedFor(host)) return Number.POSITIVE_INFINITY;
  const at = reach.tried.indexOf(host);
  if (at >= 0) return 2 + at;
  return reach.cut.has(host) && !reach.isStoppedFor(host) ? 1 : 0;
}

/** Why others come before it. */
export function whyDoubtful(reach: Reach | undefined, { host }: Pick<Slot, "host">): Reason | undefined {
  const doubt = doubtOf(reach, { host });
  if (reach === undefined || doubt === 0) return undefined;
  if (doubt === 1) return reason("HM2", "host-links-cut", { from: reach.from, host });
  if (doubt === Number.POSITIVE_INFINITY) return reason("HM2", "host-without-link", { from: reach.from, host });
  return reason("HM2", "host-move-failed", { host });
}

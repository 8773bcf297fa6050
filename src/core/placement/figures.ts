import type { HostUsage, Usage } from "../../model/host-records.ts";
import type { HostId, VmId } from "../../model/ids.ts";
import { defaultPolicy, type Scheduler } from "../../model/policy.ts";
import type { Reason } from "../../model/reason.ts";
import type { HostFacts } from "../../model/records.ts";
import { type ClusterView, fenceOf } from "../../model/view.ts";
import { derived } from "../derived.ts";
import { reason } from "./fitness.ts";
import { seatsOf } from "./seats.ts";
import type { Fractions } from "./topsis.ts";

export type Mode = Scheduler["mode"];

/** By which figures a round compares hosts. `trouble`: why by another than the policy says. */
export type Figures = { readonly mode: Mode; readonly wanted: Mode; readonly trouble: Reason | undefined };

/** The policy's mode, or `basic` where a host that is there has no figures for it (PL4). */
export function figuresOf(view: ClusterView, hosts: readonly HostId[]): Figures {
  const wanted = (view.policy?.value ?? defaultPolicy).scheduler.mode;
  if (wanted === "basic") return { mode: "basic", wanted, trouble: undefined };
  for (const host of hosts) {
    const trouble = whyNoFigures(view, host, wanted);
    if (trouble !== undefined) return { mode: "basic", wanted, trouble };
  }
  return { mode: wanted, wanted, trouble: undefined };
}

function whyNoFigures(view: ClusterView, host: HostId, mode: Mode): Reason | undefined {
  const facts = view.facts.get(host)?.value;
  if (facts === undefined || facts.cores <= 0 || facts.memoryMiB <= 0)
    return reason("PL4", "host-size-unknown", { host });
  if (mode === "dynamic" && usageOf(view, host) === undefined) return reason("PL4", "host-use-unknown", { host });
  return undefined;
}

/** What was measured of the host's present incarnation; undefined: nothing yet. */
export function usageOf(view: ClusterView, host: HostId): HostUsage | undefined {
  const usage = view.usages.get(host)?.value;
  return usage?.incarnation === view.hosts.get(host)?.value.incarnation ? usage : undefined;
}

/** What a VM asks of a host: as measured where it runs, else as configured. */
export function figureOf(view: ClusterView, vm: VmId, mode: Mode): Usage {
  const owner = view.owners.get(vm)?.value;
  if (mode === "dynamic" && owner?.kind === "held" && fenceOf(view, owner.host, owner.incarnation) === undefined) {
    const measured = usageOf(view, owner.host)?.vms[vm];
    if (measured !== undefined) return measured;
  }
  const spec = view.vms.get(vm)?.value.spec;
  return { cores: spec?.cpus ?? 0, memoryMiB: spec?.memoryMiB ?? 0 };
}

/** It is not among what was measured of the host. */
export function isUnmeasured(view: ClusterView, vm: VmId, host: HostId): boolean {
  return usageOf(view, host)?.vms[vm] === undefined;
}

/** What a VM adds to what was measured of a host: nothing once it is among that. */
export function unmeasured(view: ClusterView, vm: VmId, host: HostId): Usage | undefined {
  return isUnmeasured(view, vm, host) ? figureOf(view, vm, "dynamic") : undefined;
}

/** What hosts bear by measure, with the VMs that are about to run there and are not among what was measured yet. */
export const measuredLoads = derived(["owner", "vm", "vm-move", "host", "host-usage", "fence"], (view) => {
  const loads = new Map<HostId, Usage>();
  for (const host of view.usages.keys()) {
    const usage = usageOf(view, host);
    if (usage !== undefined) loads.set(host, usage.host);
  }
  for (const vm of new Set([...view.owners.keys(), ...view.moves.keys()])) {
    for (const host of seatsOf(view, vm, undefined)) {
      const more = unmeasured(view, vm, host);
      if (more !== undefined) loads.set(host, sumOf(loads.get(host) ?? { cores: 0, memoryMiB: 0 }, more, 1));
    }
  }
  return loads as ReadonlyMap<HostId, Usage>;
});

export function sumOf(a: Usage, b: Usage, sign: 1 | -1): Usage {
  return { cores: a.cores + sign * b.cores, memoryMiB: a.memoryMiB + sign * b.memoryMiB };
}

export function fractionsOf(load: Usage, facts: HostFacts | undefined): Fractions {
  if (facts === undefined) return { cpu: 0, memory: 0 };
  return { cpu: load.cores / facts.cores, memory: load.memoryMiB / facts.memoryMiB };
}

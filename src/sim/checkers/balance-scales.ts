import type { HostId, VmId } from "../../model/ids.ts";
import type { Scheduler } from "../../model/policy.ts";
import type { VmStatus } from "../../model/records.ts";
import type { Transaction } from "../../model/transaction.ts";
import { reading } from "../world/create-cluster.ts";
import { loadOf as measuredOf, ownUse } from "../world/sensors.ts";
import type { Written } from "../world/truth.ts";
import type { World } from "../world/world.ts";
import type { Certainty } from "./certainty.ts";

/** What is measured are means over half a minute, written down some time later. */
const measuredMs = 60_000;
/** Sums of the same figures in another order. */
const floating = 1e-9;

type Use = { readonly cores: number; readonly memoryMiB: number };
type Asked = Pick<Scheduler["autoRebalance"], "threshold" | "margin">;

/** How unevenly the hosts really bear their loads: at a moment, and with the VMs that it was asked for on another host. */
export type Weighed = {
  readonly at: number;
  readonly imbalance: number;
  readonly imbalanceWith: (to: HostId) => number;
};

/** More than is borne, and better by what is asked for. */
export function isWorth(before: number, after: number, { threshold, margin }: Asked): boolean {
  return before > threshold - floating && after < before && (before - after) / before > margin - floating;
}

/** What hosts bear, worked out without the product's own figures: a second opinion. */
export class Scales {
  readonly #world: World;
  readonly #certainty: Certainty;
  #stoodStillAt = 0;
  readonly #changedAt = new Map<string, number>();

  constructor(world: World, certainty: Certainty) {
    this.#world = world;
    this.#certainty = certainty;
  }

  /** Guests stand still, or did: what is measured of them is less than what they use. */
  standsStill(): void {
    this.#stoodStillAt = this.#world.scheduler.now;
  }

  /** What was measured at that moment is what guests use, and would be today. */
  isTrue(at: number): boolean {
    const { now } = this.#world.scheduler;
    return at - Math.max(this.#stoodStillAt, now - this.#world.quietMs()) > measuredMs;
  }

  committed({ name, key, value, before }: Written): void {
    const phases = name.kind === "vm-status" ? [before, value].map((one) => (one as VmStatus | undefined)?.phase) : [];
    if (phases.includes("paused")) this.standsStill();
    if (name.kind === "owner" || name.kind === "vm" || name.kind === "vm-move")
      this.#changedAt.set(key, this.#world.scheduler.now);
  }

  refused({ writes }: Transaction): void {
    for (const { key } of writes) this.#changedAt.set(key, this.#world.scheduler.now);
  }

  /** Nothing was said, or asked in vain, of any of the records since then. */
  isUntouched(keys: readonly string[], { at }: Weighed): boolean {
    return keys.every((key) => (this.#changedAt.get(key) ?? 0) < at);
  }

  /** `moved`: VMs that are all on `from`. Undefined: nobody can be sure what whoever decides knew. */
  weigh(mode: "static" | "dynamic", from: HostId, moved: readonly VmId[]): Weighed | undefined {
    if (!this.#isSure(mode) || !moved.every((vm) => this.#certainty.seatOf(vm) === from)) return undefined;
    const own: Use = mode === "dynamic" ? ownUse : { cores: 0, memoryMiB: 0 };
    const loads = new Map(this.#world.workers().map(({ id }) => [id, { ...own }]));
    const add = (to: typeof loads, host: HostId, use: Use, sign: 1 | -1): void => {
      const load = to.get(host);
      if (load === undefined) return;
      load.cores += sign * use.cores;
      load.memoryMiB += sign * use.memoryMiB;
    };
    const uses = new Map<VmId, Use>();
    for (const [vm, owner] of this.#world.truth.owners) {
      if (owner.kind !== "held") continue;
      const use = this.#certainty.seatOf(vm) === owner.host ? this.#useOf(mode, vm, owner.host) : undefined;
      if (use === undefined) return undefined;
      uses.set(vm, use);
      add(loads, owner.host, use, 1);
    }
    return {
      at: this.#world.scheduler.now,
      imbalance: this.#spread(loads),
      imbalanceWith: (to) => {
        const after = new Map([...loads].map(([id, load]) => [id, { ...load }]));
        for (const vm of moved) {
          const use = uses.get(vm) ?? { cores: 0, memoryMiB: 0 };
          add(after, from, use, -1);
          add(after, to, use, 1);
        }
        return this.#spread(after);
      },
    };
  }

  /** Standard deviation by mean; a host's load is the mean of its parts. */
  #spread(uses: ReadonlyMap<HostId, Use>): number {
    const loads = [...uses].map(([id, { cores, memoryMiB }]) => {
      const host = reading(this.#world, id);
      return (cores / host.cores + memoryMiB / host.memoryMiB) / 2;
    });
    const mean = loads.reduce((sum, load) => sum + load, 0) / loads.length;
    if (mean === 0) return 0;
    return Math.sqrt(loads.reduce((sum, load) => sum + (load - mean) ** 2, 0) / loads.length) / mean;
  }

  #isSure(mode: "static" | "dynamic"): boolean {
    const { truth, scheduler } = this.#world;
    if (!this.#world.workers().every(({ id }) => this.#certainty.takesVms(id))) return false;
    for (const [vm, { requested }] of truth.vms) {
      const isHeld = truth.owners.get(vm)?.kind === "held";
      if (!this.#certainty.isSettled(vm) || isHeld !== (requested === "started")) return false;
    }
    const isMeasured = [...this.#changedAt.values()].every((at) => scheduler.now - at > measuredMs);
    return mode === "static" || (this.isTrue(scheduler.now) && isMeasured);
  }

  #useOf(mode: "static" | "dynamic", vm: VmId, host: HostId): Use | undefined {
    const spec = this.#world.truth.vms.get(vm)?.spec;
    if (mode === "static") return spec === undefined ? undefined : { cores: spec.cpus, memoryMiB: spec.memoryMiB };
    const [copy, other] = this.#world.copiesOf(vm);
    const isThere = copy !== undefined && other === undefined && copy.host.id === host && copy.host.executes(copy);
    return isThere ? measuredOf(copy) : undefined;
  }
}

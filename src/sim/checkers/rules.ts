import type { HostId, VmId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmMove, VmPlan } from "../../model/move-records.ts";
import type { Owner } from "../../model/records.ts";
import type { Replica } from "../../model/replication-records.ts";
import type { Rule } from "../../model/rules.ts";
import type { World } from "../world/world.ts";
import { type Certainty, certaintyOf } from "./certainty.ts";
import type { Checker, Fail, Writer } from "./checker.ts";
import { Closure } from "./closure.ts";
import { handingOf } from "./handing-over.ts";
import type { CheckerKind } from "./kind.ts";
import { isLeadersAlone } from "./ownership.ts";

/** AF1, AF2, AF3, AF6: what edits leave behind can be followed, and names no VM that is gone. */
export const soundRules: CheckerKind = {
  rule: "AF6",
  make: (world, fail) => ({
    committed: ({ name, value, before }) => {
      const isDeletion = name.kind === "vm" && value === undefined;
      if (name.kind !== "rule" && !isDeletion) return;
      const { rules, vms } = world.truth;
      for (const rule of rules.values()) {
        const gone = rule.vms.find((vm) => !vms.has(vm));
        if (gone !== undefined) fail(`rule ${rule.id} names ${gone}, which is gone`);
      }
      const is = value as Rule | undefined;
      // What is off is held against nothing before it is enabled.
      if (name.kind === "rule" && is?.kind === "vm-affinity" && is.enabled && is.vms.length < 2) {
        // Only a deletion may leave one.
        const was = before as Rule | undefined;
        if (was?.enabled !== true || (was.vms.length > 1 && was.vms.every((vm) => vms.has(vm))))
          fail(`rule ${is.id} has a single VM, and nobody deleted another`);
      }
      const why = new Closure(rules.values()).contradiction(world.workers().length);
      if (why !== undefined) fail(`the rules cannot be followed: ${why}`);
    },
  }),
};

/** One choice of a host by the manager, as it comes to stand in the store. */
type Chosen = {
  readonly vm: VmId;
  readonly on: HostId;
  readonly before: Owner | undefined;
  readonly writer: Writer;
  /** Somebody else than the selection chose: a person, or a move that was under way. */
  readonly given: boolean;
};

/** Reasons of moves whose aim the selection chose. */
const selected = new Set([
  ...["next-after-failure", "best-at-start", "host-unfit-to-start"],
  ...["host-in-maintenance", "host-is-leaving"],
]);

/** Calls `look` for each choice of a host by a manager. */
function choices(world: World, look: (chosen: Chosen) => void): NonNullable<Checker["committed"]> {
  // A move goes with the transaction that ends it: what was there before counts.
  const moving = new Set<VmId>();
  const endedAt = new Map<VmId, number>();
  return ({ name, value, before }, writer) => {
    if (name.kind === "vm-move" && value === undefined) {
      moving.delete(name.vm);
      endedAt.set(name.vm, world.scheduler.now);
    } else if (name.kind === "vm-move") moving.add(name.vm);
    if (writer?.process !== "daemon" || value === undefined) return;
    if (name.kind === "vm-move") {
      const move = value as VmMove;
      if (before !== undefined || move.answer.kind !== "open") return;
      const given = !selected.has(move.reason.code);
      look({ vm: move.vm, on: move.to, before: world.truth.owners.get(move.vm), writer, given });
    }
    if (name.kind !== "owner" || !isLeadersAlone(name.kind, before, value)) return;
    // Chosen when its move was written, which was looked at then (S15).
    if (handingOf(world, name, before, value) !== undefined) return;
    const owner = value as Owner;
    if (writer.host.id !== world.truth.term?.host || owner.kind !== "held") return;
    const given = moving.has(name.vm) || endedAt.get(name.vm) === world.scheduler.now;
    look({ vm: name.vm, on: owner.host, before: before as Owner | undefined, writer, given });
  };
}

/** AF4, PL2: no VM is given to a host that its rules forbid, or on which one is that it is kept apart from. */
export const forbiddenHosts: CheckerKind = {
  rule: "PL2",
  make: (world, fail) => {
    const certainty = certaintyOf(world);
    const look = choices(world, ({ vm, on }) => {
      if (!certainty.areRulesSettled()) return;
      const rules = new Closure(world.truth.rules.values());
      if (rules.classOf(vm, on) === undefined) fail(`${vm} is given to ${on}, which its rules forbid`);
      for (const other of rules.apart(vm))
        if (certainty.seatOf(other) === on)
          fail(`${vm} is given to ${on}, where ${other} is, which it is kept apart from`);
    });
    return { committed: look };
  },
};

/** What a transaction of the same decision may still be on its way for. */
const settlesMs = 3_000;

/** AF5, PL2: a VM goes to the best class that surely has a host for it, and there to those that it belongs with. */
export const bestClass: CheckerKind = {
  rule: "AF5",
  make: (world, fail) =>
    watchBetter(world, fail, (chosen, certainty) => {
      const rules = new Closure(world.truth.rules.values());
      const { vm, on } = chosen;
      const number = rules.classOf(vm, on) ?? -1;
      const company = companyOf(rules, certainty, vm);
      return world.workers().flatMap(({ id }) => {
        const other = rules.classOf(vm, id);
        if (id === on || other === undefined || other < number) return [];
        if (other > number) return [{ host: id, why: `${id} is in class ${other}, ${on} in ${number}` }];
        return id === company ? [{ host: id, why: `what it belongs with is on ${id}` }] : [];
      });
    }),
};

/** PL3: a host on which a VM failed comes after all others that surely can take it, and the number of failures is bounded. */
export const failedLast: CheckerKind = {
  rule: "PL3",
  make: (world, fail) =>
    watchBetter(world, fail, ({ vm, on, before }, certainty) => {
      const known = world.truth.vms.get(vm);
      if (before?.kind !== "released" || known === undefined) return [];
      const { failedHosts } = before;
      if (failedHosts.length > known.maxRelocate && certainty.isWishSettled(vm))
        fail(`${vm} is given to ${on} after ${failedHosts.length} failures, at most ${known.maxRelocate} are borne`);
      if (!failedHosts.includes(on)) return [];
      const rules = new Closure(world.truth.rules.values());
      return world.workers().flatMap(({ id }) => {
        if (rules.classOf(vm, id) === undefined) return [];
        return [{ host: id, why: `it failed on ${on}, and was never tried on ${id}` }];
      });
    }),
};

/** HM6: a host in quarantine gets a VM only where no other surely can take it. */
export const quarantine: CheckerKind = {
  rule: "HM6",
  make: (world, fail) =>
    watchBetter(world, fail, ({ vm, on, before }, certainty) => {
      if (before?.host === on || !certainty.isInQuarantine(on)) return [];
      const rules = new Closure(world.truth.rules.values());
      return world.workers().flatMap(({ id }) => {
        if (id === on || rules.classOf(vm, id) === undefined) return [];
        return [{ host: id, why: `${on} is in quarantine, ${id} is not` }];
      });
    }),
};

type Better = { readonly host: HostId; readonly why: string };

/** Says which hosts were better, once it is sure that they could have taken the VM. */
function watchBetter(
  world: World,
  fail: Fail,
  better: (chosen: Chosen, certainty: Certainty) => readonly Better[],
): Omit<Checker, "rule"> {
  const certainty = certaintyOf(world);
  const look = choices(world, (chosen) => {
    const { vm, on, before, writer, given } = chosen;
    if (given || !certainty.areRulesSettled() || !certainty.hears(writer.life) || isBound(world, vm, before)) return;
    const failedHosts = before?.failedHosts ?? [];
    for (const { host, why } of better(chosen, certainty)) {
      if (failedHosts.includes(host) || !certainty.takesVms(host) || !hasDisks(world, vm, host, before)) continue;
      world.scheduler.after(settlesMs, () => {
        const rules = new Closure(world.truth.rules.values());
        const isFree = [...rules.apart(vm)].every((other) => !certainty.mayBeOn(other, host));
        if (certainty.areRulesSettled() && isFree && certainty.hasRoom(host, vm))
          fail(`${vm} is given to ${on}: ${why}`);
      });
    }
  });
  return { committed: look };
}

/** It could start there: its local disks lie there, or a copy of each that the store calls in sync with its last run. */
function hasDisks({ truth }: World, vm: VmId, host: HostId, before: Owner | undefined): boolean {
  const disks = truth.vms.get(vm)?.spec.disks ?? [];
  const local = disks.filter(({ pool }) => truth.pools.get(pool)?.kind === "local-dir");
  return local.every(({ volume }) => {
    const copy = truth.values.get(keys.replica(vm, volume, host)) as Replica | undefined;
    return before?.host === host || (copy?.state.kind === "in-sync" && copy.epoch === before?.epoch);
  });
}

/** Something comes before the class: it stays without failback, or goes back to where it came from. */
function isBound({ truth }: World, vm: VmId, before: Owner | undefined): boolean {
  const plan = truth.values.get(keys.vmPlan(vm)) as VmPlan | undefined;
  const failback = truth.vms.get(vm)?.failback !== false || before === undefined;
  return !failback || (plan?.returnTo ?? null) !== null;
}

/** The one host on which all are that a VM has to be with; undefined: there is none, or nobody can be sure. */
function companyOf(rules: Closure, certainty: Certainty, vm: VmId): HostId | undefined {
  const hosts = new Set<HostId>();
  for (const other of rules.team(vm)) {
    if (other === vm) continue;
    if (!certainty.isSettled(other)) return undefined;
    const host = certainty.seatOf(other);
    if (host !== undefined) hosts.add(host);
  }
  const [only] = hosts;
  return hosts.size === 1 ? only : undefined;
}

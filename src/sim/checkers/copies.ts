import type { VmId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmOrder } from "../../model/move-records.ts";
import type { Cluster, Owner } from "../../model/records.ts";
import type { Group, Replica } from "../../model/replication-records.ts";
import type { OutcomeName } from "../counts.ts";
import type { Written } from "../world/truth.ts";
import type { World } from "../world/world.ts";
import { statedLosses } from "./cycles.ts";
import { goneBack } from "./going-back.ts";
import type { CheckerKind } from "./kind.ts";

const counted: Partial<Record<Replica["state"]["kind"], OutcomeName>> = {
  "in-sync": "copiesInSync",
  stale: "copiesLeftBehind",
  diverged: "promotions",
};

/**
 * S17: a guest that starts from disks of one host finds there everything that it was ever told is written; but for what a person
 * has accepted to lose, by an order that was served in the very commit that gave the VM to that host in this epoch (S18).
 */
export const nothingLost: CheckerKind = {
  rule: "S17",
  make: (world, fail) => {
    const accepted = new Map<VmId, number>();
    const stated = statedLosses(world);
    const returns = goneBack();
    const taken = takenByWord(world);
    return {
      committed: (written, writer) => {
        taken.committed(written);
        stated.committed(written, writer);
        returns.note(written);
        const { name, value, before } = written;
        if (name.kind === "replica" && value !== undefined) {
          const { kind } = (value as Replica).state;
          const outcome = counted[kind];
          if (outcome !== undefined && (before as Replica | undefined)?.state.kind !== kind) world.count(outcome);
        }
        if (name.kind !== "vm-order" || value !== undefined) return;
        const order = (before as VmOrder | undefined)?.order;
        const owner = world.truth.owners.get(name.vm);
        if (order?.kind === "promote" && owner?.host === order.to) accepted.set(name.vm, owner.epoch);
      },
      starting: (copy) => {
        const { vm, epoch } = copy.run;
        const goesBack = returns.of(copy);
        const isTaken = taken.starts(vm);
        const guest = world.replicas.guests.get(vm);
        if (guest === undefined || accepted.get(vm) === epoch || stated.of(vm) !== undefined) return;
        if (isTaken || goesBack !== undefined) return;
        const lost = copy.vm.spec.disks.flatMap(
          ({ volume }, i) => guest[i]?.lostOn(world.replicas.diskOn(copy.host, volume) ?? new Map()) ?? [],
        );
        const name = `${copy.run.vm} epoch ${copy.run.epoch}`;
        if (lost.length > 0) fail(`${name} starts on ${copy.host.id} without ${lost.length} acknowledged writes`);
      },
    };
  },
};

/**
 * S23: where the host of a run had noted that it goes on without its copy, and was lost with that, an order to go on without that
 * host states what its copy lacks: for the first start after it.
 */
function takenByWord({ truth, replicas }: World) {
  const stated = new Set<VmId>();
  return {
    committed: ({ name, value, before }: Written): void => {
      if (name.kind !== "owner") return;
      const [was, is] = [before as Owner | undefined, value as Owner | undefined];
      const cluster = truth.values.get(keys.cluster) as Cluster | undefined;
      if (cluster?.forced?.open !== true || was?.kind !== "held" || is?.host !== was.host) return;
      if (replicas.isNoted(was.host, { vm: name.vm, epoch: was.epoch })) stated.add(name.vm);
    },
    starts: (vm: VmId): boolean => stated.delete(vm),
  };
}

/** S19: no connection of an earlier epoch writes a copy that a guest runs from. */
export const copiesHaveOneWriter: CheckerKind = {
  rule: "S19",
  make: (world, fail) => {
    world.replicas.onSecondWriter = (host, vm) => fail(`a connection writes the disk that ${vm} runs from on ${host}`);
    return {};
  },
};

/**
 * S16: a guest is told that something is written which its copy lacks only once the store says so; where two hosts vote, or once its
 * host has noted it, of a copy of which the store says that this may be so (S23).
 */
export const staleBeforeAlone: CheckerKind = {
  rule: "S16",
  make: (world, fail) => {
    world.replicas.onAlone = (vm, epoch) => {
      const records = [...world.truth.values].filter(([key]) => key.startsWith(`/replicas/${vm}/`));
      const counted = records.some(([, value]) => {
        const record = value as Replica;
        return record.epoch === epoch && record.state.kind === "in-sync";
      });
      const owner = world.truth.owners.get(vm);
      const byNote = records.every(([, value]) => {
        const { epoch: of, state } = value as Replica;
        return of !== epoch || state.kind !== "in-sync" || state.byHost === true;
      });
      if (owner !== undefined && byNote && world.replicas.isNoted(owner.host, { vm, epoch: owner.epoch })) return;
      if (counted && owner?.epoch === epoch)
        fail(`${vm} epoch ${epoch} goes on without a copy that the store calls in sync`);
    };
    return {};
  },
};

/** S17: copies are given up for good only once no run is promised that they have what it wrote. */
export const countedCopiesStay: CheckerKind = {
  rule: "S17",
  make: (world, fail) => ({
    committed: ({ name, value, before }) => {
      if (name.kind !== "replica") return;
      const [is, was] = [value as Replica | undefined, before as Replica | undefined];
      if (is?.state.kind !== "surplus" || was === undefined || was.pool !== undefined) return;
      const owner = world.truth.owners.get(name.vm);
      const isCounted = was.state.kind === "in-sync" && owner?.kind === "held" && owner.epoch === was.epoch;
      if (isCounted) fail(`the copy of ${name.vm} on ${name.host} is given up, and its run counts on it`);
      if (owner?.host === name.host) fail(`the copy of ${name.vm} on ${name.host} is given up, and the VM lies there`);
      if (was.toRemove !== true) fail(`the copy of ${name.vm} on ${name.host} is given up, and nobody said so`);
    },
  }),
};

const lookEveryMs = 1_000;
/** What attaching to a run and copying it may take where nothing is in the way. */
const copiedMs = 60_000;

/** S17: in a healed world each copy that somebody asked for is in sync with the run that goes on. */
export const copiesCatchUp: CheckerKind = {
  rule: "S17",
  make: (world, fail) => {
    const ownedAt = new Map<VmId, number>();
    let groupsAt = 0;
    let said = false;
    const look = (): void => {
      if (said || world.scheduler.now - groupsAt < copiedMs) return;
      for (const [vm, at] of ownedAt) {
        const why = world.scheduler.now - at < copiedMs ? undefined : whyNotInSync(world, vm);
        if (why === undefined) continue;
        said = true;
        fail(why);
      }
    };
    for (let at = world.plan.restByMs; at <= world.plan.endAtMs; at += lookEveryMs) world.scheduler.at(at, look);
    return {
      committed: ({ name }) => {
        if (name.kind === "owner") ownedAt.set(name.vm, world.scheduler.now);
        if (name.kind === "group") groupsAt = world.scheduler.now;
      },
    };
  },
};

function whyNotInSync(world: World, vm: VmId): string | undefined {
  const { owners, values, vms } = world.truth;
  const owner: Owner | undefined = owners.get(vm);
  const planned = world.plan.groups?.find((group) => group.vms.some((name) => vm === `vm:${name}`));
  const group = planned === undefined ? undefined : (values.get(keys.group(planned.name as Group["name"])) as Group);
  if (group === undefined || !group.vms.includes(vm) || group.paused.length > 0 || owner?.kind !== "held")
    return undefined;
  const runs = world.copiesOf(vm).some((copy) => copy.host.executes(copy) && copy.run.epoch === owner.epoch);
  const to = owner.host === group.source ? group.target : group.source;
  if (!runs || (owner.host !== group.source && owner.host !== group.target)) return undefined;
  const states = (vms.get(vm)?.spec.disks ?? []).map(({ volume }) => {
    const record = values.get(keys.replica(vm, volume, to)) as Replica | undefined;
    return record?.epoch === owner.epoch ? record.state.kind : "none";
  });
  const wanted = group.mode.kind === "synchronous" ? "in-sync" : "sealed";
  if (states.every((state) => state === wanted)) return undefined;
  return `the copy of ${vm} epoch ${owner.epoch} on ${to} is ${states.join(", ")}, and nothing is in its way`;
}

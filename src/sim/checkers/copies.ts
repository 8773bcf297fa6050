import type { VmId } from "../../model/ids.ts";
import type { VmOrder } from "../../model/move-records.ts";
import type { Replica } from "../../model/replication-records.ts";
import type { CheckerKind } from "./kind.ts";

/**
 * S17: a guest that starts from disks of one host finds there everything that it was ever told is written; but for what a person
 * has accepted to lose, by an order that was served in the very commit that gave the VM to that host in this epoch (S18).
 */
export const nothingLost: CheckerKind = {
  rule: "S17",
  make: (world, fail) => {
    const accepted = new Map<VmId, number>();
    return {
      committed: ({ name, value, before }) => {
        if (name.kind !== "vm-order" || value !== undefined) return;
        const order = (before as VmOrder | undefined)?.order;
        const owner = world.truth.owners.get(name.vm);
        if (order?.kind === "promote" && owner?.host === order.to) accepted.set(name.vm, owner.epoch);
      },
      starting: (copy) => {
        const [first] = copy.vm.spec.disks;
        const guest = world.replicas.guests.get(copy.run.vm);
        if (guest === undefined || first === undefined || accepted.get(copy.run.vm) === copy.run.epoch) return;
        const lost = guest.lostOn(world.replicas.diskOn(copy.host, first.volume) ?? new Map());
        const name = `${copy.run.vm} epoch ${copy.run.epoch}`;
        if (lost.length > 0) fail(`${name} starts on ${copy.host.id} without ${lost.length} acknowledged writes`);
      },
    };
  },
};

/** S19: no connection of an earlier epoch writes a copy that a guest runs from. */
export const copiesHaveOneWriter: CheckerKind = {
  rule: "S19",
  make: (world, fail) => {
    world.replicas.onSecondWriter = (host, vm) => fail(`a connection writes the disk that ${vm} runs from on ${host}`);
    return {};
  },
};

/** S16: a guest is told that something is written which its copy lacks only once the store says so. */
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
      if (counted && owner?.epoch === epoch)
        fail(`${vm} epoch ${epoch} goes on without a copy that the store calls in sync`);
    };
    return {};
  },
};

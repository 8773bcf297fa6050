import type { Replica } from "../../model/replication-records.ts";
import { statedLosses } from "./cycles.ts";
import type { CheckerKind } from "./kind.ts";

/** S17: a guest that starts from disks of one host finds there everything that it was ever told is written. */
export const nothingLost: CheckerKind = {
  rule: "S17",
  make: (world, fail) => {
    const stated = statedLosses(world);
    return {
      committed: stated.committed,
      starting: (copy) => {
        const [first] = copy.vm.spec.disks;
        const guest = world.replicas.guests.get(copy.run.vm);
        if (guest === undefined || first === undefined || stated.of(copy.run.vm) !== undefined) return;
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

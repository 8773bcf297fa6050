import type { VmId } from "../../model/ids.ts";
import type { Event } from "../../model/records.ts";
import type { SealedCycle } from "../../model/replication-cycle.ts";
import type { Group, Replica } from "../../model/replication-records.ts";
import type { SimDisk } from "../replica/machine.ts";
import type { GuestDisk } from "../world/replicas.ts";
import type { Written } from "../world/truth.ts";
import type { World } from "../world/world.ts";
import type { Checker, Fail } from "./checker.ts";
import type { CheckerKind } from "./kind.ts";

/** A promotion that says what it loses, until a guest has started from what it took. */
type Stated = {
  readonly seconds: number;
  readonly cycle: SealedCycle | undefined;
  /** Of each of its disks; a VM in cycles has one in these worlds. */
  readonly guest: readonly GuestDisk[] | undefined;
};

/** Losses that were stated by the transaction that accepts them; over once another guest wrote there. */
export function statedLosses(world: World): {
  readonly committed: NonNullable<Checker["committed"]>;
  readonly of: (vm: VmId) => Stated | undefined;
} {
  const stated = new Map<VmId, Stated>();
  const taken = new Map<VmId, SealedCycle>();
  return {
    committed: ({ name, value, before }: Written) => {
      if (name.kind === "replica" && value === undefined) {
        const state = (before as Replica | undefined)?.state;
        if (state?.kind === "sealed") taken.set(name.vm, state);
      }
      const event = name.kind === "event" ? (value as Event | undefined) : undefined;
      const { vm } = event?.subjects ?? {};
      if (event?.type !== "replica-promoted-behind" || vm === undefined) return;
      const seconds = Number(event.params["seconds"]);
      const guest = world.replicas.guests.get(vm);
      stated.set(vm, { seconds, cycle: taken.get(vm), guest });
    },
    of: (vm) => {
      const known = stated.get(vm);
      return known !== undefined && known.guest === world.replicas.guests.get(vm) ? known : undefined;
    },
  };
}

function groupsOf(world: World): readonly Group[] {
  return [...world.truth.values].flatMap(([key, value]) => (key.startsWith("/groups/") ? [value as Group] : []));
}

/**
 * S25: what a guest goes on from is a moment that there was, of a cycle that was sealed and is not older than the record says;
 * and what it lacks was acknowledged within the seconds that were stated, which the group allows.
 */
export const cyclesKeepTheirWord: CheckerKind = {
  rule: "S25",
  make: (world, fail) => {
    const stated = statedLosses(world);
    return {
      committed: (written, writer) => {
        stated.committed(written, writer);
        const { name, value } = written;
        if (name.kind === "replica") checkRecord(world, fail, name.vm, value as Replica | undefined);
      },
      starting: (copy) => {
        const { vm } = copy.run;
        const known = stated.of(vm);
        const [first] = copy.vm.spec.disks;
        if (known === undefined || first === undefined) return;
        const disk = world.replicas.diskOn(copy.host, first.volume) ?? new Map();
        const name = `${vm} epoch ${copy.run.epoch}`;
        if (!isMoment(world, vm, known.cycle, disk)) fail(`${name} starts from a copy that no sealed cycle ever held`);
        checkLoss(world, fail, name, vm, known, disk);
      },
    };
  },
};

/** A record promises a cycle that its target has: nothing says so before all of it is there. */
function checkRecord(world: World, fail: Fail, vm: VmId, record: Replica | undefined): void {
  const state = record?.state;
  if (record === undefined || state?.kind !== "sealed") return;
  const last = world.replicas.sealedAt(record.host, vm);
  const isThere = last?.chain === state.chain ? last.sequence >= state.sequence : last !== undefined;
  if (!isThere)
    fail(`${vm} is recorded as sealed at ${state.chain}.${state.sequence} on ${record.host}, which lacks it`);
}

/** One of the cycles from the recorded one on. */
function isMoment(world: World, vm: VmId, cycle: SealedCycle | undefined, disk: SimDisk): boolean {
  const all = [...(world.replicas.cycles.get(vm) ?? [])];
  const from = all.findIndex(([name]) => name === `${cycle?.chain}.${cycle?.sequence}`);
  return from >= 0 && all.slice(from).some(([, held]) => isSameDisk(held, disk));
}

function isSameDisk(a: SimDisk, b: SimDisk): boolean {
  return [...new Set([...a.keys(), ...b.keys()])].every((block) => (a.get(block) ?? 0) === (b.get(block) ?? 0));
}

function checkLoss(world: World, fail: Fail, name: string, vm: VmId, known: Stated, disk: SimDisk): void {
  const { seconds } = known;
  const guest = known.guest?.[0];
  const mode = groupsOf(world).find(({ vms }) => vms.includes(vm))?.mode;
  const limitS = mode?.kind === "asynchronous" ? mode.lossS : null;
  if (limitS === null || seconds > limitS) fail(`${name} loses ${seconds} s, which its group does not allow`);
  // Clocks that were put elsewhere show nothing that could be compared.
  if (guest === undefined || world.hosts.some(({ clock }) => clock.wallOffsetMs !== 0)) return;
  const lostMs = guest.lastTold() - guest.lostSince(disk);
  if (lostMs > seconds * 1_000)
    fail(`${name} lacks the last ${Math.round(lostMs)} ms of writes, though ${seconds} s were stated`);
}

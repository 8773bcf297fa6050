import { isSame } from "../../base/same.ts";
import type { HostId, Incarnation, VmId } from "../../model/ids.ts";
import type { HostFacts, Owner, VmStatus } from "../../model/records.ts";
import type { Replica } from "../../model/replication-records.ts";
import type { World } from "../world/world.ts";
import type { Writer } from "./checker.ts";
import type { CheckerKind } from "./kind.ts";
import { forcedOf, isLeap } from "./of-takeover.ts";

/** What only the agent of the run says of a copy of its disks. */
const saidByTheRun: readonly string[] = ["copying", "in-sync", "stale", "sealed"];

/**
 * S9: once the fence of (H, N) is committed, no record is written any more that says of (H, N) that it runs a VM, or how it does;
 * and its agent gives up no VM and says nothing of copies. Late word of an agent that does not know yet is refused by the store.
 */
export const fencedSayNothing: CheckerKind = {
  rule: "S9",
  make: (world, fail) => ({
    committed: ({ name, value, before }, writer) => {
      if (writer === null || value === undefined || isSame(value, before)) return;
      const say = (what: string, host: HostId, incarnation: Incarnation): void => {
        if (isFenced(world, host, incarnation))
          fail(`${what} although ${host}/${incarnation} is fenced, by ${writer.process} of ${writer.host.id}`);
      };
      switch (name.kind) {
        case "owner": {
          const is = value as Owner;
          if (isLeap(world, before, value)) return;
          if (is.kind === "held") say(`${name.vm} epoch ${is.epoch} is given to its owner`, is.host, is.incarnation);
          else lookAtRelease(world, name.vm, before as Owner | undefined, is, writer, say);
          return;
        }
        case "vm-status": {
          const { host, incarnation, phase } = value as VmStatus;
          return say(`${name.vm} is said to be ${phase}`, host, incarnation);
        }
        case "host-facts":
        case "host-usage":
          return say(`${name.kind} of ${name.host} are written`, name.host, (value as HostFacts).incarnation);
        case "replica":
          return lookAtReplica(world, value as Replica, before as Replica | undefined, say);
        default:
          return;
      }
    },
  }),
};

type Say = (what: string, host: HostId, incarnation: Incarnation) => void;

function isFenced({ truth }: World, host: HostId, incarnation: Incarnation): boolean {
  return truth.fences.has(`${host}/${incarnation}`);
}

/** A leader that gives up a lost host's VM raises its epoch; its holder, and its holder's next life, leave it as it is. */
function lookAtRelease(world: World, vm: VmId, was: Owner | undefined, is: Owner, { host }: Writer, say: Say): void {
  if (was?.kind !== "held" || was.host !== host.id || is.epoch !== was.epoch) return;
  const registered = world.truth.registrations.get(was.host);
  if (registered !== undefined) say(`${vm} epoch ${is.epoch} is given up`, was.host, registered.incarnation);
}

/** S17: what its run says of a copy, and what the host that receives it says. */
function lookAtReplica(world: World, is: Replica, was: Replica | undefined, say: Say): void {
  const owner = [...world.truth.owners].find(([id]) => id === is.vm)?.[1];
  const what = `the copy of ${is.volume} on ${is.host} is said to be ${is.state.kind}`;
  const isSaid = saidByTheRun.includes(is.state.kind) && !isSame(is.state, was?.state);
  if (isSaid && owner?.kind === "held" && owner.epoch === is.epoch && forcedOf(world)?.open !== true)
    say(what, owner.host, owner.incarnation);
  const { receiver } = is;
  if (receiver !== null && !isSame(receiver, was?.receiver))
    say(`the copy of ${is.volume} is received`, is.host, receiver.incarnation);
}

import type { SeededRandom } from "../../base/random.ts";
import type { HostId, VmId } from "../../model/ids.ts";
import { parseJson } from "../../model/json.ts";
import { keys } from "../../model/keys.ts";
import type { Owner } from "../../model/records.ts";
import type { PlannedGroup } from "../plan.ts";
import type { Commit } from "../world/history.ts";
import type { FaultKind } from "./fault.ts";
import { orderVm } from "./managing.ts";
import { strikeWith } from "./strike.ts";

/** What a planned failover has come to when something goes wrong: its VM is to leave, has ended, belongs to the host of its copy. */
const moments = ["asked", "ended", "placed"] as const;
const ends = ["source", "target"] as const;
const troubles = [
  ...["none", "none", "agent-kill", "agent-kill", "agent-stop", "host-freeze", "power-loss", "power-loss", "cut"],
  ...["link-cut", "link-cut", "link-one-way", "answers-lost", "store-unavailable", "qemu-crash", "relay-kill"],
  ...["copies-kill", "copies-reset", "copies-hang", "copies-full", "start-slow"],
] as const;

/**
 * A VM of a group is ordered to stop, to have the last of its writes sent, and to start at the host of its copy; and in one of these
 * steps something befalls one of both hosts (S17, S25). `kinds`: what may.
 */
export function plannedFailover(kinds: readonly FaultKind[]): FaultKind {
  return {
    name: "planned-failover",
    weight: 1,
    draw: (random, context) => ({
      vm: random.pick(context.vms),
      text: `${random.pick(moments)} ${random.pick(ends)} ${random.pick(troubles)}`,
      value: random.chance(0.6) ? random.below(30) : random.below(3_500),
      forMs: 90_000,
    }),
    happens: (world, event, random) => {
      const vm = `vm:${event.vm}` as VmId;
      const [moment = "", end = "", trouble = ""] = (event.text ?? "").split(" ");
      const from = world.truth.owners.get(vm)?.host;
      const to = otherEnd(world.plan.groups ?? [], event.vm ?? "", from);
      if (from === undefined || to === undefined) return undefined;
      const strike = (): void => {
        const kind = kinds.find(({ name }) => name === trouble);
        if (kind === undefined || world.scheduler.now >= world.plan.healAtMs) return;
        const [host, other] = end === "source" ? [from, to] : [to, from];
        world.tell("fault", "planned-failover", { trouble, at: host, vm: event.vm ?? "" });
        strikeWith(world, kind, { host, other, vm: event.vm ?? "", forMs: lengthOf(random) }, random);
      };
      const watch = (commit: Commit): boolean => {
        if (isAt(commit, vm, to, "placed")) world.count("plannedFailovers");
        if (isAt(commit, vm, to, moment)) world.scheduler.after(event.value ?? 0, strike);
        return isAt(commit, vm, to, "placed");
      };
      world.traps.add(watch);
      orderVm(world, event.vm ?? "", { kind: "relocate", to });
      return () => world.traps.delete(watch);
    },
  };
}

function lengthOf(random: SeededRandom): number {
  return random.chance(0.5) ? 100 + random.below(3_500) : 3_000 + random.below(25_000);
}

/** After a failover the roles are the other way round. */
function otherEnd(groups: readonly PlannedGroup[], vm: string, from: HostId | undefined): HostId | undefined {
  const group = groups.find(({ vms }) => vms.includes(vm));
  const others = [group?.from, group?.to].filter((host) => host !== from);
  return others.length === 1 ? (others[0] as HostId) : undefined;
}

function isAt({ changes }: Commit, vm: VmId, to: HostId, moment: string): boolean {
  if (moment === "asked") return changes.some(({ key, kind }) => key === keys.vmMove(vm) && kind === "put");
  const change = changes.find(({ key }) => key === keys.owner(vm));
  if (change?.kind !== "put") return false;
  const owner = parseJson(change.text) as Owner;
  return moment === "ended" ? owner.kind === "released" : owner.kind === "held" && owner.host === to;
}

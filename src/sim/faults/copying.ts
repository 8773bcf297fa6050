import type { SeededRandom } from "../../base/random.ts";
import { planSetVm } from "../../core/requests/change-vm.ts";
import { planPauseGroup } from "../../core/requests/groups.ts";
import type { HostId, VmId } from "../../model/ids.ts";
import { parseJson } from "../../model/json.ts";
import type { Replica } from "../../model/replication-records.ts";
import type { FaultEvent, PlannedGroup } from "../plan.ts";
import { goBack } from "../scenario/failover-phrase.ts";
import { dropPoint, exportPoint, takePoint, testPoint } from "../scenario/point-phrases.ts";
import type { Commit } from "../world/history.ts";
import type { World } from "../world/world.ts";
import type { DrawContext, FaultKind, Heal } from "./fault.ts";
import { type Ask, ask } from "./operator.ts";
import { strikeWith } from "./strike.ts";

function drawCopy(random: SeededRandom, context: DrawContext): { vm: string; forMs: number } {
  return { vm: random.pick(context.vms), forMs: 500 + random.below(random.chance(0.3) ? 40_000 : 8_000) };
}

function copyFault(
  name: string,
  weight: number,
  happens: (world: World, event: FaultEvent) => Heal | undefined,
): FaultKind {
  return { name, weight, draw: drawCopy, happens };
}

/** What befalls the processes between a disk and its copy. Drawn only where anything is copied. */
export const copyingFaults: readonly FaultKind[] = [
  copyFault("relay-kill", 4, (world, event) => {
    world.replicas.killRelays(`vm:${event.vm}`);
    return undefined;
  }),
  copyFault("copies-reset", 3, (world, event) => {
    world.replicas.resetRelays(`vm:${event.vm}`);
    return undefined;
  }),
  copyFault("copies-kill", 3, (world, event) => {
    for (const daemon of daemonsOf(world, event.vm)) daemon.isAlive = false;
    return undefined;
  }),
  copyFault("copies-hang", 3, (world, event) => {
    const hung = daemonsOf(world, event.vm);
    for (const daemon of hung) daemon.hangs = true;
    return () => {
      for (const daemon of hung) daemon.goOn();
    };
  }),
  copyFault("copies-full", 3, (world, event) => {
    const pair = groupOf(world, event.vm);
    const hosts = world.workers().filter(({ id }) => id === pair?.from || id === pair?.to);
    for (const host of hosts) world.replicas.fill(host, true);
    return () => {
      for (const host of hosts) world.replicas.fill(host, false);
    };
  }),
  {
    ...copyFault("group-paused", 2, () => undefined),
    happens: (world, event, random) => {
      const group = groupOf(world, event.vm);
      if (group === undefined) return undefined;
      const turn = (paused: boolean): void =>
        ask(world, { ...event, host: event.host ?? group.from }, random, (view, _event, asked) =>
          planPauseGroup(view, group.name, paused, asked),
        );
      turn(true);
      return () => turn(false);
    },
  },
];

/** What somebody asks of recovery points, of whichever host answers. */
export const pointWishes: readonly FaultKind[] = [
  wish("point-take", takePoint),
  wish("point-drop", dropPoint),
  wish("point-test", testPoint),
  wish("point-export", exportPoint),
  {
    name: "point-return",
    weight: 2,
    draw: (random, context) => ({ host: random.pick(context.workers), vm: random.pick(context.vms), forMs: 40_000 }),
    happens: (world, event, random) => returnToPoint(world, event, random),
  },
];

/** Stopped, then sent back to the oldest point of one of its hosts, while other things go wrong; wanted again in the end. */
function returnToPoint(world: World, event: FaultEvent, random: SeededRandom): Heal | undefined {
  const group = groupOf(world, event.vm);
  const vm = event.vm ?? "";
  if (group === undefined) return undefined;
  const want = (requested: "started" | "stopped"): void =>
    ask(world, event, random, (view, _event, asked) => planSetVm(view, { vm, requested }, asked));
  want("stopped");
  const hosts = random.chance(0.5) ? [group.to, group.from] : [group.from, group.to];
  for (const [i, to] of hosts.entries())
    world.scheduler.after(3_000 + random.below(15_000) + 2_000 * i, () =>
      ask(world, event, random, goBack("silent")({ vm, hosts: [to] })),
    );
  return () => want("started");
}

function wish(name: string, asks: (of: { readonly vm: string }) => Ask): FaultKind {
  return {
    name,
    weight: 2,
    draw: (random, context) => ({ host: random.pick(context.workers), vm: random.pick(context.vms) }),
    happens: (world, event, random) => {
      ask(world, event, random, asks({ vm: event.vm ?? "" }));
      return undefined;
    },
  };
}

function daemonsOf(world: World, vm: string | undefined) {
  return world.workers().flatMap((host) => world.replicas.daemonOf(`vm:${vm}`, host) ?? []);
}

function groupOf(world: World, vm: string | undefined): PlannedGroup | undefined {
  return world.plan.groups?.find(({ vms }) => vm !== undefined && vms.includes(vm));
}

/** What the copy of a VM has come to when something goes wrong; `cut`: its link is gone, `ended`: the run that is copied. */
const moments = ["copying", "in-sync", "stale", "stale", "diverged", "cut", "cut", "ended", "now"] as const;
type Moment = (typeof moments)[number];
const ends = ["source", "target"] as const;
type End = (typeof ends)[number];
const troubles = [
  ...["agent-kill", "agent-kill", "agent-stop", "host-freeze", "power-loss", "power-loss", "cut", "one-way-cut-out"],
  ...["link-cut", "link-one-way", "answers-lost", "store-unavailable", "qemu-crash", "relay-kill", "copies-reset"],
  ...["copies-kill", "copies-hang", "copies-full"],
] as const;

/** At a chosen moment of a copy something befalls the host of its VM, or its own (S16, S17). `kinds`: what may. */
export function copiesInTrouble(kinds: readonly FaultKind[]): FaultKind {
  return {
    name: "copies-in-trouble",
    weight: 14,
    draw: (random, context) => {
      const moment = random.pick(moments);
      // Around the bound, at which the agent records that the copy is left behind.
      const aroundMs = moment === "cut" ? 1_800 + random.below(900) : random.below(30);
      return {
        ...{ vm: random.pick(context.vms), text: `${moment} ${random.pick(ends)} ${random.pick(troubles)}` },
        ...{ value: random.chance(0.6) ? aroundMs : random.below(3_500), forMs: 60_000 },
      };
    },
    happens: (world, event, random) => {
      const [moment, end, trouble] = (event.text ?? "").split(" ") as [Moment, End, string];
      const vm = event.vm ?? "";
      const kindOf = (name: string): FaultKind | undefined => kinds.find((kind) => kind.name === name);
      const soon = (): void => {
        world.scheduler.after(event.value ?? 0, () => strike(world, { vm, end, random }, kindOf(trouble)));
      };
      const trap = ({ changes }: Commit): boolean => {
        const isSo = changes.some((change) => change.kind === "put" && stateOf(change, vm) === moment);
        if (isSo) soon();
        return isSo;
      };
      if (moment === "cut") strike(world, { vm, end: "source", random }, kindOf("link-cut"));
      if (moment === "ended") strike(world, { vm, end: "source", random }, kindOf("qemu-crash"));
      if (moment === "cut" || moment === "ended" || moment === "now") {
        soon();
        return undefined;
      }
      world.traps.add(trap);
      return () => world.traps.delete(trap);
    },
  };
}

function stateOf({ key, text }: { readonly key: string; readonly text: string }, vm: string): string | undefined {
  return key.startsWith(`/replicas/vm:${vm}/`) ? (parseJson(text) as Replica).state.kind : undefined;
}

type Strike = { readonly vm: string; readonly end: End; readonly random: SeededRandom };

function strike(world: World, { vm, end, random }: Strike, kind: FaultKind | undefined): void {
  const group = groupOf(world, vm);
  if (group === undefined || kind === undefined) return;
  // After a failover the roles are the other way round.
  const at = world.truth.owners.get(`vm:${vm}` as VmId)?.host ?? group.from;
  const other = (at === group.from ? group.to : group.from) as HostId;
  const [host, far] = end === "source" ? [at, other] : [other, at];
  world.tell("fault", "copies-in-trouble", { trouble: kind.name, at: host, vm });
  const forMs = random.chance(0.5) ? 100 + random.below(3_500) : 3_000 + random.below(25_000);
  strikeWith(world, kind, { host, other: far, vm, forMs }, random);
}

import { inKeyOrder } from "../../base/order.ts";
import type { VmId } from "../../model/ids.ts";
import type { HostReading } from "../../ports/sensors.ts";
import { allCheckers } from "../checkers/all.ts";
import type { Checker } from "../checkers/checker.ts";
import type { WorldPlan } from "../plan.ts";
import { steadyRandom } from "../scenario/steady.ts";
import { bootHost } from "../world/boot.ts";
import type { SimHost } from "../world/host.ts";
import { World } from "../world/world.ts";
import { commandGiver } from "./commands.ts";
import type { HaScenario } from "./format.ts";
import { Guests, type Script, ScriptedHypervisor } from "./guests.ts";
import { Held } from "./held-managers.ts";
import { Machines } from "./machines.ts";
import { Observer } from "./observer.ts";
import { secondsMax } from "./parse.ts";
import { initialWrites, scenarioPool } from "./records.ts";
import type { HaResult } from "./result.ts";
import { resultOf } from "./tell-result.ts";
import { Usages } from "./usage.ts";

/** What the source takes for a node without figures. */
const usualNode = { cores: 24, memBytes: 128 * 2 ** 30 };
/** The source admits any number of guests to a node: what it has is weighed, not enforced. */
const noMemoryLimitMiB = 2 ** 40;

/** Plays a scenario on the production manager, agents, hearts and guards, on virtual time. The same file gives the same result. */
export function playHaScenario(scenario: HaScenario): HaResult {
  const { goOn, result } = beginHaScenario(scenario);
  while (goOn());
  return result();
}

/** A run that somebody else steps, so that it can be broken off: `goOn` is false once it has come to its end. */
export type HaRun = { readonly goOn: () => boolean; readonly result: () => HaResult };

export function beginHaScenario(scenario: HaScenario): HaRun {
  const held = new Held();
  const guests = new Guests(scenario);
  let observer: Observer | undefined;
  const script: Script = {
    guests,
    tell: ({ id }, sid, action) => observer?.actions.asked(id, sid, action),
    isMoving: (sid) => observer?.view.moves.get(sid as VmId)?.value.answer.kind === "open",
  };
  const world = new World(planOf(scenario), {
    keepStory: false,
    random: steadyRandom(),
    checkers: watch,
    steps: () => held.steps(),
    boot: bootHost,
    around: {
      hypervisor: (host, life, inner) => new ScriptedHypervisor(host, life, inner, script),
      reading: (host, usual) => readingOf(scenario, host, usual),
      writesUsage: true,
    },
  });
  const watching = new Observer(world, scenario);
  observer = watching;
  const machines = new Machines(world, scenario, watching, held);
  const give = commandGiver(world, machines, new Usages(world, scenario), watching);
  world.memory.commit({ compares: [], writes: initialWrites(scenario) }, 0, () => {});
  machines.begin();
  for (const batch of scenario.commands)
    world.scheduler.at(batch.at * 1000, () => {
      for (const command of batch.commands) give(command);
    });
  return {
    goOn: () => world.step(world.plan.endAtMs),
    result: () => resultOf(scenario, world, watching, machines),
  };
}

/** As the source ends: at the first place for a batch that comes long enough after the last one that held anything. */
function endSeconds({ commands, timing }: HaScenario): number {
  const last = Math.max(
    timing.roundSeconds,
    ...commands.filter((batch) => batch.commands.length > 0).map(({ at }) => at),
  );
  const end = last + timing.endAfterLastCommandSeconds + timing.commandEveryRounds * timing.roundSeconds;
  return Math.min(end, secondsMax);
}

function planOf(scenario: HaScenario): WorldPlan {
  const { nodes } = scenario;
  const names = [...new Map(nodes.map((node) => [node.name, node]))];
  const never = Number.POSITIVE_INFINITY;
  return {
    schema: 1,
    seed: scenario.name,
    profile: "default",
    hosts: nodes.length,
    hostNames: inKeyOrder(new Map(names)).map(([name]) => name),
    witness: false,
    voters: nodes.length,
    hostMemoryMiB: noMemoryLimitMiB,
    devices: true,
    pools: [{ name: scenarioPool, kind: "shared-dir" }],
    vms: [],
    events: [],
    healAtMs: never,
    restByMs: never,
    endAtMs: endSeconds(scenario) * 1000,
    outside: [],
  };
}

function watch(world: World): Checker[] {
  return allCheckers.map(({ rule, make }) => ({ rule, ...make(world, (text) => world.fail(rule, text)) }));
}

function readingOf(scenario: HaScenario, host: SimHost, usual: HostReading): HostReading {
  const node = scenario.nodes.find(({ name }) => name === host.id);
  return {
    ...usual,
    cores: Math.max(1, Math.round(node?.maxCpu ?? usualNode.cores)),
    memoryMiB: Math.round((node?.maxMemBytes ?? usualNode.memBytes) / 2 ** 20),
  };
}

import { defaultPolicy } from "../../model/policy.ts";
import { allCheckers } from "../checkers/all.ts";
import type { Checker, StepChecks, Violation } from "../checkers/checker.ts";
import { shuffledSteps, stepChecks } from "../checkers/steps.ts";
import type { Heal } from "../faults/fault.ts";
import type { WorldPlan } from "../plan.ts";
import { bootHost } from "../world/boot.ts";
import { addGroup, addVm, createCluster } from "../world/create-cluster.ts";
import { World } from "../world/world.ts";
import { Chronicle, kindOfLoss, type TraceLine } from "./chronicle.ts";
import type { Decision } from "./decisions.ts";
import { findPhrase } from "./phrase-words.ts";
import { playPhrase } from "./phrases.ts";
import type { Scenario, StoryStep } from "./scenario.ts";
import { steadyRandom } from "./steady.ts";

/** When the VMs are created, and when the story's clock begins: by then everything has come to rest. */
const vmsAtMs = 8_000;
export const storyAtMs = 20_000;
const storeLeaderAtMs = 550;
/** Hosts boot one after the other, the manager's first: the first to claim the office gets it. */
const bootEveryMs = 100;

export type Played = {
  /** As a file expects it. */
  readonly trace: string;
  readonly decisions: readonly Decision[];
  readonly violations: readonly Violation[];
  /** What a story outside the guarantee loses; each kind of breach once. */
  readonly losses: readonly Violation[];
  /** What of the beginning is not as the cluster line says. */
  readonly problems: readonly string[];
};

/** Plays a story. With a seed the maps of every view and state are shuffled before each decision: nothing may change. */
export function playScenario(scenario: Scenario, shuffle?: string): Played {
  let chronicle: Chronicle | undefined;
  const world = new World(planOf(scenario), {
    keepStory: true,
    random: steadyRandom(),
    checkers: (made) => {
      chronicle = new Chronicle(made);
      return [...watch(made, chronicle), chronicle.checker()];
    },
    steps: (made): StepChecks => (shuffle === undefined ? stepChecks(made) : shuffledSteps(shuffle)),
    boot: bootHost,
  });
  const told = chronicle;
  if (told === undefined) throw new Error("Cannot play: the world asked for no checkers");
  begin(world, scenario);
  while (world.step(storyAtMs));
  const problems = whatIsNotAsTold(world, scenario);
  told.lines.length = 0;
  const steps = new Steps(world, told);
  for (const step of scenario.steps) world.scheduler.at(storyAtMs + step.atMs, () => steps.happens(scenario, step));
  const within = scenario.cluster.outside.length === 0;
  while ((!within || world.violations.length === 0) && world.step(storyAtMs + scenario.untilMs));
  const lines = told.lines.map(renderLine);
  return {
    trace: [...lines, `   end  ${told.ending()}`, ""].join("\n"),
    decisions: told.lines.flatMap((line) => (line.decision === undefined ? [] : [line.decision])),
    violations: within ? world.violations : [],
    losses: within ? [] : eachKindOnce(world.violations),
    problems,
  };
}

function renderLine({ atMs, who, what, rule }: TraceLine): string {
  const at = ((atMs - storyAtMs) / 1000).toFixed(1).padStart(6);
  return `${at}  ${who.padEnd(10)}  ${what.padEnd(60)}  ${rule}`.trimEnd();
}

/** A story within the guarantee ends with its first breach. */
function watch(world: World, chronicle: Chronicle): Checker[] {
  return allCheckers.map(({ rule, make }) => {
    const fail = (text: string): void => {
      world.fail(rule, text);
      if (world.plan.outside.length > 0) chronicle.tellLoss(rule, text);
    };
    return { rule, ...make(world, fail) };
  });
}

/** As long as it lasts a breach is found again with each look. */
function eachKindOnce(violations: readonly Violation[]): readonly Violation[] {
  const kinds = violations.map(({ rule, text }) => kindOfLoss(rule, text));
  return violations.filter((_, i) => kinds.indexOf(kinds[i] ?? "") === i);
}

function planOf({ name, cluster, untilMs }: Scenario): WorldPlan {
  const never = Number.POSITIVE_INFINITY;
  return {
    schema: 1,
    seed: name,
    profile: cluster.profile,
    hostProfiles: cluster.hostProfiles,
    hostCpus: cluster.hostCpus,
    accel: cluster.accel,
    hosts: cluster.hosts,
    witness: cluster.witness,
    voters: cluster.voters,
    hostMemoryMiB: cluster.memoryMiB,
    devices: cluster.devices,
    scheduler: {
      mode: cluster.scheduler,
      rebalanceOnStart: cluster.rebalanceOnStart,
      autoRebalance: { ...defaultPolicy.scheduler.autoRebalance, enabled: cluster.autoRebalance },
    },
    pools: cluster.pools,
    vms: [],
    groups: [],
    events: [],
    healAtMs: never,
    restByMs: never,
    endAtMs: storyAtMs + untilMs,
    outside: cluster.outside,
  };
}

function begin(world: World, { cluster }: Scenario): void {
  createCluster(world);
  const first = world.host(cluster.manager);
  const order = [first, ...world.hosts.filter((host) => host !== first)];
  order.forEach((host, i) => {
    world.scheduler.after(i * bootEveryMs, () => bootHost(world, host));
    // A machine that a device switched off stays off until somebody orders it on.
    const device = world.devices.get(host.id);
    if (device === undefined) return;
    const cut = (): void => world.cutPower(host, "device", Number.POSITIVE_INFINITY);
    world.devices.set(host.id, { ...device, power: { isOn: () => host.on, cut } });
  });
  // Before anybody asks: a client that finds no leader would use another host's member from then on.
  world.scheduler.at(storeLeaderAtMs, () => {
    world.members.leader = world.host(cluster.storeLeader).number;
  });
  world.scheduler.at(vmsAtMs, () => {
    for (const vm of cluster.vms) addVm(world, vm, vm.host);
    for (const group of cluster.groups) addGroup(world, group);
  });
}

function whatIsNotAsTold(world: World, { cluster }: Scenario): string[] {
  const problems: string[] = [];
  if (world.truth.term?.host !== cluster.manager)
    problems.push(`${world.truth.term?.host} manages, not ${cluster.manager}`);
  for (const vm of cluster.vms) {
    if (vm.requested !== "started") continue;
    const on = world.copiesOf(`vm:${vm.name}`).filter((copy) => copy.host.executes(copy));
    const [copy] = on;
    if (copy === undefined || (vm.host !== undefined && copy.host.id !== vm.host))
      problems.push(
        `${vm.name} runs on ${copy?.host.id ?? "no host"} when the story begins${vm.host === undefined ? "" : `, not on ${vm.host}`}`,
      );
  }
  return problems;
}

/** What happens, and what undoes it: at its end, by its own `heal`, or by a `heal` of everything. */
class Steps {
  readonly #world: World;
  readonly #chronicle: Chronicle;
  readonly #open = new Map<string, Heal>();

  constructor(world: World, chronicle: Chronicle) {
    this.#world = world;
    this.#chronicle = chronicle;
  }

  happens({ cluster }: Scenario, { words, forMs }: StoryStep): void {
    const text = words.join(" ");
    this.#chronicle.tellStep(text);
    if (words[0] === "heal") {
      const what = words.slice(1).join(" ");
      for (const [open, heal] of [...this.#open]) if (what === "" || open === what) this.#heal(open, heal);
      return;
    }
    const phrase = findPhrase(words, cluster);
    if (typeof phrase === "string") throw new Error(phrase);
    const heal = playPhrase(this.#world, phrase, forMs);
    this.#world.disturb(0);
    if (heal === undefined) return;
    this.#world.disturbed.open++;
    this.#open.set(text, heal);
    if (forMs === undefined) return;
    this.#world.scheduler.after(forMs, () => {
      if (this.#open.get(text) !== heal) return;
      this.#chronicle.tellStep(`over: ${text}`);
      this.#heal(text, heal);
    });
  }

  #heal(text: string, heal: Heal): void {
    this.#open.delete(text);
    this.#world.disturbed.open--;
    this.#world.disturb(0);
    heal();
  }
}

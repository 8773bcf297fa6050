import { compareText } from "../../base/order.ts";
import type { VmId } from "../../model/ids.ts";
import type { World } from "../world/world.ts";
import type { HaScenario } from "./format.ts";
import type { Machines } from "./machines.ts";
import type { Observer } from "./observer.ts";
import type { Action, FinalNode, FinalService, HaResult, Outcome, PathStep, ServiceTransition } from "./result.ts";

/** Rules whose breach means that a guest ran twice, or could have. */
const twice = ["S10", "S14", "S2", "S6"];

/** Everything that an observer has written down, with how it all ended. */
export function resultOf(scenario: HaScenario, world: World, observer: Observer, machines: Machines): HaResult {
  const services = finalServices(world, observer);
  const violations = world.violations.map(({ rule, text, atMs }) => ({ t: Math.round(atMs) / 1000, rule, text }));
  return {
    name: scenario.name,
    endTime: world.plan.endAtMs / 1000,
    aborted: null,
    serviceTransitions: observer.serviceTransitions,
    nodeTransitions: observer.nodeTransitions,
    fencing: observer.fencing,
    watchdogResets: observer.watchdogResets,
    daemonTransitions: observer.hardware,
    actions: observer.actions.all,
    decisions: observer.decisions,
    final: { services, nodes: finalNodes(world, observer, machines), manager: managerOf(world) },
    invariants: { neverTwoNodes: !violations.some(({ rule }) => twice.includes(rule)), violations },
    outcome: outcomeOf(services, observer),
  };
}

function finalServices(world: World, observer: Observer): Record<string, FinalService> {
  const services: Record<string, FinalService> = {};
  for (const [id, vm] of [...world.truth.vms].sort(([a], [b]) => compareText(a, b))) {
    const runningOn = world
      .copiesOf(id)
      .filter((copy) => copy.host.executes(copy))
      .map((copy) => copy.host.id);
    const place = world.truth.owners.get(id)?.host ?? null;
    if (observer.isRemoved(id)) {
      // Nobody manages it; where it is left running, that is said.
      if (runningOn.length > 0)
        services[id] = { requested: null, managed: false, state: null, node: null, configNode: null, runningOn };
      continue;
    }
    const shown = vm.requested === "ignored" ? undefined : observer.stateOf(id);
    services[id] = {
      requested: vm.requested,
      managed: shown !== undefined,
      state: shown?.state ?? null,
      node: shown?.node ?? null,
      configNode: place,
      runningOn,
    };
  }
  return services;
}

function finalNodes(world: World, observer: Observer, machines: Machines): Record<string, FinalNode> {
  const nodes: Record<string, FinalNode> = {};
  for (const { id, on } of world.hosts)
    nodes[id] = {
      managerView: observer.stateOfNode(id),
      power: on ? "on" : "off",
      network: machines.isOnNetwork(id) ? "on" : "off",
    };
  return nodes;
}

function managerOf(world: World): string | null {
  const host = world.truth.term?.host;
  return host !== undefined && world.daemons.has(host) && world.host(host).works ? host : null;
}

/** What remains of a run without its times. */
function outcomeOf(services: Readonly<Record<string, FinalService>>, observer: Observer): Outcome {
  const placement = Object.fromEntries(
    Object.entries(services).map(([sid, { state, node, runningOn }]) => [sid, { state, node, runningOn }]),
  );
  return {
    fencedNodes: namesOf(observer.fencing),
    watchdogResetNodes: namesOf(observer.watchdogResets),
    placement,
    servicePaths: pathsOf(observer.serviceTransitions, ({ sid, to, node, target }) => [
      sid,
      [to, node, target ?? null],
    ]),
    actionPaths: pathsOf(observer.actions.all.filter(endsSomething), ({ sid, action, node, target }) => [
      sid,
      [action, node, target ?? null],
    ]),
  };
}

function namesOf(entries: readonly { readonly node: string }[]): string[] {
  return [...new Set(entries.map(({ node }) => node))].sort(compareText);
}

function endsSomething({ action }: Action): boolean {
  return action.endsWith(".ok") || action.endsWith(".fail");
}

function pathsOf<T extends ServiceTransition | Action>(
  entries: readonly T[],
  step: (entry: T) => readonly [sid: VmId | string, step: PathStep],
): Record<string, PathStep[]> {
  const paths: Record<string, PathStep[]> = {};
  for (const entry of entries) {
    const [sid, next] = step(entry);
    const path = paths[sid] ?? [];
    paths[sid] = path;
    path.push(next);
  }
  return paths;
}

import { parseJson } from "../../model/json.ts";
import { type HaScenario, haScenarioSchema } from "./format.ts";

/** Where in the file something is wrong (`resources.0.node`), and what. */
export type Problem = { readonly path: string; readonly problem: string };

export type ParsedScenario =
  | { readonly kind: "scenario"; readonly scenario: HaScenario }
  | { readonly kind: "refused"; readonly problem: Problem };

/** More nodes than this are refused, as the source does: its rounds would get longer than its commands allow. */
const nodesMax = 29;
/** Where the source stops, whatever is still to come. A run costs time for each of its seconds. */
export const secondsMax = 10_000;

/** The scenario that a text of the format `ha-scenario/1` describes, or the first thing that is wrong with it. */
export function parseHaScenario(text: string): ParsedScenario {
  const json = parseJson(text);
  if (json === undefined) return refused("", "is not JSON");
  const parsed = haScenarioSchema.safeParse(json);
  const issue = parsed.error?.issues[0];
  if (issue !== undefined) {
    // An unknown field is named by its parent's issue.
    const path = issue.code === "unrecognized_keys" ? [...issue.path, issue.keys[0] ?? ""] : issue.path;
    return refused(path.join("."), issue.message);
  }
  const scenario = parsed.data as HaScenario;
  const problem = contradictionOf(scenario);
  return problem === undefined ? { kind: "scenario", scenario } : { kind: "refused", problem };
}

function refused(path: string, problem: string): ParsedScenario {
  return { kind: "refused", problem: { path: path === "" ? "the file" : path, problem } };
}

/** What each field alone cannot tell: names that nobody bears, names borne twice, time that runs backwards. */
function contradictionOf(scenario: HaScenario): Problem | undefined {
  return (
    tooManyNodes(scenario) ??
    duplicate(
      "nodes",
      "name",
      scenario.nodes.map(({ name }) => name),
    ) ??
    duplicate(
      "resources",
      "sid",
      scenario.resources.map(({ sid }) => sid),
    ) ??
    duplicate(
      "rules",
      "id",
      scenario.rules.map(({ id }) => id),
    ) ??
    duplicate(
      "groups",
      "id",
      scenario.groups.map(({ id }) => id),
    ) ??
    wrongResource(scenario) ??
    wrongRule(scenario) ??
    wrongInitialState(scenario) ??
    wrongCommand(scenario)
  );
}

function tooManyNodes({ nodes }: HaScenario): Problem | undefined {
  return nodes.length > nodesMax ? { path: "nodes", problem: `holds ${nodes.length}, at most ${nodesMax}` } : undefined;
}

function duplicate(list: string, field: string, names: readonly string[]): Problem | undefined {
  const at = names.findIndex((name, i) => names.indexOf(name) !== i);
  return at < 0 ? undefined : { path: `${list}.${at}.${field}`, problem: `${names[at]} is there twice` };
}

function wrongResource({ nodes, resources, groups }: HaScenario): Problem | undefined {
  for (const [i, { sid, type, node, group, behaviour }] of resources.entries()) {
    if (!isNode(nodes, node)) return unknown(`resources.${i}.node`, "node", node);
    if (group !== null && groups.length > 0 && !groups.some(({ id }) => id === group))
      return unknown(`resources.${i}.group`, "group", group);
    if (!sid.startsWith(`${type}:`)) return { path: `resources.${i}.type`, problem: `${type} is not that of ${sid}` };
    const only = behaviour?.onlyOnNode ?? null;
    if (only !== null && !isNode(nodes, only)) return unknown(`resources.${i}.behaviour.onlyOnNode`, "node", only);
  }
  return undefined;
}

function isNode(nodes: HaScenario["nodes"], wanted: string): boolean {
  return nodes.some(({ name }) => name === wanted);
}

/** Those that are there at the start, and those that a command adds. */
function sidsOf({ resources, commands }: HaScenario): ReadonlySet<string> {
  const added = commands.flatMap((batch) => batch.commands.filter(({ op }) => op === "add-resource"));
  return new Set([...resources, ...added].flatMap((one) => ("sid" in one ? [one.sid] : [])));
}

/** A rule for what is not there would hold for nothing, and nobody would notice. */
function wrongRule(scenario: HaScenario): Problem | undefined {
  const sids = sidsOf(scenario);
  for (const [i, rule] of scenario.rules.entries()) {
    const k = rule.resources.findIndex((sid) => !sids.has(sid));
    if (k >= 0) return unknown(`rules.${i}.resources.${k}`, "resource", rule.resources[k] ?? "");
  }
  const named = [
    ...scenario.rules.map((rule, i) => ({
      path: `rules.${i}`,
      nodes: rule.type === "node-affinity" ? rule.nodes : [],
    })),
    ...scenario.groups.map(({ nodes }, i) => ({ path: `groups.${i}`, nodes })),
  ];
  for (const { path, nodes } of named) {
    const k = nodes.findIndex(({ node }) => !isNode(scenario.nodes, node));
    if (k >= 0) return unknown(`${path}.nodes.${k}.node`, "node", nodes[k]?.node ?? "");
  }
  return undefined;
}

function wrongInitialState(scenario: HaScenario): Problem | undefined {
  const state = scenario.initialManagerState;
  if (state === null) return undefined;
  const path = "initialManagerState";
  const sids = sidsOf(scenario);
  const isHere = (node: string | null | undefined): boolean => node == null || isNode(scenario.nodes, node);
  if (!isHere(state.master)) return unknown(`${path}.master`, "node", state.master ?? "");
  for (const node of Object.keys(state.nodes)) if (!isHere(node)) return unknown(`${path}.nodes.${node}`, "node", node);
  for (const [sid, { node, target }] of Object.entries(state.services)) {
    if (!sids.has(sid)) return unknown(`${path}.services.${sid}`, "resource", sid);
    if (!isHere(node)) return unknown(`${path}.services.${sid}.node`, "node", node);
    if (!isHere(target)) return unknown(`${path}.services.${sid}.target`, "node", target ?? "");
  }
  return undefined;
}

function wrongCommand(scenario: HaScenario): Problem | undefined {
  const { nodes, commands } = scenario;
  const sids = sidsOf(scenario);
  let last = 0;
  for (const [i, batch] of commands.entries()) {
    const at = `commands.${i}.at`;
    if (batch.at < last) return { path: at, problem: `${batch.at} comes after ${last}` };
    if (batch.at > secondsMax)
      return { path: at, problem: `${batch.at} is later than ${secondsMax}, the end of every run` };
    last = batch.at;
    for (const [k, command] of batch.commands.entries()) {
      const fields = command as { readonly [name: string]: unknown };
      for (const field of ["node", "target", "viaNode"] as const) {
        const node = fields[field];
        if (typeof node === "string" && !isNode(nodes, node))
          return unknown(`commands.${i}.commands.${k}.${field}`, "node", node);
      }
      const sid = fields["sid"];
      if (typeof sid === "string" && !sids.has(sid)) return unknown(`commands.${i}.commands.${k}.sid`, "resource", sid);
    }
  }
  return undefined;
}

function unknown(path: string, kind: string, name: string): Problem {
  return { path, problem: `there is no ${kind} ${name}` };
}

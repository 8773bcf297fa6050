import { parseJson } from "../../model/json.ts";
import { type HaScenario, haScenarioSchema } from "./format.ts";

/** Where in the file something is wrong (`resources.0.node`), and what. */
export type Problem = { readonly path: string; readonly problem: string };

export type ParsedScenario =
  | { readonly kind: "scenario"; readonly scenario: HaScenario }
  | { readonly kind: "refused"; readonly problem: Problem };

/** More nodes than this are refused, as the source does: its rounds would get longer than its commands allow. */
const nodesMax = 29;

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
  for (const [i, { sid, type, node, group }] of resources.entries()) {
    if (!nodes.some(({ name }) => name === node)) return unknown(`resources.${i}.node`, "node", node);
    if (group !== null && groups.length > 0 && !groups.some(({ id }) => id === group))
      return unknown(`resources.${i}.group`, "group", group);
    if (!sid.startsWith(`${type}:`)) return { path: `resources.${i}.type`, problem: `${type} is not that of ${sid}` };
  }
  return undefined;
}

function wrongCommand({ nodes, commands }: HaScenario): Problem | undefined {
  let last = 0;
  for (const [i, batch] of commands.entries()) {
    if (batch.at < last) return { path: `commands.${i}.at`, problem: `${batch.at} comes after ${last}` };
    last = batch.at;
    for (const [k, command] of batch.commands.entries()) {
      for (const field of ["node", "target", "viaNode"] as const) {
        const node = field in command ? (command as { readonly [name: string]: unknown })[field] : undefined;
        if (typeof node === "string" && !nodes.some(({ name }) => name === node))
          return unknown(`commands.${i}.commands.${k}.${field}`, "node", node);
      }
    }
  }
  return undefined;
}

function unknown(path: string, kind: string, name: string): Problem {
  return { path, problem: `there is no ${kind} ${name}` };
}

import { readFileSync } from "node:fs";
import { setImmediate as others } from "node:timers/promises";
import { parseHaScenario } from "../sim/reference/parse.ts";
import { beginHaScenario } from "../sim/reference/play.ts";
import type { HaResult } from "../sim/reference/result.ts";
import { table } from "./text.ts";
import { fail } from "./trouble.ts";

/** After so many steps in a row signals have their turn: some tens of milliseconds. */
const stepsInARow = 2_000;

/** Reads a file of the format ha-scenario/1 and plays it. Refuses before anything is played; `stop` breaks it off. */
export async function simulateFile(file: string, stop: AbortSignal): Promise<HaResult> {
  const parsed = parseHaScenario(readText(file));
  if (parsed.kind === "refused") throw fail("scenario-file-broken", { file, ...parsed.problem }, 2);
  const run = beginHaScenario(parsed.scenario);
  for (let steps = 1; run.goOn(); steps++) {
    if (steps % stepsInARow === 0) await others();
    if (stop.aborted) throw fail("simulation-broken-off", { file }, 3);
  }
  return run.result();
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const cause = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw fail("scenario-file-unreadable", { file, cause }, 2);
  }
}

type Line = { readonly t: number; readonly who: string; readonly what: string };

/** The run as a timeline, and how it ended. */
export function tellResult(result: HaResult): string {
  const lines = linesOf(result)
    .map((line, order) => ({ ...line, order }))
    .sort((a, b) => a.t - b.t || a.order - b.order);
  const timeline = lines.map(({ t, who, what }) => [t.toFixed(1).padStart(7), who, what]);
  return [
    table(["seconds", "about", "what"], timeline),
    `\nAt the end, after ${result.endTime} s:\n`,
    table(
      ["service", "wanted", "state", "node", "runs on"],
      Object.entries(result.final.services).map(([sid, service]) => [
        sid,
        service.requested ?? "-",
        service.managed ? (service.state ?? "-") : "not managed",
        service.node ?? "-",
        service.runningOn.join(", ") || "-",
      ]),
    ),
    "\n",
    table(
      ["node", "seen as", "power", "network"],
      Object.entries(result.final.nodes).map(([node, { managerView, power, network }]) => [
        node === result.final.manager ? `${node} (manager)` : node,
        managerView,
        power,
        network,
      ]),
    ),
    ...result.invariants.violations.map(({ t, rule, text }) => `\nRule ${rule} broken at ${t} s: ${text}\n`),
  ].join("");
}

function linesOf(result: HaResult): Line[] {
  return [
    ...result.nodeTransitions.map(({ t, node, from, to }) => ({ t, who: node, what: `${from} -> ${to}` })),
    ...result.daemonTransitions.map(({ t, node, to, cause }) => ({ t, who: node, what: `${to} (${cause})` })),
    ...result.serviceTransitions.map(({ t, sid, from, to, node, target }) => ({
      t,
      who: sid,
      what: `${from ?? "(new)"} -> ${to ?? "(not managed)"} at ${node ?? "-"}${target === undefined ? "" : ` to ${target}`}`,
    })),
    ...result.actions.map(({ t, sid, node, action, target }) => ({
      t,
      who: sid,
      what: `  ${action} by ${node}${target === undefined ? "" : ` to ${target}`}`,
    })),
  ];
}

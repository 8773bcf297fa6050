import { z } from "zod";
import type { HaResult, Outcome, PathStep } from "./result.ts";

// What a run came to, held against what the file expects, at the levels that another implementation can be compared at.

const step = z.tuple([z.string().nullable(), z.string().nullable(), z.string().nullable()]);
const expectationSchema = z.looseObject({
  final: z.looseObject({
    services: z.record(
      z.string(),
      z.looseObject({
        managed: z.boolean(),
        state: z.string().nullable(),
        node: z.string().nullable(),
        runningOn: z.array(z.string()),
      }),
    ),
  }),
  invariants: z.looseObject({ neverTwoNodes: z.boolean() }),
  outcome: z.looseObject({
    fencedNodes: z.array(z.string()),
    servicePaths: z.record(z.string(), z.array(step)),
    actionPaths: z.record(z.string(), z.array(step)),
  }),
});
export type Expectation = z.infer<typeof expectationSchema>;

/** What a file expects of its run, or what is wrong with that part of the file. */
export function parseExpectation(expect: unknown): Expectation | string {
  const parsed = expectationSchema.safeParse(expect);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  return `expect.${issue?.path.join(".") ?? ""}: ${issue?.message ?? "unreadable"}`;
}

export const levels = ["safety", "outcome", "paths"] as const;
export type Level = (typeof levels)[number];
export type Difference = {
  readonly level: Level;
  /** What differs: a service, or `cluster`. */
  readonly subject: string;
  readonly wanted: string;
  readonly got: string;
};

export function compareRun(expected: Expectation, result: HaResult): Difference[] {
  return [...compareSafety(expected, result), ...compareOutcomes(expected, result), ...comparePaths(expected, result)];
}

/** Safety needs no expectation but one: nothing ran twice, and no rule was broken on the way. */
function compareSafety(expected: Expectation, { invariants }: HaResult): Difference[] {
  const broken = invariants.violations.map(({ t, rule, text }) => ({
    level: "safety" as const,
    subject: "cluster",
    wanted: "no rule broken",
    got: `${rule} at ${t} s: ${text}`,
  }));
  if (broken.length > 0 || invariants.neverTwoNodes === expected.invariants.neverTwoNodes) return broken;
  return [differs("safety", "cluster", "never two nodes", "two nodes")];
}

function compareOutcomes(expected: Expectation, { final, outcome }: HaResult): Difference[] {
  const wanted = expected.final.services;
  const services = namesIn(wanted, final.services).flatMap((sid) =>
    same("outcome", sid, placeOf(wanted[sid]), placeOf(final.services[sid])),
  );
  return [
    ...services,
    ...same(
      "outcome",
      "cluster",
      listed("fenced", expected.outcome.fencedNodes),
      listed("fenced", outcome.fencedNodes),
    ),
  ];
}

type Placed = {
  readonly managed: boolean;
  readonly state: string | null;
  readonly node: string | null;
  readonly runningOn: readonly string[];
};

function placeOf(service: Placed | undefined): string {
  if (service === undefined) return "not there";
  const { managed, state, node, runningOn } = service;
  const running = runningOn.length === 0 ? "runs nowhere" : `runs on ${runningOn.join(" and ")}`;
  return `${managed ? `${state} at ${node}` : "not managed"}, ${running}`;
}

function listed(what: string, nodes: readonly string[]): string {
  return `${what}: ${[...nodes].sort().join(" ") || "none"}`;
}

function comparePaths(expected: Expectation, { outcome }: HaResult): Difference[] {
  const wanted = expected.outcome;
  const services = namesIn(wanted.servicePaths, outcome.servicePaths).flatMap((sid) =>
    same("paths", sid, states(wanted, sid), states(outcome, sid)),
  );
  const actions = namesIn(wanted.actionPaths, outcome.actionPaths).flatMap((sid) =>
    same("paths", sid, actionsOf(wanted, sid), actionsOf(outcome, sid)),
  );
  return [...services, ...actions];
}

type Paths = Pick<Outcome, "servicePaths" | "actionPaths">;

function states({ servicePaths }: Paths, sid: string): string {
  return tellPath(comparableStates(servicePaths[sid] ?? []));
}

function actionsOf({ actionPaths }: Paths, sid: string): string {
  return tellPath(comparableActions(actionPaths[sid] ?? []));
}

const moves: readonly (string | null)[] = ["migrate", "relocate"];

/** Without requests, and without fence → move → fence of a host in maintenance that lost its power. */
export function comparableStates(path: readonly PathStep[]): PathStep[] {
  const plain = path.filter(([state]) => state === null || !state.startsWith("request_"));
  const kept: PathStep[] = [];
  for (const next of plain) {
    const [last, before] = [kept.at(-1), kept.at(-2)];
    if (next[0] === "fence" && moves.includes(last?.[0] ?? "") && before?.[0] === "fence") {
      kept.pop();
      continue;
    }
    const [state, node] = kept.at(-1) ?? [undefined, undefined];
    if (state !== next[0] || node !== next[1]) kept.push([next[0], next[1], null]);
  }
  return kept;
}

/** Without the start on the target directly after a move: a live move has none. */
export function comparableActions(path: readonly PathStep[]): PathStep[] {
  return path
    .filter(([action, node], i) => {
      const before = path[i - 1];
      return !(action === "start.ok" && before?.[0] === "move.ok" && before[2] === node);
    })
    .map(([action, node]) => [action, node, null]);
}

function tellPath(path: readonly PathStep[]): string {
  return path.map(([what, node]) => `${what ?? "gone"}@${node ?? "-"}`).join(" ");
}

function namesIn(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
}

function same(level: Level, subject: string, wanted: string, got: string): Difference[] {
  return wanted === got ? [] : [differs(level, subject, wanted, got)];
}

function differs(level: Level, subject: string, wanted: string, got: string): Difference {
  return { level, subject, wanted, got };
}

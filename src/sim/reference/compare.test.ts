import { describe, expect, test } from "vitest";
import { comparableActions, comparableStates, compareRun, parseExpectation } from "./compare.ts";
import type { HaResult, PathStep } from "./result.ts";

const at = (text: string): PathStep => {
  const [, what = "", node = "", target] = /^([\w.]+)@(\w+)(?:>(\w+))?$/u.exec(text) ?? [];
  return [what, node, target ?? null];
};
const path = (...steps: readonly string[]): PathStep[] => steps.map(at);

const result = {
  final: {
    services: {
      "vm:1": {
        requested: "started",
        managed: true,
        state: "started",
        node: "n2",
        configNode: "n2",
        runningOn: ["n2"],
      },
    },
    nodes: {},
    manager: "n2",
  },
  invariants: { neverTwoNodes: true, violations: [] },
  outcome: {
    fencedNodes: ["n1"],
    watchdogResetNodes: ["n1"],
    placement: {},
    servicePaths: { "vm:1": path("request_start@n1", "started@n1", "fence@n1", "recovery@n1", "started@n2") },
    actionPaths: { "vm:1": path("start.ok@n1", "start.ok@n2") },
  },
} as unknown as HaResult;

function differences(changed: object): string[] {
  const expected = parseExpectation({ ...result, ...changed });
  if (typeof expected === "string") throw new Error(expected);
  return compareRun(expected, result).map(({ level, subject, wanted }) => `${level} ${subject}: ${wanted}`);
}

describe("a run held against what a file expects", () => {
  test("the same has no difference", () => {
    expect(differences({})).toEqual([]);
  });

  test("another place, another set of fenced nodes and another path are told by level", () => {
    const elsewhere = { ...result.final.services["vm:1"], node: "n3", runningOn: ["n3"] };
    expect(differences({ final: { services: { "vm:1": elsewhere } } })).toEqual([
      "outcome vm:1: started at n3, runs on n3",
    ]);
    expect(differences({ outcome: { ...result.outcome, fencedNodes: [] } })).toEqual(["outcome cluster: fenced: none"]);
    const paths = { ...result.outcome, servicePaths: { "vm:1": path("started@n1") } };
    expect(differences({ outcome: paths })).toEqual(["paths vm:1: started@n1"]);
  });

  test("a service that only one side knows is a difference", () => {
    expect(differences({ final: { services: {} } })).toEqual(["outcome vm:1: not there"]);
  });

  test("a broken rule is one of safety, whatever the file expects", () => {
    const broken = { ...result, invariants: { neverTwoNodes: true, violations: [{ t: 1, rule: "S10", text: "two" }] } };
    const expected = parseExpectation(result);
    if (typeof expected === "string") throw new Error(expected);
    expect(compareRun(expected, broken)).toMatchObject([{ level: "safety", got: "S10 at 1 s: two" }]);
  });

  test("an expectation of another shape is refused", () => {
    expect(parseExpectation({ final: {} })).toContain("expect.final.services");
  });
});

describe("paths", () => {
  test("requests count as nothing, and what they parted is one step", () => {
    expect(comparableStates(path("stopped@n1", "request_start@n1", "started@n1"))).toEqual(
      path("stopped@n1", "started@n1"),
    );
    expect(comparableStates(path("stopped@n1", "request_stop@n1", "stopped@n1"))).toEqual(path("stopped@n1"));
  });

  test("fence, move, fence of a host in maintenance is one fence", () => {
    expect(comparableStates(path("fence@n1", "migrate@n1>n2", "fence@n1", "recovery@n1"))).toEqual(
      path("fence@n1", "recovery@n1"),
    );
  });

  test("a start on the target right after a move is part of it; one elsewhere is not", () => {
    expect(comparableActions(path("move.ok@n1>n2", "start.ok@n2"))).toEqual(path("move.ok@n1"));
    expect(comparableActions(path("move.ok@n1>n2", "start.ok@n3"))).toEqual(path("move.ok@n1", "start.ok@n3"));
  });
});

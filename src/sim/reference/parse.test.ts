import { describe, expect, test } from "vitest";
import { parseHaScenario } from "./parse.ts";

const small = {
  format: "ha-scenario/1",
  name: "small",
  timing: { roundSeconds: 20 },
  nodes: [
    { name: "node1", power: "off", network: "off" },
    { name: "node2", power: "off", network: "off" },
  ],
  resources: [{ sid: "vm:101", type: "vm", node: "node1", state: "started" }],
  options: { scheduler: { mode: "basic" } },
  commands: [{ at: 20, commands: [{ op: "power", node: "node1", to: "on" }] }],
};

function problemOf(changes: object): string {
  const parsed = parseHaScenario(JSON.stringify({ ...small, ...changes }));
  return parsed.kind === "refused" ? `${parsed.problem.path}: ${parsed.problem.problem}` : "accepted";
}

describe("a scenario file", () => {
  test("is read with the source's defaults", () => {
    const parsed = parseHaScenario(JSON.stringify(small));
    expect(parsed).toMatchObject({
      kind: "scenario",
      scenario: {
        options: { shutdownPolicy: "conditional", scheduler: { mode: "basic", rebalanceOnStart: false } },
        resources: [{ failback: true, maxRestart: 1, maxRelocate: 1, lock: null }],
        timing: { commandEveryRounds: 5, endAfterLastCommandSeconds: 500 },
      },
    });
  });

  const wrong: readonly (readonly [what: string, changes: object, problem: string])[] = [
    ["another format", { format: "ha-scenario/2" }, "format: "],
    ["a misspelt field", { resource: [] }, "resource: "],
    ["a misspelt field within", { resources: [{ ...small.resources[0], failbak: false }] }, "resources.0.failbak: "],
    ["a wrong type", { timing: { roundSeconds: "20" } }, "timing.roundSeconds: "],
    ["an unknown command", { commands: [{ at: 20, commands: [{ op: "explode" }] }] }, "commands.0.commands.0.op: "],
    [
      "a command with a field of another",
      { commands: [{ at: 20, commands: [{ op: "arm", node: "node1" }] }] },
      "commands.0.commands.0.node: ",
    ],
    [
      "a resource on a node that is not there",
      { resources: [{ ...small.resources[0], node: "node9" }] },
      "resources.0.node: there is no node node9",
    ],
    [
      "a command for a node that is not there",
      { commands: [{ at: 20, commands: [{ op: "power", node: "node9", to: "on" }] }] },
      "commands.0.commands.0.node: there is no node node9",
    ],
    ["the same resource twice", { resources: [small.resources[0], small.resources[0]] }, "resources.1.sid: vm:101 is"],
    ["a type that is not the id's", { resources: [{ ...small.resources[0], type: "ct" }] }, "resources.0.type: "],
    [
      "time that runs backwards",
      { commands: [...small.commands, { at: 10, commands: [] }] },
      "commands.1.at: 10 comes",
    ],
    [
      "a command for a resource that is not there",
      { commands: [{ at: 20, commands: [{ op: "migrate", sid: "vm:9", target: "node2" }] }] },
      "commands.0.commands.0.sid: there is no resource vm:9",
    ],
    [
      "a rule for a resource that is not there",
      { rules: [{ id: "r1", type: "resource-affinity", affinity: "negative", resources: ["vm:101", "vm:9"] }] },
      "rules.0.resources.1: there is no resource vm:9",
    ],
    [
      "a rule for a node that is not there",
      { rules: [{ id: "r1", type: "node-affinity", strict: true, nodes: [{ node: "node9" }], resources: ["vm:101"] }] },
      "rules.0.nodes.0.node: there is no node node9",
    ],
    [
      "a group of a node that is not there",
      { groups: [{ id: "g1", nodes: [{ node: "node1" }, { node: "node9" }] }] },
      "groups.0.nodes.1.node: there is no node node9",
    ],
    [
      "failures on a node that is not there",
      { resources: [{ ...small.resources[0], behaviour: { onlyOnNode: "node9" } }] },
      "resources.0.behaviour.onlyOnNode: there is no node node9",
    ],
    [
      "a state to begin with on a node that is not there",
      { initialManagerState: { services: { "vm:101": { state: "migrate", node: "node1", target: "node9" } } } },
      "initialManagerState.services.vm:101.target: there is no node node9",
    ],
    [
      "a state to begin with of a resource that is not there",
      { initialManagerState: { services: { "vm:9": { state: "started", node: "node1" } } } },
      "initialManagerState.services.vm:9: there is no resource vm:9",
    ],
    [
      "a time after the end of every run",
      { commands: [{ at: 10_001, commands: [] }] },
      "commands.0.at: 10001 is later",
    ],
    ["no node", { nodes: [], resources: [], commands: [] }, "nodes: "],
  ];
  for (const [what, changes, problem] of wrong)
    test(`with ${what} is refused, and the place is named`, () => {
      expect(problemOf(changes)).toContain(problem);
    });

  test("may name in commands and rules what a command adds", () => {
    const add = { op: "add-resource", sid: "vm:102", node: "node2" };
    const commands = [{ at: 20, commands: [add, { op: "set-state", sid: "vm:102", to: "stopped" }] }];
    const rules = [{ id: "r1", type: "resource-affinity", affinity: "negative", resources: ["vm:101", "vm:102"] }];
    expect(problemOf({ commands, rules })).toBe("accepted");
  });

  test("that is not JSON is refused", () => {
    expect(parseHaScenario("{")).toEqual({
      kind: "refused",
      problem: { path: "the file", problem: "is not JSON" },
    });
  });
});

import { describe, expect, test } from "vitest";
import { type Circumstances, type Shown, stepsBetween } from "./steps-between.ts";

const usual: Circumstances = { moveKind: "migrate", lost: false, rebalancesOnStart: false };

/** `state@node>target`, as the tests write a service. */
function shown(text: string): Shown {
  const [, state = "", node = "", target] = /^(\w+)@(\w+)(?:>(\w+))?$/u.exec(text) ?? [];
  return { state, node, target: target ?? null };
}

function steps(before: string | undefined, after: string, circumstances = usual): string[] {
  const from = before === undefined ? undefined : shown(before);
  return stepsBetween(from, shown(after), circumstances).map(
    ({ state, node, target }) => `${state}@${node}${target === null ? "" : `>${target}`}`,
  );
}

describe("between two looks", () => {
  test("nothing changed: no step", () => {
    expect(steps("started@n1", "started@n1")).toEqual([]);
    expect(steps("started@n1", "request_start@n1")).toEqual([]);
  });

  test("a new service was asked for before it is what it is", () => {
    expect(steps(undefined, "started@n1")).toEqual(["request_start@n1", "started@n1"]);
    expect(steps(undefined, "stopped@n1")).toEqual(["request_stop@n1", "stopped@n1"]);
    expect(steps(undefined, "error@n1")).toEqual(["error@n1"]);
  });

  test("a fence whose proof came with it is a fence and a recovery", () => {
    expect(steps("started@n1", "recovery@n1")).toEqual(["fence@n1", "recovery@n1"]);
    expect(steps("fence@n1", "started@n2")).toEqual(["recovery@n1", "started@n2"]);
    expect(steps("recovery@n1", "started@n2")).toEqual(["started@n2"]);
    expect(steps("started@n1", "started@n2", { ...usual, lost: true })).toEqual([
      "fence@n1",
      "recovery@n1",
      "started@n2",
    ]);
  });

  test("a place that changed without a run there is a move", () => {
    expect(steps("started@n1", "started@n2")).toEqual(["migrate@n1>n2", "started@n2"]);
    expect(steps("stopped@n1", "stopped@n2", { ...usual, moveKind: "relocate" })).toEqual([
      "relocate@n1>n2",
      "stopped@n2",
    ]);
    expect(steps("migrate@n1>n2", "started@n2")).toEqual(["started@n2"]);
  });

  test("before its first start it counts as started where it lay, or is balanced", () => {
    expect(steps("request_start@n1", "started@n2")).toEqual(["started@n1", "migrate@n1>n2", "started@n2"]);
    expect(steps("request_start@n1", "relocate@n1>n2")).toEqual(["started@n1", "relocate@n1>n2"]);
    expect(steps("request_start@n1", "started@n2", { ...usual, rebalancesOnStart: true })).toEqual([
      "request_start_balance@n1>n2",
      "started@n2",
    ]);
  });

  test("another aim is another move", () => {
    expect(steps("migrate@n1>n2", "migrate@n1>n3")).toEqual(["migrate@n1>n3"]);
  });
});

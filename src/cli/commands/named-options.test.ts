import { Command } from "@commander-js/extra-typings";
import { expect, test } from "vitest";
import { type pointsOf, withPoints } from "./group-points.ts";
import { type checksOf, withChecks } from "./point-checks.ts";

// The compiler takes the types of these options on trust: here they are held against the options themselves.

type All<T> = { readonly [K in keyof T]-?: NonNullable<T[K]> };

test("what a group's commands read of points is what they can be told, in names and values", () => {
  const line = ["--points-every", "15m", "--keep", "24x1h", "--consistency", "application", "--test-every", "1d"];
  const tests = ["--test-http", "/", "--test-http-address", "10.0.0.5/24", "--test-agent", "--test-screen"];
  const read = {
    pointsEvery: 900_000,
    keep: [{ everyMs: 3_600_000, count: 24 }],
    consistency: "application",
    testEvery: 86_400_000,
    testHttp: "/",
    testHttpAddress: "10.0.0.5/24",
    testAgent: true,
    testScreen: true,
  } as const satisfies All<Parameters<typeof pointsOf>[0]>;
  const command = withPoints(new Command());
  expect(namesOf(command)).toEqual(Object.keys(read).sort());
  expect(command.parse([...line, ...tests], { from: "user" }).opts()).toEqual(read);
});

test("what a test of a point reads of its checks is what it can be told, in names and values", () => {
  const line = ["--http", "/", "--http-port", "8080", "--http-address", "10.0.0.5/24", "--http-text", "Welcome"];
  const read = {
    ...{ http: "/", httpPort: 8_080, httpAddress: "10.0.0.5/24", httpText: "Welcome" },
    ...{ agent: true, screen: true },
  } as const satisfies All<Parameters<typeof checksOf>[0]>;
  const command = withChecks(new Command());
  expect(namesOf(command)).toEqual(Object.keys(read).sort());
  expect(command.parse([...line, "--agent", "--screen"], { from: "user" }).opts()).toEqual(read);
});

function namesOf(command: { readonly options: readonly { attributeName(): string }[] }): string[] {
  return command.options.map((option) => option.attributeName()).sort();
}

import { expect, test } from "vitest";
import { AssertionError, assert, must, unreachable } from "./assert.ts";

test("assert() passes what holds and throws what does not, with the message built only then", () => {
  let built = 0;
  const message = () => {
    built++;
    return "Cannot move v1: epoch 3 must be > 3";
  };
  assert(true, message);
  expect(built).toBe(0);
  expect(() => assert(false, message)).toThrow(new AssertionError("Cannot move v1: epoch 3 must be > 3"));
  expect(() => assert(false, "plain")).toThrow("plain");
});

test("must() returns every value but null and undefined", () => {
  for (const value of [0, "", false, Number.NaN, []]) expect(must(value, "is there")).toBe(value);
  expect(() => must(null, "no owner")).toThrow(AssertionError);
  expect(() => must(undefined, () => "no owner")).toThrow("no owner");
});

test("unreachable() names the value that came from outside", () => {
  expect(() => unreachable({ kind: "new" } as never)).toThrow('{"kind":"new"}');
});

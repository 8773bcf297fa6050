import { expect, test } from "vitest";
import { isSame } from "./same.ts";

test("the order of keys does not matter, the order of a list does", () => {
  expect(isSame({ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 })).toBe(true);
  expect(isSame([1, 2], [2, 1])).toBe(false);
});

test("a missing key is not an undefined one, and a list is no object", () => {
  expect(isSame({ a: 1 }, { a: 1, b: undefined })).toBe(false);
  expect(isSame([], {})).toBe(false);
  expect(isSame(null, {})).toBe(false);
  expect(isSame(1, "1")).toBe(false);
});

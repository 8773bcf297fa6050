import fc from "fast-check";
import { expect, test } from "vitest";
import { compareNatural, compareText, inKeyOrder, valuesInKeyOrder } from "./order.ts";

test("compareNatural() counts the numbers inside names", () => {
  const names = ["h10", "h2", "h1", "g3", "h", "h2a", "h02"];
  expect([...names].sort(compareNatural)).toEqual(["g3", "h", "h1", "h02", "h2", "h2a", "h10"]);
});

test("compareText() is code-unit order, on every machine", () => {
  expect(["ä", "z", "a", "Z", "10", "9"].sort(compareText)).toEqual(["10", "9", "Z", "a", "z", "ä"]);
});

const name = fc.stringMatching(/^[a-z0-9]{0,6}$/u);

for (const [title, compare] of Object.entries({ compareText, compareNatural }))
  test(`${title}() is a total order: antisymmetric, transitive, zero only for the same text`, () => {
    fc.assert(
      fc.property(name, name, name, (a, b, c) => {
        expect(Math.sign(compare(a, b))).toBe(-Math.sign(compare(b, a)) + 0);
        expect(compare(a, b) === 0).toBe(a === b);
        if (compare(a, b) <= 0 && compare(b, c) <= 0) expect(compare(a, c)).toBeLessThanOrEqual(0);
      }),
      { numRuns: 1000 },
    );
  });

test("inKeyOrder() and valuesInKeyOrder() do not depend on arrival order", () => {
  fc.assert(
    fc.property(fc.uniqueArray(name), fc.infiniteStream(fc.nat()), (keys, dice) => {
      const shuffled = [...keys].sort(() => ((dice.next().value ?? 0) % 2 === 0 ? -1 : 1));
      const sorted = [...keys].sort(compareText);
      const map = new Map(shuffled.map((key) => [key, `value of ${key}`]));
      expect(inKeyOrder(map).map(([key]) => key)).toEqual(sorted);
      expect(valuesInKeyOrder(map)).toEqual(sorted.map((key) => `value of ${key}`));
    }),
  );
});

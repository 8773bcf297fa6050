import fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "./random.ts";

const draws = (random: ReturnType<typeof seededRandom>, count: number) =>
  Array.from({ length: count }, () => random.below(0x1_0000_0000));

test("seededRandom() draws the same numbers from the same seed, others from another", () => {
  expect(draws(seededRandom("7"), 50)).toEqual(draws(seededRandom("7"), 50));
  expect(draws(seededRandom("7"), 50)).not.toEqual(draws(seededRandom("8"), 50));
});

test("seededRandom() keeps its numbers over versions: recorded seeds stay meaningful", () => {
  expect(draws(seededRandom("holdfast"), 3)).toMatchInlineSnapshot(`
    [
      3473667610,
      4114375433,
      3244231014,
    ]
  `);
});

test("for() gives each subject a stream of its own: one more draw elsewhere changes nothing", () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(20), (seed, extra) => {
      const plain = draws(seededRandom(seed).for("network"), 10);
      const root = seededRandom(seed);
      draws(root, extra);
      draws(root.for("disk"), extra);
      expect(draws(root.for("network"), 10)).toEqual(plain);
      expect(draws(root.for("disk"), 10)).not.toEqual(plain);
    }),
  );
});

test("below() and pick() stay inside and reach every value; chance() keeps to its share", () => {
  const random = seededRandom("spread");
  const seen = new Map<number, number>();
  for (let i = 0; i < 6000; i++) {
    const face = random.below(6);
    seen.set(face, (seen.get(face) ?? 0) + 1);
  }
  expect([...seen.keys()].sort()).toEqual([0, 1, 2, 3, 4, 5]);
  for (const count of seen.values()) expect(count).toBeGreaterThan(850);
  const heads = Array.from({ length: 6000 }, () => random.chance(0.25)).filter(Boolean).length;
  expect(heads).toBeGreaterThan(1350);
  expect(heads).toBeLessThan(1650);
  expect(Array.from({ length: 10 }, () => random.chance(0))).not.toContain(true);
  expect(Array.from({ length: 10 }, () => random.chance(1))).not.toContain(false);
  expect(["a", "b"]).toContain(random.pick(["a", "b"]));
  expect(() => random.pick([])).toThrow(RangeError);
});

test("hex() has the asked length", () => {
  expect(seededRandom("x").hex(32)).toMatch(/^[0-9a-f]{32}$/u);
  expect(seededRandom("x").hex(0)).toBe("");
});

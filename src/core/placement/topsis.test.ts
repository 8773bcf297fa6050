import { describe, expect, test } from "vitest";
import { floored, imbalanceOf, loadOf } from "./imbalance.ts";
import { criteriaOf, spreadOf, topsis, withMore } from "./topsis.ts";

describe("TOPSIS", () => {
  test("[PL4] two criteria by hand: norms 5 and 5, weights 1 and 3 of 4", () => {
    // Weighted: (0.15, 0.60) and (0.20, 0.45); best (0.15, 0.45), worst (0.20, 0.60).
    const [a, b] = topsis(
      [
        [3, 4],
        [4, 3],
      ],
      [1, 3],
    );
    expect(a).toBeCloseTo(0.05 / (0.15 + 0.05), 12);
    expect(b).toBeCloseTo(0.15 / (0.05 + 0.15), 12);
  });

  test("[PL4] one choice, or choices all alike, score 0; the best in everything 1, the worst 0", () => {
    expect(topsis([[1, 2]], [1, 1])).toEqual([0]);
    expect(topsis([[2], [2], [2]], [1])).toEqual([0, 0, 0]);
    expect(topsis([[1], [3], [2]], [7])).toEqual([1, 0, 0.5]);
    expect(topsis([], [1])).toEqual([]);
  });

  test("[PL4] the criteria of a state: one more than mean square root and peak, of cores and of memory", () => {
    const hosts = [
      { cpu: 0.3, memory: 0.6 },
      { cpu: 0.4, memory: 0.8 },
    ];
    const [evenCpu, peakCpu, evenMemory, peakMemory] = criteriaOf(spreadOf(hosts));
    expect(evenCpu).toBeCloseTo(1 + Math.sqrt(0.125), 12);
    expect(peakCpu).toBe(1.4);
    expect(evenMemory).toBeCloseTo(1 + Math.sqrt(0.5), 12);
    expect(peakMemory).toBe(1.8);
  });

  test("[PL4] one host more loaded, by the sums, is the state worked out anew", () => {
    const before = { cpu: 0.1, memory: 0.2 };
    const after = { cpu: 0.5, memory: 0.3 };
    const other = { cpu: 0.4, memory: 0.4 };
    const stepped = criteriaOf(withMore(spreadOf([before, other]), before, after));
    for (const [i, value] of criteriaOf(spreadOf([after, other])).entries()) expect(stepped[i]).toBeCloseTo(value, 12);
  });
});

describe("imbalance", () => {
  test("[PL5] deviation of all by mean, by hand", () => {
    // Mean 2, deviations 1 and 1: 1/2. One of three bears all: √2.
    expect(imbalanceOf([1, 3])).toBe(0.5);
    expect(imbalanceOf([0.6, 0, 0])).toBeCloseTo(Math.SQRT2, 12);
    expect(imbalanceOf([0.3, 0.3, 0.3])).toBe(0);
  });

  test("[PL5] nothing to compare is even", () => {
    expect(imbalanceOf([])).toBe(0);
    expect(imbalanceOf([5])).toBe(0);
    expect(imbalanceOf([0, 0])).toBe(0);
  });

  test("[PL5] a host's load is the mean of its parts; less than 15 decimals apart is a tie", () => {
    expect(loadOf({ cpu: 0.2, memory: 0.6 })).toBeCloseTo(0.4, 12);
    expect(floored(0.1 + 0.2)).toBe(floored(0.3));
    expect(floored(0.5)).toBe(0.5);
  });
});

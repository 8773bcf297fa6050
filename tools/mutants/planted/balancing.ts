import type { Mutant } from "../mutant.ts";

const near = ["rebalance"];
const rebalance = "src/core/placement/rebalance.ts";
const bundles = "src/core/placement/bundles.ts";

/** Bugs of whoever evens out the hosts. */
export const balancingMutants: readonly Mutant[] = [
  {
    id: "evens-out-at-once",
    rule: "PL5",
    what: "A move is looked for at the first look at which the hosts are uneven.",
    near,
    file: rebalance,
    find: "if (lastedMs < autoRebalance.holdMs)",
    replace: "if (lastedMs < 0)",
  },
  {
    id: "evens-out-for-any-gain",
    rule: "PL5",
    what: "A move is made that is not worth the margin.",
    near,
    file: rebalance,
    find: "(before - after) / before >= autoRebalance.margin",
    replace: "after < before",
  },
  {
    id: "evens-out-while-others-move",
    rule: "PL5",
    what: "A move is looked for while others are under way.",
    near,
    file: rebalance,
    find: "  if (isAnythingMoving(view, round)) return {",
    replace: "  if (isAnythingMoving(view, round) && view.orders.size > 0) return {",
  },
  {
    id: "evens-out-unasked",
    rule: "PL5",
    what: "Hosts are evened out wherever they are compared by their figures.",
    near: ["rule-add"],
    file: rebalance,
    find: '  if (!autoRebalance.enabled || figures.mode === "basic"',
    replace: '  if (figures.mode === "basic"',
    also: [
      {
        file: "src/core/decide-balance.ts",
        find: '  if (!autoRebalance.enabled || mode === "basic"',
        replace: '  if (mode === "basic"',
      },
    ],
  },
  {
    id: "target-not-reckoned-with",
    rule: "PL5",
    what: "What a move does to its target is left out of the reckoning.",
    near,
    file: "src/core/placement/changes.ts",
    find: "      const aim = fractionsOf(sumOf(bears(round, target), use, 1), target.facts);",
    replace: "      const aim = fractionsOf(bears(round, target), target.facts);",
  },
  {
    id: "evened-out-one-by-one",
    rule: "PL5",
    what: "A VM is moved without those that belong together with it.",
    near: [...near, "rule-add"],
    file: bundles,
    find: "    const members = [vm, ...partnersOf(round, vm)].sort((a, b) => compareText(a.id, b.id));",
    replace: "    const members = [vm, ...partnersOf(round, vm).slice(9)].sort((a, b) => compareText(a.id, b.id));",
  },
  {
    id: "evened-out-into-a-worse-class",
    rule: "PL5",
    what: "Where the rules prefer a host, the hosts are evened out all the same.",
    near: [...near, "rule-add"],
    file: bundles,
    find: "(slot) => slot !== bundle.source && classOf(slot) === best && fits(slot)",
    replace: "(slot) => slot !== bundle.source && classOf(slot) <= best && fits(slot)",
  },
  {
    id: "size-taken-for-use",
    rule: "PL5",
    what: "What has just come up counts by the size that it may have at most.",
    near,
    file: rebalance,
    find: "if (waited > 0 && waited <= limits.balanceWaits)",
    replace: "if (waited > 0 && waited < 0)",
  },
  {
    id: "use-before-it-was-seen-is-the-hosts",
    rule: "PL5",
    what: "What a VM used before it was first measured is taken for its host's own.",
    near,
    file: "src/agent/means.ts",
    find: "of steady.length > 0 ? steady : steps)",
    replace: "of steady.length > 99 ? steady : steps)",
  },
  {
    id: "worst-change-chosen",
    rule: "PL5",
    what: "Of the states that moves lead to, the one that scores worst is taken.",
    near,
    file: "src/core/placement/changes.ts",
    find: "    if (rounded <= bestScore) continue;",
    replace: "    if (best !== undefined && rounded >= bestScore) continue;",
    also: [
      {
        file: rebalance,
        find: "(before - after) / before >= autoRebalance.margin",
        replace: "after >= 0 || before < 0",
      },
    ],
  },
];

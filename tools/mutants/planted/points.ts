import type { Mutant } from "../mutant.ts";

/** Bugs of those who take recovery points, keep them, and say so. */
export const pointMutants: readonly Mutant[] = [
  {
    id: "resync-without-a-last-point",
    rule: "S20",
    what: "A copy is brought up to date before what it holds is kept: half way through it is of no use to anybody.",
    file: "src/agent/mirroring.ts",
    find: "    if (!isLastKept(building, mirror.run, here.to, doors)) return;\n",
    replace: "",
    also: [
      {
        file: "src/agent/mirroring.ts",
        find: "    if (!isLastKept(building, run, here.to, doors)) return;\n",
        replace: "    if (building.happened.now < 0 && !isLastKept(building, run, here.to, doors)) return;\n",
      },
    ],
  },
  {
    id: "last-point-gone-before-it-is-over",
    rule: "S20",
    what: "The last point before a resync goes as soon as it is there.",
    file: "src/core/points.ts",
    find: '  const isAgain = state === "in-sync" || state === "sealed";',
    replace: '  const isAgain = state !== "none";',
  },
  {
    id: "points-by-hand-thinned-out",
    rule: "S20",
    what: "What somebody asked for goes like any other point.",
    file: "src/core/points.ts",
    find: 'pinned: origin === "hand" ||',
    replace: 'pinned: origin === "cycle" ||',
  },
  {
    id: "record-of-a-point-taken-for-stale",
    rule: "S20",
    what: "A host removes the record of a point that was taken after it had looked which there are.",
    file: "src/core/points.ts",
    find: "!isHere && stored.revision <= asked)",
    replace: "!isHere && asked >= 0)",
  },
];

/** Found by the tests of what is decided of points. */
export const pointRuleMutants: readonly Mutant[] = [
  {
    id: "newest-point-goes-too",
    rule: "S20",
    what: "Where no rule keeps it the newest point goes as well.",
    file: "src/core/point-thinning.ts",
    find: "new Set(newestFirst.slice(0, 1)",
    replace: "new Set(newestFirst.slice(0, 0)",
  },
  {
    id: "schedule-counts-points-by-hand",
    rule: "S20",
    what: "A point that somebody asked for puts off the next one by schedule.",
    file: "src/core/points.ts",
    find: 'findLast(({ value }) => value.origin === "schedule");\n  return isPointDue',
    replace: 'findLast(({ value }) => value.origin !== "resync");\n  return isPointDue',
  },
  {
    id: "half-copied-kept-as-a-point",
    rule: "S20",
    what: "A copy that was never whole is kept as a point of use.",
    file: "src/core/points.ts",
    find: 'state?.kind === "stale" && state.whole ?',
    replace: 'state?.kind === "stale" ?',
  },
];

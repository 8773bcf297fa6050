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
  {
    id: "goes-back-in-word-only",
    rule: "S20",
    what: "A VM that is to go back to a point starts from what its disks hold.",
    file: "src/agent/receiving.ts",
    find: "before === undefined ? undefined : view.owners.get(vm)?.value.back;",
    replace: "before === undefined || before.epoch > 0 ? undefined : view.owners.get(vm)?.value.back;",
  },
  {
    id: "what-was-left-for-a-point-lacks-nothing",
    rule: "S18",
    what: "Its own host's disks, which the VM left for an earlier point, go like any old copy.",
    file: "src/core/replication-promotion.ts",
    find: 'mayHaveMore: use.kind === "lossy" || point !== undefined || isForced,',
    replace: 'mayHaveMore: use.kind === "lossy" || isForced,',
  },
  {
    id: "point-forgotten-at-the-next-start",
    rule: "S20",
    what: "A VM that could not be started at once from the point that somebody chose starts without it.",
    file: "src/core/ownership.ts",
    find: "return owner?.back === undefined || owner.host !== to ?",
    replace: 'return owner?.back === undefined || owner.kind === "released" || owner.host !== to ?',
  },
  {
    id: "points-of-before-it-was-received",
    rule: "S20",
    what: "What was seen while a host received nothing counts once it receives again: records of points that are there go.",
    near: ["switchover-in-trouble", "host-freeze"],
    file: "src/agent/note-replicas.ts",
    find: "const isNew = known.doors === null && doors !== null;",
    replace: "const isNew = known.doors === null && doors !== null && now < 0;",
  },
  {
    id: "order-for-a-lost-host-stops-what-is-back",
    rule: "S20",
    what: "A VM whose host was silent when somebody had it go back is stopped for that once its host is back with it.",
    file: "src/core/point-return.ts",
    find: 'order?.kind !== "promote" || order.stops !== true || order.point',
    replace: 'order?.kind !== "promote" || order.point',
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
    id: "awaited-point-thinned-out",
    rule: "S20",
    what: "A point that somebody ordered a start from goes by the rules of thinning.",
    file: "src/core/points.ts",
    find: "return unwanted.filter((id) => !isAwaited(view, vm, id));",
    replace: "return unwanted.filter((id) => !isAwaited(view, vm, id) || id !== undefined);",
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

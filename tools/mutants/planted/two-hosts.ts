import type { Mutant } from "../mutant.ts";

const file = "src/core/takeover.ts";
const shows = { layout: "two", near: ["takeover"] } as const;

/** Bugs of two hosts that vote, and of going on without the other one: found by seeds (those of `takeover.ts` by unit tests). */
export const twoHostMutants: readonly Mutant[] = [
  {
    id: "lost-host-fenced-before-its-vms-leap",
    rule: "S24",
    what: "Who goes on without the other host fences it first: its VMs may start with epochs that it used.",
    ...shows,
    file,
    find: '    say("cluster", { ...forced, open: true }),\n',
    replace:
      '    say("cluster", { ...forced, open: true }),\n    ...[...lost].flatMap(([host, proof]) => fenceOff(view, host, proof, takeover)),\n',
  },
  {
    id: "copies-left-behind-are-taken-along",
    rule: "S21",
    what: "Who goes on without the other host takes copies of its VMs for whole that the records call stale.",
    ...shows,
    file,
    find: "isInSync(view, vm, self) && isVouchedFor;",
    replace: "isVouchedFor;",
  },
  {
    id: "managers-decide-in-the-midst-of-a-takeover",
    rule: "S24",
    what: "A manager goes on while a takeover of its host is not written to its end.",
    ...shows,
    file: "src/manager/manager.ts",
    find: "if (happened.isHeld === true || isHalfTakenOver(happened.view)) {",
    replace: "if (happened.isHeld === undefined && isHalfTakenOver(happened.view)) {",
  },
  {
    id: "votes-again-as-the-life-that-was-fenced",
    rule: "S23",
    what: "A host joins the store that went on without it before it has registered there anew.",
    ...shows,
    file,
    find: `  if (incarnation === undefined || fenceOf(view, self, incarnation) !== undefined) return false;
  return heartbeatOf(view, self, incarnation) !== undefined;`,
    replace: "  return incarnation !== undefined;",
  },
  {
    id: "next-agent-knows-no-note",
    rule: "S23",
    what: "An agent brings the copy of a run up to date that an earlier one let go on alone by a note, as if it lacked nothing.",
    ...shows,
    file: "src/agent/mirroring.ts",
    find: 'mirror.told === "alone" || noteOf(building.state, mirror.run)?.isThere === true;',
    replace: 'mirror.told === "alone";',
  },
  {
    id: "copy-of-two-taken-without-its-hosts-word",
    rule: "S23",
    what: "A copy that its host may have gone on without, by a note of its own, is taken by itself once that host is fenced.",
    ...shows,
    file: "src/core/replication-usable.ts",
    find: "state.byHost === true && owner?.kind",
    replace: "state.byHost !== true && owner?.kind",
  },
  {
    id: "point-of-a-copy-that-was-left-by-a-note",
    rule: "S20",
    what: "A point is taken of a copy that the records call in sync, and that a guest went on without by a note of its host.",
    ...shows,
    file: "src/agent/point-taking.ts",
    find: 'mirror?.told === "alone" || noteOf(state, run) !== undefined;',
    replace: 'mirror?.told === "alone" && noteOf(state, run) !== undefined;',
  },
  {
    id: "half-written-takeover-waits-for-the-other-to-go",
    rule: "S24",
    what: "The rest of a takeover is not written while the other host is up, which votes only after that.",
    ...shows,
    file: "src/core/takeover-plan.ts",
    find: 'if (proof === "word" && isSameLife && address !== undefined)',
    replace: "if (isSameLife === isSameLife && proof.length > 0 && address !== undefined)",
  },
];

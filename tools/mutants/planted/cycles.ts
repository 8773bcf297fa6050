import type { Mutant } from "../mutant.ts";

/** Bugs of those who copy in cycles, and of the manager that goes on from what they sealed. */
export const cycleMutants: readonly Mutant[] = [
  {
    id: "cycles-over-a-copy-that-counts",
    rule: "S25",
    what: "A host begins to receive cycles where the records still promise that its copy has every write.",
    file: "src/agent/receiving.ts",
    find: "  const inCycles = isInCycles(view, vm, state.self, run.group);",
    replace: '  const inCycles = run.group.mode.kind === "asynchronous";',
  },
  {
    id: "cycles-taken-as-they-stand",
    rule: "S25",
    what: "A start from copies in cycles closes them as it does those of each write, and finds none sealed.",
    file: "src/agent/receiving.ts",
    find: 'building.effects.push({ kind: "cease", op, vm, before: volumes, ...',
    replace: 'building.effects.push({ kind: "cease", op, vm, before: null, ...',
  },
  {
    id: "any-loss-within-policy",
    rule: "S25",
    what: "A group that allows a loss at all allows any.",
    file: "src/core/replication-cycles.ts",
    find: "limitS === null ? null : limitS * 1_000);",
    replace: "limitS === null ? null : Number.MAX_SAFE_INTEGER);",
  },
  {
    id: "loss-without-an-order",
    rule: "S25",
    what: "A group that says nothing of a loss counts as one that allows a minute.",
    file: "src/core/replication-cycles.ts",
    find: "limitS === null ? null : limitS * 1_000);",
    replace: "(limitS ?? 60) * 1_000);",
  },
  {
    id: "lost-since-it-was-last-heard",
    rule: "S25",
    what: "A host counts as lost since its last heartbeat: what its guests wrote until their deadline is not counted.",
    file: "src/core/decide-fences.ts",
    find: "function stoodBy({ silentUntil }: Contact,",
    replace: "function stoodBy({ heardAt: silentUntil }: Contact,",
  },
  {
    id: "branch-of-a-loss-not-kept",
    rule: "S18",
    what: "What the lost host has and nobody else has is written over by the next cycles.",
    file: "src/core/replication-promotion.ts",
    find: '{ kind: "diverged", at, kept: mayHaveMore }',
    replace: '{ kind: "diverged", at, kept: false }',
  },
  {
    id: "sealed-of-another-time",
    rule: "S25",
    what: "What is recorded of a cycle is when it was heard of, not the moment that it holds.",
    file: "src/agent/note-cycles.ts",
    find: "sealed: end.cycle });",
    replace: "sealed: { ...end.cycle, at: (happened.wall + 5_000) as typeof end.cycle.at } });",
  },
];

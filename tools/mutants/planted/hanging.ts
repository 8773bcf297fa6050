import type { Mutant } from "../mutant.ts";

/** Bugs towards processes that are there and answer nobody: a QEMU whose main loop stands still, a relay that hangs. */
export const hangingMutants: readonly Mutant[] = [
  {
    id: "run-that-says-nothing-taken-for-gone",
    rule: "S14",
    what: "An agent takes a run whose QEMU does not answer for one that has ended, and its VM is started anew.",
    file: "src/agent/note.ts",
    find: "    listed.add(key);\n    const known = state.locals.get(key);\n",
    replace:
      '    if (seen === "unresponsive") continue;\n    listed.add(key);\n    const known = state.locals.get(key);\n',
    near: ["qemu-hangs"],
  },
  {
    id: "silent-guest-taken-for-let-go-on",
    rule: "S15",
    what: "An agent takes a guest whose QEMU did not answer that its move is off for one that goes on: it stands for good.",
    file: "src/agent/note-moves.ts",
    find: '  if (end.kind === "unknown") {\n    const stage',
    replace:
      '  if (end.kind === "unknown" && op.kind === "cancel-out") return withLocal(state, fresh(local.run, "running", wall));\n' +
      '  if (end.kind === "unknown") {\n    const stage',
    near: ["qemu-hangs", "move-in-trouble"],
  },
];

import type { Mutant } from "../mutant.ts";

/** Bugs of what executes on a host. */
export const agentMutants: readonly Mutant[] = [
  {
    id: "released-before-the-cgroup-is-empty",
    rule: "S6",
    what: "A stop or kill whose outcome is unknown counts as done: the VM is given up while its process lives.",
    near: ["qemu-does-not-die", "operator-stop"],
    file: "src/agent/note.ts",
    find: 'if (end.kind === "unknown") return needList(withLocal(next, unclear(local, op)));',
    replace:
      'if (end.kind === "unknown") return op.kind === "kill" || op.kind === "stop" ? noteDone(next, op, local, wall) : needList(next);',
  },
  {
    id: "started-again-after-an-agent-restart",
    rule: "S14",
    what: "A new agent starts what its records say with the epoch that may have run already.",
    near: ["agent-kill", "kill-after-commit"],
    file: "src/agent/reconcile.ts",
    find: "const isNew = hasNotRun && owner.revision > building.state.syncedRevision;",
    replace: "const isNew = hasNotRun;",
  },
  {
    id: "acts-before-it-has-looked",
    rule: "S14",
    what: "An agent decides on what should run before it has listed what does.",
    near: ["agent-kill", "start-slow"],
    file: "src/agent/agent.ts",
    find: "if (building.state.synced && !building.state.listing.needed && building.state.listing.asked?.needed !== true) {",
    replace: "if (building.state.synced) {",
  },
  {
    id: "killed-by-thawing-first",
    rule: "S6",
    what: "Old frozen copies are woken so that they hear the signal (planted in the simulated driver).",
    file: "src/sim/world/driver.ts",
    find: '    if (copy !== undefined) this.#qemus.kill(copy, "killed", "driver");\n',
    replace: `    const folder = this.#host.tree.folders.get(run.incarnation);
    if (folder !== undefined) folder.frozen = false;
    if (copy !== undefined) this.#qemus.kill(copy, "killed", "driver");
`,
  },
  {
    id: "exit-believed-without-a-look",
    rule: "S6",
    what: "A run that is said to have ended is given up without killing and verifying its cgroup.",
    file: "src/agent/reconcile.ts",
    find: "    if (local.exit === null) building.state = needList(building.state);\n    else kill(building, local);",
    replace:
      '    building.state = withLocal(building.state, { ...local, phase: "gone", exit: local.exit ?? "killed" });',
  },
  {
    id: "stop-taken-back-counts-as-a-failure",
    rule: "S14",
    what: "A VM that was stopped by order and is wanted again before that was on record counts as one that failed.",
    file: "src/agent/reconcile.ts",
    find: "else if (local.exit === null) release(building, id, owner, null, vm);",
    replace: 'else if (local.exit === null) release(building, id, owner, "killed", vm);',
  },
];

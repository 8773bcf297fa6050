import type { Mutant } from "../mutant.ts";

const file = "src/sim/guard.ts";

/** Bugs of the guard, planted in its simulated twin; `c-guard.ts` plants some of them in the real one. */
export const guardMutants: readonly Mutant[] = [
  {
    id: "deadline-from-the-answer",
    rule: "S3",
    what: "The deadline is counted from the answer to a heartbeat, not from its stamp.",
    near: ["slow-link", "cut"],
    file,
    find: "const until = later(at, deadlineMs);",
    replace: "const until = later(clock.now(), deadlineMs);",
  },
  {
    id: "thaw-on-a-late-answer",
    rule: "S2",
    what: "An answer whose deadline has passed thaws.",
    near: ["stop-at-heartbeat"],
    file,
    find: `    if (this.#hasPassed(until)) {
      this.#say({ kind: "late", stamp });
      return;
    }
`,
    replace: "",
  },
  {
    id: "thaw-on-a-read",
    rule: "S2",
    what: "A heart that has read its registration and tells its incarnation again thaws, without a heartbeat.",
    near: ["guard-kill", "heart-kill", "network-outage", "store-unavailable"],
    file,
    find: '    memory.ready = true;\n    this.#say({ kind: "incarnation", incarnation, ok: true, cause: "", leftovers });',
    replace:
      '    memory.ready = true;\n    if (memory.deadline !== null) this.#options.tree.frozenLevels.delete(this.#options.name);\n    this.#say({ kind: "incarnation", incarnation, ok: true, cause: "", leftovers });',
  },
  {
    id: "others-not-frozen-before-a-thaw",
    rule: "S6",
    what: "A guard counts the folders of other incarnations and does not freeze them by their own switch.",
    file,
    find: "      folder.frozen = true;\n",
    replace: "",
  },
  {
    id: "guard-counts-on-the-wall-clock",
    rule: "S3",
    what: "Stamps and deadlines are taken from the clock that people and time daemons set.",
    near: ["wall-jump"],
    file,
    find: "memory.stamps.set(stamp, this.#options.clock.now());",
    replace: "memory.stamps.set(stamp, this.#options.clock.wall() as never);",
    also: [
      {
        file,
        find: "return at === null || this.#options.clock.now() >= at;",
        replace: "return at === null || this.#options.clock.wall() >= at;",
      },
      {
        file,
        find: "later(memory.deadline, this.#options.freezeMs())",
        replace:
          "later(this.#options.clock.now(), memory.deadline - this.#options.clock.wall() + this.#options.freezeMs())",
      },
    ],
  },
  {
    id: "stamps-kept-over-a-reconnect",
    rule: "S3",
    what: "A guard keeps the stamps of the heart before: those of the new one, which counts anew, are not taken.",
    near: ["heart-kill"],
    file,
    find: "    forgetStamps(memory); // a new heart counts its stamps anew\n",
    replace: "",
  },
  {
    id: "deadline-looked-at-once-a-second",
    rule: "S2",
    what: "A guard freezes up to a second after its deadline.",
    file,
    find: "later(memory.deadline, this.#options.freezeMs())",
    replace: "later(memory.deadline, 1_000 - (memory.deadline % 1_000) + this.#options.freezeMs())",
  },
  {
    id: "order-to-freeze-taken-for-the-deed",
    rule: "S5",
    what: "A guard says that its VMs stand still as soon as it has ordered it, and nobody looks whether they do.",
    near: ["freeze-sticks"],
    file,
    find: "      this.#awaitFreeze(due);\n",
    replace: "      this.#sayFrozen(due, true);\n",
  },
  {
    id: "freeze-that-fails-is-only-told",
    rule: "S5",
    what: "VMs that do not stand still in time are told to the heart, and run on.",
    near: ["freeze-sticks"],
    file,
    find: "      tree.frozenLevels.add(name);\n      if (!verified) killAll();\n",
    replace: "      if (verified) tree.frozenLevels.add(name);\n",
  },
];

import type { Mutant } from "../mutant.ts";

/** Bugs around relays that hang, or are lost while no agent is there: found by the relay's contract suite with real QEMUs. */
export const lostRelayMutants: readonly Mutant[] = [
  {
    id: "relay-that-says-nothing-waited-for",
    rule: "S16",
    what: "A relay that takes its driver's connection and says nothing is waited for without end.",
    file: "src/adapters/qemu/replica-relay.ts",
    find: "setTimeout(() => socket.destroy(), limits.connectMs)",
    replace: "setTimeout(() => undefined, limits.connectMs)",
  },
  {
    id: "nobody-asks-whether-a-relay-hangs",
    rule: "S16",
    what: "A relay that hangs in the midst of its work is noticed by nobody: it tells nobody that a write waits.",
    file: "src/adapters/qemu/replica-relay.ts",
    find: "      await this.replace();\n",
    replace: "",
  },
  {
    id: "only-a-relay-that-was-heard-is-ended",
    rule: "S16",
    what: "A relay that hangs is ended only by an agent that heard it before: after a restart nobody does.",
    file: "src/adapters/qemu/replica-relay-process.ts",
    find: "const found = known.length > 0 ? known : processesOf(",
    replace: "const found = heard === undefined ? [] : known.length > 0 ? known : processesOf(",
  },
  {
    id: "relay-that-nobody-noted-stays",
    rule: "S16",
    what: "A relay that hangs stays where an earlier version, which notes no process, has started it.",
    file: "src/adapters/qemu/replica-relay-process.ts",
    find: "const found = known.length > 0 ? known : processesOf(",
    replace: "const found = known.length >= 0 ? known : processesOf(",
  },
  {
    id: "cycles-relay-not-taken-up",
    rule: "S25",
    what: "An agent opens the relay of cycles that an earlier one left only once QEMU, which waits for that relay, answers.",
    file: "src/adapters/qemu/replica-cycle-source.ts",
    find: "    cycled.keeper.takeUp();\n",
    replace: "",
  },
  {
    id: "broken-off-before-qemu-is-back",
    rule: "S25",
    what: "The job of a broken cycle is broken off while the guest's writes wait in it for the next relay: they fail.",
    file: "src/adapters/qemu/replica-cycle-jobs.ts",
    find: "tookMs > limits.backMs || isServed(",
    replace: "tookMs >= 0 || isServed(",
  },
];

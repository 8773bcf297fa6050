import type { Mutant } from "../mutant.ts";

/** Bugs of the heart: who beats, as whom, and what it hands to the guards. */
export const heartMutants: readonly Mutant[] = [
  {
    id: "unknown-counts-as-committed",
    rule: "S2",
    what: "A heartbeat whose outcome is unknown gives the guards a new deadline.",
    near: ["answers-lost", "cut"],
    file: "src/heart/beating.ts",
    find: '  switch (end.kind) {\n    case "committed":\n      return {',
    replace: '  switch (end.kind) {\n    case "unknown":\n    case "committed":\n      return {',
    also: [
      {
        file: "src/heart/beating.ts",
        find: `    case "unknown":
      // It may have happened: then the guards' deadline is merely earlier than it could be (S2).
      return { state: { ...state, phase: rest }, effects: [] };
`,
        replace: "",
      },
    ],
  },
  {
    id: "heartbeat-without-the-fence-compare",
    rule: "S1",
    what: "A heartbeat does not compare that nobody fenced its incarnation.",
    near: ["stale-watch", "one-way-cut-in", "heart-stop"],
    file: "src/heart/beating.ts",
    find: "return transaction(stillIn(host, phase.registration), [put(key, heartbeat)]);",
    replace: "return transaction(stillIn(host, phase.registration).slice(0, 1), [put(key, heartbeat)]);",
  },
  {
    id: "heartbeat-without-the-nonce",
    rule: "S1",
    what: "A heart takes a registration of its own number for its own, whoever made it: the nonce is not compared.",
    near: ["twin-registers"],
    file: "src/heart/looking.ts",
    find: "state.own?.incarnation === registration.incarnation && state.own.nonce === registration.nonce",
    replace: "state.own?.incarnation === registration.incarnation",
    also: [
      {
        file: "src/heart/beating.ts",
        find: "state.own?.incarnation === incarnation && state.own.nonce === nonce",
        replace: "state.own?.incarnation === incarnation",
      },
    ],
  },
  {
    id: "one-guard-is-enough",
    rule: "S4",
    what: "A heartbeat is sent as soon as one of the two guards has stamped it.",
    near: ["guard-stop"],
    file: "src/heart/beating.ts",
    find: "if (stamping !== null && guardNames.every((name) => stamping.by[name])) {",
    replace: "if (stamping !== null && guardNames.some((name) => stamping.by[name])) {",
  },
  {
    id: "smaller-deadline-stated",
    rule: "S7",
    what: "A heartbeat states the smaller D of its two guards.",
    near: ["deadline-changes"],
    file: "src/heart/beating.ts",
    find: 'deadlineMs: Math.max(...guardNames.map((name) => enforced(guards[name], "deadlineMs"))),',
    replace: 'deadlineMs: Math.min(...guardNames.map((name) => enforced(guards[name], "deadlineMs"))),',
  },
  {
    id: "rejoin-without-waiting-for-silence",
    rule: "S1",
    what: "A boot ends the incarnation before it at once, without D+M of its silence.",
    near: ["quick-reboot"],
    file: "src/heart/looking.ts",
    find: 'if (at >= dueAt) return register(next, found, { kind: "silent", silence }, at);',
    replace: 'if (at < dueAt + 1e9) return register(next, found, { kind: "silent", silence }, at);',
    also: [{ file: "src/heart/registering.ts", find: "    made.waitedMs >= waitMs,\n", replace: "    waitMs > 0,\n" }],
  },
  {
    id: "last-word-although-leftovers",
    rule: "S9",
    what: "A host that rejoins gives its last word although frozen copies of the old incarnation are left.",
    near: ["cut", "heart-stop", "device-unreachable"],
    file: "src/heart/registering.ts",
    find: "const empty = leftovers(state.guards, candidate.incarnation) === 0;",
    replace: "const empty = leftovers(state.guards, candidate.incarnation) >= 0;",
  },
  {
    id: "rejoin-before-the-guards",
    rule: "S6",
    what: "A new incarnation is registered before both guards hold the folders of the old one.",
    file: "src/heart/registering.ts",
    find: "  if (!bothReady(asked.state.guards, phase.candidate.incarnation)) return asked;\n",
    replace: "",
    also: [
      {
        file: "src/heart/guards.ts",
        find: 'import { must } from "../base/assert.ts";\n',
        replace: "const must = (count: number | undefined, _why: unknown): number => count ?? 0;\n",
      },
    ],
  },
  {
    id: "incarnation-used-again",
    rule: "S1",
    what: "A fenced host registers anew under the number that was fenced.",
    file: "src/heart/registering.ts",
    find: "Math.max(found?.value.incarnation ?? past, knownIncarnation(guards)) + 1)",
    replace: "Math.max(found?.value.incarnation ?? 1, knownIncarnation(guards), 1))",
  },
  {
    id: "heart-restart-loses-the-incarnation",
    rule: "S1",
    what: "A restarted heart does not take up its own registration: it waits until its VMs freeze and begins anew.",
    near: ["heart-kill"],
    file: "src/heart/looking.ts",
    find: "  if (isOwn(state, found.value) && found.value.incarnation !== state.fenced) return startBeating(state, found, at);\n",
    replace:
      "  if (isOwn(state, found.value) && state.candidate !== null && found.value.incarnation !== state.fenced) return startBeating(state, found, at);\n",
  },
  {
    id: "heartbeats-pile-up",
    rule: "S22",
    what: "A heart that gets no answer sends on without bound and buries a slow store.",
    near: ["answers-lost", "store-unavailable"],
    file: "src/heart/beating.ts",
    find: " || phase.inFlight.length >= limits.heartbeatsInFlightMax) return asked;",
    replace: ") return asked;",
    also: [
      {
        file: "src/heart/beating.ts",
        find: "phase.unheard ? askStore(next, phase, at) : askStamps(next, phase, at)",
        replace: "askStamps(next, phase, at)",
      },
    ],
  },
  {
    id: "full-store-asked-at-once",
    rule: "S22",
    what: "A registration that a full store refuses is asked for again as fast as it is refused.",
    near: ["store-full", "power-loss"],
    file: "src/heart/registering.ts",
    find: 'end.kind === "unknown" && at < againAt',
    replace: 'end.kind === "unknown" && at < askedAt',
  },
];

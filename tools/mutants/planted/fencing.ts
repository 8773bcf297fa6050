import type { Mutant } from "../mutant.ts";

/** Bugs of proofs and power. */
export const fencingMutants: readonly Mutant[] = [
  {
    id: "power-off-before-the-record",
    rule: "S9",
    what: "The power of a silent host is cut in the same breath in which the record is sent.",
    file: "src/manager/manager.ts",
    find: '    building.commit(decision.subject, "decision", decision.transaction, decision.events, decision);\n',
    replace: `    building.commit(decision.subject, "decision", decision.transaction, decision.events, decision);
    const [told] = decision.events;
    const target = told?.type === "host-fenced" && told.params["device"] === true ? told.subjects.host : undefined;
    const device = target === undefined ? undefined : happened.view.devices.get(target)?.value;
    if (device !== undefined) building.effects.push({ kind: "power-off", key: \`\${target}/0\`, device });
`,
  },
  {
    id: "order-is-proof-at-once",
    rule: "S9",
    what: "A fence by order counts as waited for at once, not D+M after the receipt of its record.",
    near: ["agent-gone-at-placement"],
    file: "src/core/decide-proofs.ts",
    find: "return seenAt + waitMs;",
    replace: "return seenAt + 0 * waitMs;",
  },
  {
    id: "power-at-stake-for-ever",
    rule: "S9",
    what: "That a host came back is said of its fence only while a VM waits for it: one whose own word freed them takes none again.",
    near: ["device-unreachable", "power-loss"],
    file: "src/core/decide-proofs.ts",
    find: "!livesOnAfter(view, host, incarnation)) continue;",
    replace:
      "!livesOnAfter(view, host, incarnation) || !lostOwners(view).some((lost) => lost.host === host && lost.incarnation === incarnation)) continue;",
  },
  {
    id: "order-whatever-was-heard-since",
    rule: "S13",
    what: "A fence by order is not guarded by the heartbeat that it rests on: it comes true although the agent is back.",
    near: ["agent-stop", "slow-link"],
    file: "src/core/fencing.ts",
    find: '(order.cause === "silence" || order.cause === "order") &&',
    replace: 'order.cause === "silence" &&',
  },
  {
    id: "agent-unheard-counted-from-the-boot",
    rule: "S13",
    what: "A heart that was restarted and has not heard the agent yet makes it gone for as long as the host is up.",
    near: ["heart-kill", "operator-moves"],
    file: "src/core/contact.ts",
    find: "agentAgeMs === null ? (before?.agentLivedAt ?? now)",
    replace: "agentAgeMs === null ? (before?.since ?? now)",
  },
  {
    id: "returned-agent-heard-against-its-host",
    rule: "S13",
    what: "What an agent that is back writes of its VMs counts as what stood so while it was gone.",
    near: ["agent-stop", "operator-moves"],
    file: "src/core/decide-fences.ts",
    find: "every((record) => (record?.revision ?? 0) < beat)",
    replace: "every((record) => (record?.revision ?? 0) < beat + 1_000_000)",
  },
  {
    id: "record-without-proof-is-enough",
    rule: "S10",
    what: "A fence record alone lets a VM start, whatever is proven in it.",
    file: "src/core/fencing.ts",
    find: "const by = record.value.proofs.find((proof) => accepted.includes(proof));",
    replace: 'const by = record.value.proofs.find((proof) => accepted.includes(proof)) ?? ("waited" as const);',
  },
  {
    id: "silence-accepted-for-a-shared-folder",
    rule: "S10",
    what: "Silence is taken as proof for a shared folder, where a frozen writer still holds its file.",
    file: "src/core/fencing.ts",
    find: '  "shared-dir": ["power-off", "last-word", "word"],',
    replace: '  "shared-dir": ["silence", "power-off", "last-word", "word"],',
  },
  {
    id: "rejoin-counts-as-last-word",
    rule: "S10",
    what: "A host seen in a later incarnation counts as proof that nothing of the old one is left, on any pool.",
    near: ["device-unreachable", "device-ignores"],
    file: "src/core/fencing.ts",
    find: "  if (by === undefined) return undefined;\n  return { host, incarnation, by, record } as FenceProof;",
    replace:
      '  if (by === undefined && (view.hosts.get(host)?.value.incarnation ?? 0) <= incarnation) return undefined;\n  return { host, incarnation, by: by ?? "last-word", record } as FenceProof;',
  },
  {
    id: "unknown-power-counts-as-off",
    rule: "S9",
    what: "A device whose answer is unknown counts as one that said off.",
    near: ["device-unreachable", "device-slow"],
    file: "src/runtime/daemon.ts",
    find: 'off: end.kind === "off", cause',
    replace: 'off: end.kind !== "refused", cause',
  },
  {
    id: "off-without-a-separate-status",
    rule: "S9",
    what: "A fence device's yes to the command counts; its status is not asked (planted in the simulated adapter).",
    near: ["device-ignores"],
    file: "src/sim/fencing.ts",
    find: '        ask(device, callLimitMs - delayMs, (status) => {\n          if (status.kind === "on")',
    replace:
      '        ask(device, callLimitMs - delayMs, (said) => {\n          const status = said.kind === "on" ? { kind: "off" as const } : said;\n          if (said.kind === "off" && status.kind !== "off")',
  },
  {
    id: "fence-forgotten-while-it-owns",
    rule: "S1",
    what: "The fence of an earlier life is removed although a VM's owner record still names that life.",
    near: ["power-loss", "quick-reboot"],
    file: "src/core/decide-past-lives.ts",
    find: "  return !isOwner(view, host, incarnation);\n",
    replace: "  return !isOwner(view, host, (incarnation + 1_000) as typeof incarnation);\n",
  },
];

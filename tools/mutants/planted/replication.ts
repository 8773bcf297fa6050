import type { Mutant } from "../mutant.ts";

/** Bugs of what is recorded of replicas: found by its unit and property tests. */
export const replicationMutants: readonly Mutant[] = [
  {
    id: "goes-on-alone-while-copying",
    rule: "S16",
    what: "A run goes on without a copy that is being copied, although its own in-sync may be on its way to the store.",
    file: "src/core/replication.ts",
    find: 'record?.value.state.kind === "stale" && record.value.epoch === run.epoch);\n}',
    replace:
      '(record?.value.state.kind === "stale" || record?.value.state.kind === "copying") && record.value.epoch === run.epoch);\n}',
  },
  {
    id: "one-stale-disk-is-enough",
    rule: "S17",
    what: "A run goes on without its copy once one of its disks is recorded as stale.",
    file: "src/core/replication.ts",
    find: "return all.every(({ record }) => record?.value.state.kind",
    replace: "return all.some(({ record }) => record?.value.state.kind",
  },
  {
    id: "stale-of-an-earlier-run-counts",
    rule: "S17",
    what: "A later run goes on without its copy by the stale record of an earlier one.",
    file: "src/core/replication.ts",
    find: 'state.kind === "stale" && record.value.epoch === run.epoch);\n}',
    replace: 'state.kind === "stale");\n}',
  },
  {
    id: "recorded-by-a-fenced-host",
    rule: "S17",
    what: "What a host records of its copies does not compare that it is unfenced.",
    file: "src/core/replication.ts",
    find: "    ...stillIn(run.host, registration),\n",
    replace: "",
  },
  {
    id: "recorded-without-the-owner",
    rule: "S17",
    what: "What a host records of its copies does not compare that it still owns the VM.",
    file: "src/core/replication.ts",
    find: "    unchanged(keys.owner(vm), owner),\n",
    replace: "",
  },
  {
    id: "recorded-over-what-others-wrote",
    rule: "S17",
    what: "What a host records of its copies does not compare their records: a late in-sync overwrites a stale.",
    file: "src/core/replication.ts",
    find: "    ...all.map(({ key, record }) => unchanged(key, record)),\n",
    replace: "",
  },
  {
    id: "in-sync-over-stale",
    rule: "S17",
    what: "A copy is recorded as in sync although it went stale after it was begun.",
    file: "src/core/replication.ts",
    find: 'record?.value.state.kind === "copying" && record.value.epoch === run.epoch);',
    replace: "record !== undefined && record.value.epoch === run.epoch);",
  },
  {
    id: "copy-of-an-earlier-run-counts",
    rule: "S18",
    what: "A copy that an earlier run began is recorded as in sync by a later one, whose bitmap knows nothing of it.",
    file: "src/core/replication.ts",
    find: 'record?.value.state.kind === "copying" && record.value.epoch === run.epoch);',
    replace: 'record?.value.state.kind === "copying");',
  },
  {
    id: "half-copied-called-whole",
    rule: "S20",
    what: "A copy that goes stale in the midst of a resync counts as one that a guest could boot from.",
    file: "src/core/replication.ts",
    find: "  const whole = all.every(({ record }) => record !== undefined && isWhole(record.value, run.epoch));",
    replace: "  const whole = all.every(({ record }) => record !== undefined);",
  },
  {
    id: "promoted-by-an-earlier-run",
    rule: "S18",
    what: "In sync with an earlier run counts for the present one.",
    file: "src/core/replication-promotion.ts",
    find: "      if (record.value.epoch === owner?.epoch) return",
    replace: "      if (record.value.epoch <= (owner?.epoch ?? 0)) return",
  },
  {
    id: "promoted-without-comparing-the-copies",
    rule: "S17",
    what: "A promotion does not compare the states that it rests on: the source's stale may come in between.",
    file: "src/core/replication-promotion.ts",
    find: "  const compares = taken.map(({ key, record }) => unchanged(key, record));",
    replace: "  const compares: Compare[] = [];",
  },
  {
    id: "stale-promoted-by-itself",
    rule: "S18",
    what: "A stale copy is promoted without anybody's order.",
    file: "src/core/replication-promotion.ts",
    find: 'if (use.kind === "lossy" && !isAccepted(taken, by.accepted))',
    replace: 'if (use.kind === "lossy" && use.code !== "replica-stale" && !isAccepted(taken, by.accepted))',
  },
  {
    id: "order-for-another-loss",
    rule: "S18",
    what: "An order to promote in spite of a loss holds whatever has happened to the copies since it was given.",
    file: "src/core/replication-promotion.ts",
    find: "record !== undefined && accepted.seen.get(key) === record.revision);",
    replace: "record !== undefined && accepted.seen.has(key));",
  },
  {
    id: "best-disk-counts",
    rule: "S17",
    what: "A VM counts as whole at a host where one of its disks is.",
    file: "src/core/replication-promotion.ts",
    find: "(rank(one) > rank(worst) ? one : worst)",
    replace: "(rank(one) < rank(worst) ? one : worst)",
  },
  {
    id: "others-left-in-sync",
    rule: "S17",
    what: "A promotion leaves the copy of the lost host unmarked.",
    file: "src/core/replication-promotion.ts",
    find: "    if (host === to) continue;\n",
    replace: "    if (host === to || host === owner.host) continue;\n",
  },
];

/** Bugs of the relay and of the driver around it: found by their contract suite with real QEMUs. */
export const relayMutants: readonly Mutant[] = [
  {
    id: "relay-refuses-at-its-start",
    rule: "S16",
    what: "A relay that is started anew goes on refusing, because the one before it did.",
    file: "src/adapters/nbd/relay.ts",
    find: '  #mode: RelayState["mode"] = "hold";',
    replace: '  #mode: RelayState["mode"] = "stale";',
  },
  {
    id: "relay-passes-on-the-close",
    rule: "S16",
    what: "The relay refuses what waits as soon as the replica closes its connection.",
    file: "src/adapters/nbd/relay-lane.ts",
    find: '    up.on("close", () => this.#hangUp("the replica closed the connection", up));',
    replace: `    up.on("close", () => {
      this.#hangUp("the replica closed the connection", up);
      for (const [id, { from, request }] of this.#waiting) {
        this.#waiting.delete(id);
        from?.write(writeReply(request.cookie, eio));
      }
    });`,
  },
  {
    id: "relay-forgets-what-waits",
    rule: "S16",
    what: "What was sent over a connection that broke is taken for done.",
    file: "src/adapters/nbd/relay-lane.ts",
    find: "      waiting.sent = false;\n      if (waiting.from === null)",
    replace: `      if (waiting.sent) waiting.from?.write(writeReply(waiting.request.cookie, 0));
      if (waiting.sent) this.#waiting.delete(id);
      if (waiting.from === null)`,
  },
  {
    id: "replica-answers-from-its-cache",
    rule: "S19",
    what: "The replica answers a write that is not on its disk yet.",
    file: "src/adapters/qemu/replica-target.ts",
    find: "    writethrough: true,",
    replace: "    writethrough: false,",
  },
  {
    id: "short-patience-with-the-relay",
    rule: "S16",
    what: "QEMU gives up a relay that is away at once, and its writes are answered without the replica.",
    file: "src/adapters/qemu/replica-job.ts",
    find: "  reconnectS: 1_000_000_000,",
    replace: "  reconnectS: 0,",
  },
  {
    id: "confirmed-without-the-relay",
    rule: "S17",
    what: "QEMU's word is enough for in sync, whatever the relay refused.",
    file: "src/adapters/qemu/replica-source.ts",
    find: '  if (refusedNothing && state.mode === "hold" && jobs.every(isWhole)) return done;',
    replace: "  if (refusedNothing || jobs.every((job) => job.ready)) return done;",
  },
  {
    id: "earlier-exports-stay",
    rule: "S19",
    what: "A later epoch is received beside the exports of an earlier one.",
    file: "src/adapters/qemu/replica-target.ts",
    find: "boolean => !id.startsWith(",
    replace: "boolean => id.startsWith(",
  },
  {
    id: "earlier-epoch-received",
    rule: "S19",
    what: "An owner of an earlier epoch is let in again.",
    file: "src/adapters/qemu/replica-target.ts",
    find: "  if (known !== undefined && known.epoch > epoch)",
    replace: "  if (known !== undefined && known.epoch > epoch + 10)",
  },
];

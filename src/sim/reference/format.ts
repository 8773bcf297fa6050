import { z } from "zod";

// The file format `ha-scenario/1` as it enters: strict where it is input, so that a misspelt wish is refused, not dropped.

const name = z.string().min(1);
const sid = z.string().regex(/^[a-z]+:[A-Za-z0-9_-]+$/u, "wants type:id, such as vm:101");
const onOff = z.enum(["on", "off"]);
const seconds = z.number().min(0);
const bytes = z.number().min(0);
const cores = z.number().min(0);

const lockKind = z.enum([
  "backup",
  "clone",
  "create",
  "migrate",
  "mounted",
  "rollback",
  "snapshot",
  "snapshot-delete",
  "suspending",
  "suspended",
]);

const requestedState = z.enum(["started", "enabled", "stopped", "disabled", "ignored"]);

const timingSchema = z.strictObject({
  model: z.string().optional(),
  roundSeconds: z.number().positive(),
  commandEveryRounds: z.int().min(1).default(5),
  startAt: seconds.default(0),
  endAfterLastCommandSeconds: seconds.default(500),
  lockLifetime: seconds.optional(),
  watchdogTimeout: seconds.optional(),
  fenceDelay: seconds.optional(),
});

const nodeSchema = z.strictObject({
  name,
  power: onOff,
  network: onOff,
  /** Null: what the source takes where it needs a figure, 24 cores and 128 GiB. */
  maxCpu: cores.nullable().default(null),
  maxMemBytes: bytes.nullable().default(null),
  version: z.string().nullable().default(null),
});

const behaviourSchema = z.strictObject({
  startFailuresBeforeSuccess: z.int().min(0).default(0),
  migrateFailuresBeforeSuccess: z.int().min(0).default(0),
  stopAlwaysFails: z.boolean().default(false),
  exists: z.boolean().default(true),
  /** The failures of starts happen on this node only. */
  onlyOnNode: name.nullable().default(null),
});

const resourceSchema = z.strictObject({
  sid,
  type: name,
  node: name,
  state: requestedState,
  failback: z.boolean().default(true),
  maxRestart: z.int().min(0).default(1),
  maxRelocate: z.int().min(0).default(1),
  group: name.nullable().default(null),
  lock: lockKind.nullable().default(null),
  runningAtStart: z.boolean().default(false),
  static: z.strictObject({ maxCpu: cores.nullable(), maxMemBytes: bytes.nullable() }).nullable().default(null),
  usage: z.strictObject({ cpu: cores.nullable(), memBytes: bytes.nullable() }).nullable().default(null),
  behaviour: behaviourSchema.nullable().default(null),
});

const nodePriority = z.strictObject({ node: name, priority: z.int().min(0).default(0) });
const ruleCommon = {
  id: name,
  order: z.int().optional(),
  disabled: z.boolean().default(false),
  resources: z.array(sid).min(1),
};
const ruleSchema = z.discriminatedUnion("type", [
  z.strictObject({
    ...ruleCommon,
    type: z.literal("node-affinity"),
    strict: z.boolean(),
    nodes: z.array(nodePriority).min(1),
  }),
  z.strictObject({ ...ruleCommon, type: z.literal("resource-affinity"), affinity: z.enum(["positive", "negative"]) }),
]);

const groupSchema = z.strictObject({
  id: name,
  restricted: z.boolean().default(false),
  nofailback: z.boolean().default(false),
  nodes: z.array(nodePriority).min(1),
});

const optionsSchema = z.strictObject({
  shutdownPolicy: z.string().default("conditional"),
  scheduler: z.strictObject({
    mode: z.enum(["basic", "static", "dynamic"]),
    rebalanceOnStart: z.boolean().default(false),
    autoRebalance: z
      .strictObject({
        enabled: z.boolean(),
        threshold: z.number().min(0).default(0.3),
        method: z.enum(["bruteforce", "topsis"]).default("bruteforce"),
        holdRounds: z.int().min(0).default(3),
        margin: z.number().min(0).max(1).default(0.1),
      })
      .optional(),
  }),
});

/** What a manager of the source left behind: read as far as it says something that there is here too. */
const initialStateSchema = z.looseObject({
  master: name.nullable().optional(),
  nodes: z.record(z.string(), z.string()).default({}),
  services: z
    .record(z.string(), z.looseObject({ state: z.string(), node: name, target: name.nullable().optional() }))
    .default({}),
});

const viaNode = name.optional();
const commandSchema = z.discriminatedUnion("op", [
  z.strictObject({ op: z.literal("power"), node: name, to: onOff }),
  z.strictObject({ op: z.literal("network"), node: name, to: onOff }),
  z.strictObject({ op: z.literal("delay"), seconds }),
  z.strictObject({ op: z.literal("skip-rounds"), daemon: z.enum(["manager", "agent"]), rounds: z.int().min(0) }),
  z.strictObject({
    op: z.literal("cluster-fs"),
    node: name,
    aspect: z.enum(["rw", "update"]),
    to: z.enum(["work", "fail"]),
  }),
  z.strictObject({ op: z.literal("set-version"), node: name, version: name }),
  z.strictObject({ op: z.literal("node-reboot"), node: name }),
  z.strictObject({ op: z.literal("node-shutdown"), node: name }),
  z.strictObject({ op: z.literal("restart-agent"), node: name }),
  z.strictObject({ op: z.literal("manager-daemon"), node: name, to: z.enum(["start", "stop"]) }),
  z.strictObject({ op: z.literal("maintenance"), node: name, to: onOff, viaNode }),
  z.strictObject({ op: z.literal("disarm"), mode: z.enum(["freeze", "ignore"]), viaNode }),
  z.strictObject({ op: z.literal("arm"), viaNode }),
  z.strictObject({ op: z.literal("set-state"), sid, to: requestedState }),
  z.strictObject({ op: z.literal("migrate"), sid, target: name, viaNode }),
  z.strictObject({ op: z.literal("relocate"), sid, target: name, viaNode }),
  z.strictObject({ op: z.literal("stop"), sid, timeout: seconds, viaNode }),
  z.strictObject({
    op: z.literal("add-resource"),
    sid,
    node: name,
    state: requestedState.default("started"),
    running: z.boolean().default(false),
  }),
  z.strictObject({ op: z.literal("remove-resource"), sid }),
  z.strictObject({ op: z.literal("lock"), sid, lock: lockKind }),
  z.strictObject({ op: z.literal("unlock"), sid, lock: lockKind.nullable().optional() }),
  z.strictObject({ op: z.literal("outside-move"), sid, target: name }),
  z.strictObject({
    op: z.literal("set-static"),
    sid,
    maxCpu: cores.nullable().optional(),
    maxMemBytes: bytes.nullable().optional(),
  }),
  z.strictObject({
    op: z.literal("set-usage"),
    sid,
    cpu: cores.nullable().optional(),
    memBytes: bytes.nullable().optional(),
  }),
]);

export const haScenarioSchema = z.strictObject({
  format: z.literal("ha-scenario/1"),
  name,
  timing: timingSchema,
  nodes: z.array(nodeSchema).min(1),
  resources: z.array(resourceSchema),
  rules: z.array(ruleSchema).default([]),
  groups: z.array(groupSchema).default([]),
  options: optionsSchema,
  initialManagerState: initialStateSchema.nullable().default(null),
  commands: z.array(z.strictObject({ at: seconds, commands: z.array(commandSchema) })),
  /** What another implementation came to, and how far that can be compared: no input of a run. */
  expect: z.unknown().optional(),
  comparability: z.unknown().optional(),
});

export type HaScenario = z.infer<typeof haScenarioSchema>;
export type HaResource = z.infer<typeof resourceSchema>;
export type HaRule = z.infer<typeof ruleSchema>;
export type HaCommand = z.infer<typeof commandSchema>;
export type HaBehaviour = z.infer<typeof behaviourSchema>;

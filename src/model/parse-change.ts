import type { z } from "zod";
import { hostLossesSchema, hostModeSchema, hostUsageSchema, maintenanceSchema } from "./host-records.ts";
import { parseJson } from "./json.ts";
import { type KeyName, parseKey } from "./keys.ts";
import { vmMoveSchema, vmOrderSchema, vmPlanSchema } from "./move-records.ts";
import { pointSchema } from "./point-records.ts";
import { disarmSchema, policySchema } from "./policy.ts";
import {
  clusterSchema,
  eventSchema,
  fenceDeviceSchema,
  fenceSchema,
  heartbeatSchema,
  hostFactsSchema,
  hostSchema,
  intentSchema,
  managerTermSchema,
  managerTickSchema,
  memberSchema,
  networkSchema,
  ownerSchema,
  poolSchema,
  taskSchema,
  vmSchema,
  vmStatusSchema,
} from "./records.ts";
import { removedHostSchema } from "./removal-records.ts";
import { groupSchema, replicaSchema, vmCopyingSchema } from "./replication-records.ts";
import { lastEditSchema, ruleSchema } from "./rules.ts";
import type { Change } from "./transaction.ts";

export type Parsed = {
  readonly name: KeyName;
  readonly value: unknown;
  readonly trouble: string | null;
  /** What its text says, unchecked; undefined: it was deleted, or is not JSON. */
  readonly json: unknown;
};

// Several views in one process see the same change objects; each is parsed once.
const parsedChanges = new WeakMap<Change, Parsed>();

const schemas: { readonly [K in Exclude<KeyName["kind"], "unknown" | "vm-name" | "request">]: z.ZodType } = {
  cluster: clusterSchema,
  policy: policySchema,
  disarm: disarmSchema,
  "last-rule-edit": lastEditSchema,
  "last-vm-deletion": lastEditSchema,
  "last-group-edit": lastEditSchema,
  "manager-term": managerTermSchema,
  "manager-tick": managerTickSchema,
  member: memberSchema,
  host: hostSchema,
  "host-facts": hostFactsSchema,
  "fence-device": fenceDeviceSchema,
  "host-mode": hostModeSchema,
  maintenance: maintenanceSchema,
  "host-losses": hostLossesSchema,
  "host-usage": hostUsageSchema,
  "removed-host": removedHostSchema,
  heartbeat: heartbeatSchema,
  fence: fenceSchema,
  vm: vmSchema,
  "vm-status": vmStatusSchema,
  "vm-order": vmOrderSchema,
  "vm-move": vmMoveSchema,
  "vm-plan": vmPlanSchema,
  "vm-copying": vmCopyingSchema,
  owner: ownerSchema,
  replica: replicaSchema,
  point: pointSchema,
  group: groupSchema,
  rule: ruleSchema,
  pool: poolSchema,
  network: networkSchema,
  intent: intentSchema,
  task: taskSchema,
  event: eventSchema,
};

/** What a change of the store means, by the schemas of its kind. */
export function parseChange(change: Change): Parsed {
  const known = parsedChanges.get(change);
  if (known !== undefined) return known;
  const name = parseKey(change.key);
  const parsed =
    change.kind === "delete"
      ? { name, value: undefined, trouble: null, json: undefined }
      : parseText(name, change.text);
  parsedChanges.set(change, parsed);
  return parsed;
}

function parseText(name: KeyName, text: string): Parsed {
  const json = parseJson(text);
  if (name.kind === "unknown" || name.kind === "vm-name" || name.kind === "request")
    return { name, value: undefined, trouble: null, json };
  if (json === undefined) return { name, value: undefined, trouble: "not JSON", json };
  const result = schemas[name.kind].safeParse(json);
  if (result.success) return { name, value: result.data, trouble: null, json };
  const issue = result.error.issues[0];
  return { name, value: undefined, trouble: `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "unreadable"}`, json };
}

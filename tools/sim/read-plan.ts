import { readFileSync } from "node:fs";
import { LabError } from "../../lab/lab-error.ts";
import { isFaultKind } from "../../src/sim/faults/menu.ts";
import { outsideLimits, planProfiles, type WorldPlan } from "../../src/sim/plan.ts";

/** A plan that `sim --seed S --save FILE` has written. Throws `LabError` for anything else. */
export function readPlan(path: string): WorldPlan {
  const plan = parse(path, read(path));
  if (!isRecord(plan) || plan["schema"] !== 1) throw noPlan(`${path} holds no recorded plan of schema 1.`);
  const lacking = Object.keys(needed).find((name) => !needed[name]?.(plan[name]));
  if (lacking !== undefined) throw noPlan(`${path} holds no whole plan: its ${lacking} is missing or is none.`);
  for (const [i, event] of (plan["events"] as readonly unknown[]).entries()) {
    const kind = isRecord(event) ? event["kind"] : undefined;
    if (!isRecord(event) || !isTime(event["atMs"]) || typeof kind !== "string")
      throw noPlan(`${path} holds no whole plan: event ${i + 1} lacks its kind or its atMs.`);
    if (!isFaultKind(kind)) throw noPlan(`${path} asks for ${kind} in event ${i + 1}, which is no kind of fault here.`);
  }
  return plan as WorldPlan;
}

type Check = (value: unknown) => boolean;

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const isTime: Check = (value) => typeof value === "number" && Number.isFinite(value) && value >= 0;
const isCount: Check = (value) => Number.isInteger(value) && (value as number) > 0;
const isSwitch: Check = (value) => typeof value === "boolean";
const named: Check = (value) => isRecord(value) && typeof value["name"] === "string";
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);

/** What no plan is without; the rest is of some worlds. */
const needed: Readonly<Record<string, Check>> = {
  seed: (value) => typeof value === "string",
  profile: (value) => typeof value === "string" && Object.hasOwn(planProfiles, value),
  hosts: isCount,
  witness: isSwitch,
  voters: isCount,
  hostMemoryMiB: isCount,
  devices: isSwitch,
  pools: listOf(named),
  vms: listOf(named),
  events: listOf(isRecord),
  healAtMs: isTime,
  restByMs: isTime,
  endAtMs: isTime,
  outside: listOf((value) => outsideLimits.some((limit) => limit === value)),
};

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw noPlan(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw noPlan(`${path} is not JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

function noPlan(cause: string): LabError {
  return new LabError(cause, "Nothing was played.", "Record a plan with --seed S --save FILE.");
}

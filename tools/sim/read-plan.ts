import { readFileSync } from "node:fs";
import { LabError } from "../../lab/lab-error.ts";
import type { WorldPlan } from "../../src/sim/plan.ts";

/** A plan that `sim --seed S --save FILE` has written. Throws `LabError` for anything else. */
export function readPlan(path: string): WorldPlan {
  const plan = parse(path, read(path));
  if (typeof plan === "object" && plan !== null && "schema" in plan && plan.schema === 1) return plan as WorldPlan;
  throw noPlan(`${path} holds no recorded plan of schema 1.`);
}

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

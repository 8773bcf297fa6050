import type { Asked, Planned } from "../../src/core/requests/plan.ts";
import type { TaskId, WallMs } from "../../src/model/ids.ts";

// How the tests of requests look at what was planned.

export const asked: Asked = { actor: { name: "root", role: "admin", requestId: "request-1" }, at: 1 as WallMs };
export const newTaskId = "task-new" as TaskId;

/** The refusal's code, or `planned`. */
export function codeOf(planned: Planned): string {
  return planned.kind === "refused" ? planned.code : "planned";
}

/** The record that would be written to `key`; `delete` where it would be removed; undefined: it is not touched. */
export function written(planned: Planned, key: string): unknown {
  if (planned.kind !== "plan") throw new Error(`refused: ${planned.code}`);
  const write = planned.transaction.writes.find((one) => one.key === key);
  return write?.kind === "put" ? JSON.parse(write.text) : write?.kind;
}

/** The keys whose state the transaction names. */
export function compared(planned: Planned): readonly string[] {
  return planned.kind === "plan" ? planned.transaction.compares.map(({ key }) => key) : [];
}

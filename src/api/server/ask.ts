import type { Asked, Planned } from "../../core/requests/plan.ts";
import { type IntentId, later, type TaskId } from "../../model/ids.ts";
import { type Params, type Refusal, refuse } from "../../model/reason.ts";
import type { Outcome } from "../../model/request-records.ts";
import type { TaskOutput } from "../contract/task.ts";
import { freshTaskId } from "./fresh.ts";
import { type Mutation, mutate, type Unavailable } from "./mutate.ts";
import { type ApiOptions, apiLimits } from "./options.ts";
import { presentTask } from "./present-tasks.ts";
import { waitFor } from "./wait.ts";

export type Answer<T> = { readonly kind: "ok"; readonly value: T } | Refusal | Unavailable;
export type Named = { readonly id: string; readonly name: string };
export type WithRequestId = { readonly requestId?: string | undefined };
type OutcomeOf<K extends Outcome["kind"]> = Extract<Outcome, { kind: K }>;

/** One change: planned on the present view, carried out once, and known again by its request id. */
export async function ask<K extends Outcome["kind"]>(
  options: ApiOptions,
  procedure: string,
  kind: K,
  input: WithRequestId,
  plan: (asked: Asked) => Planned,
  prepare?: Mutation["prepare"],
): Promise<Answer<OutcomeOf<K>>> {
  const { requestId = options.random.hex(24), ...rest } = input;
  const at = options.clock.wall();
  // The socket is open to root alone.
  const asked: Asked = { actor: { name: "root", role: "admin", requestId }, at };
  const text = JSON.stringify([procedure, rest]);
  const end = await mutate(options, {
    requestId,
    asked: text,
    at,
    plan: () => plan(asked),
    ...(prepare === undefined ? {} : { prepare }),
  });
  if (end.kind !== "done") return end;
  if (end.outcome.kind !== kind) return refuse("request-id-reused", { requestId });
  return { kind: "ok", value: end.outcome as OutcomeOf<K> };
}

/** Nothing of it has begun: nobody's word is old. */
const justAsked = ({ clock }: ApiOptions) => ({ contact: () => "up" as const, wall: () => clock.wall() });

/** A change that goes on as a task. */
export async function askForTask(
  options: ApiOptions,
  procedure: string,
  input: WithRequestId,
  plan: (task: TaskId, asked: Asked) => Planned,
  prepare?: Mutation["prepare"],
): Promise<Answer<TaskOutput>> {
  const planned = (asked: Asked): Planned => plan(freshTaskId(options.random), asked);
  const end = await ask(options, procedure, "task", input, planned, prepare);
  if (end.kind !== "ok") return end;
  const task = options.view().tasks.get(end.value.task)?.value;
  if (task === undefined) return { kind: "unavailable", code: "task-not-seen-yet", params: { task: end.value.task } };
  return { kind: "ok", value: presentTask(options.view(), justAsked(options), task) };
}

/** Waits for the answer of an agent to a wish; undefined: it agreed. */
export async function awaitIntent(
  options: ApiOptions,
  intent: IntentId,
  unanswered: { readonly code: string; readonly params: Params },
): Promise<Refusal | Unavailable | undefined> {
  const answer = () => options.view().intents.get(intent)?.value.answer;
  const until = later(options.clock.now(), apiLimits.intentMs);
  await waitFor(options.clock, until, apiLimits.pollMs, () => answer() !== undefined && answer()?.kind !== "open");
  const given = answer();
  if (given === undefined || given.kind === "open") {
    const params = { ...unanswered.params, waitedMs: apiLimits.intentMs };
    return { kind: "unavailable", code: unanswered.code, params };
  }
  return given.kind === "refused" ? refuse(given.code, given.params) : undefined;
}

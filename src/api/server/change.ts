import { planDeleteVm, planSetVm, type SetVmRequest } from "../../core/requests/change-vm.ts";
import { type CreateVmRequest, planCreateVm } from "../../core/requests/create-vm.ts";
import type { Asked, Planned } from "../../core/requests/plan.ts";
import { planResetVm, planStartVm, planStopVm } from "../../core/requests/power.ts";
import { later } from "../../model/ids.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { Outcome } from "../../model/records.ts";
import type { TaskOutput } from "../contract/task.ts";
import { freshIntentId, freshMacs, freshTaskId, freshVmId } from "./fresh.ts";
import { type Mutation, mutate, type Unavailable } from "./mutate.ts";
import { type ApiOptions, apiLimits } from "./options.ts";
import { presentTask } from "./present-vms.ts";
import { type RemovedVolume, removeVolumes, volumesFirst } from "./volumes.ts";
import { waitFor } from "./wait.ts";

export type Answer<T> = { readonly kind: "ok"; readonly value: T } | Refusal | Unavailable;
type Named = { readonly id: string; readonly name: string };
export type WithRequestId = { readonly requestId?: string | undefined };
type OutcomeOf<K extends Outcome["kind"]> = Extract<Outcome, { kind: K }>;

/** Everything that changes something, answered when it is committed. */
export function changes(options: ApiOptions) {
  return {
    create: async (input: CreateVmRequest & WithRequestId): Promise<Answer<Named>> => {
      const end = await ask(
        options,
        "vm.create",
        "vm-created",
        input,
        (asked) => {
          const view = options.view();
          const macs = freshMacs(view, input.networks.length, options.random);
          return planCreateVm(view, input, { id: freshVmId(view, options.random), macs }, asked);
        },
        volumesFirst(options),
      );
      return end.kind === "ok" ? { kind: "ok", value: { id: end.value.vm, name: end.value.name } } : end;
    },
    start: (input: WithRequestId & { readonly vm: string }) => power(options, "vm.start", input),
    stop: (input: WithRequestId & { readonly vm: string }) => power(options, "vm.stop", input),
    set: async (input: SetVmRequest & WithRequestId) => {
      const end = await ask(options, "vm.set", "vm-changed", input, (asked) => planSetVm(options.view(), input, asked));
      if (end.kind !== "ok") return end;
      const vm = options.view().vms.get(end.value.vm)?.value;
      if (vm === undefined) return refuse("vm-unknown", { vm: end.value.vm, known: "" });
      const { id, name, requested, maxRestart, maxRelocate, stopGraceMs } = vm;
      return { kind: "ok" as const, value: { id, name, requested, maxRestart, maxRelocate, stopGraceMs } };
    },
    delete: async (
      input: WithRequestId & { readonly vm: string },
    ): Promise<Answer<Named & { readonly volumes: RemovedVolume[] }>> => {
      const end = await ask(options, "vm.delete", "vm-deleted", input, (asked) =>
        planDeleteVm(options.view(), input.vm, asked),
      );
      if (end.kind !== "ok") return end;
      const { vm, name, disks } = end.value;
      return { kind: "ok", value: { id: vm, name, volumes: await removeVolumes(options, disks) } };
    },
    reset: async (input: WithRequestId & { readonly vm: string }): Promise<Answer<Named>> => {
      const end = await ask(options, "vm.reset", "intent", input, (asked) =>
        planResetVm(options.view(), input.vm, freshIntentId(options.random), asked),
      );
      return end.kind === "ok" ? awaitIntent(options, end.value) : end;
    },
  };
}

/** Carries out one request and checks that its outcome is of the kind that this procedure has. */
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

async function power(
  options: ApiOptions,
  procedure: "vm.start" | "vm.stop",
  input: WithRequestId & { readonly vm: string },
): Promise<Answer<TaskOutput>> {
  const plan = procedure === "vm.start" ? planStartVm : planStopVm;
  const end = await ask(options, procedure, "task", input, (asked) =>
    plan(options.view(), input.vm, freshTaskId(options.random), asked),
  );
  if (end.kind !== "ok") return end;
  const task = options.view().tasks.get(end.value.task)?.value;
  if (task === undefined) return { kind: "unavailable", code: "task-not-seen-yet", params: { task: end.value.task } };
  return { kind: "ok", value: presentTask(task) };
}

async function awaitIntent(options: ApiOptions, wanted: OutcomeOf<"intent">): Promise<Answer<Named>> {
  const answer = () => options.view().intents.get(wanted.intent)?.value.answer;
  const until = later(options.clock.now(), apiLimits.intentMs);
  await waitFor(options.clock, until, apiLimits.pollMs, () => answer() !== undefined && answer()?.kind !== "open");
  const given = answer();
  if (given === undefined || given.kind === "open") {
    return {
      kind: "unavailable",
      code: "intent-not-answered",
      params: { vm: wanted.name, waitedMs: apiLimits.intentMs },
    };
  }
  if (given.kind === "refused") return refuse(given.code, given.params);
  return { kind: "ok", value: { id: wanted.vm, name: wanted.name } };
}

import { planCancelMove } from "../../core/requests/cancel-move.ts";
import { planDeleteVm, planSetVm, type SetVmRequest } from "../../core/requests/change-vm.ts";
import { type CreateVmRequest, planCreateVm } from "../../core/requests/create-vm.ts";
import { type MoveRequest, planMoveVm } from "../../core/requests/move.ts";
import { planResetVm, planStartVm, planStopVm } from "../../core/requests/power.ts";
import { type Reason, refuse } from "../../model/reason.ts";
import type { TaskOutput } from "../contract/task.ts";
import { type Answer, ask, askForTask, awaitIntent, type Named, type WithRequestId } from "./ask.ts";
import { linkCheck } from "./cut-links.ts";
import { freshIntentId, freshMacs, freshVmId } from "./fresh.ts";
import { type Acceptable, EditWatch, StartWatch } from "./guarded.ts";
import type { ApiOptions } from "./options.ts";
import { presentWishes } from "./present-vms.ts";
import type { Tracker } from "./tracker.ts";
import { type RemovedVolume, removeVolumes, volumesFirst } from "./volumes.ts";

type OneVm = WithRequestId & { readonly vm: string };
type MoveInput = OneVm & { readonly to: string; readonly force: boolean };

/** Everything that changes VMs, answered when it is committed. */
export function vmChanges(options: ApiOptions, tracker: Tracker) {
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
          return planCreateVm(view, input, { id: freshVmId(view, options.random), macs, on: options.self }, asked);
        },
        volumesFirst(options),
      );
      return end.kind === "ok" ? { kind: "ok", value: { id: end.value.vm, name: end.value.name } } : end;
    },
    start: (input: OneVm) => start(options, tracker, input),
    stop: (input: OneVm & { readonly graceMs?: number | undefined }) =>
      askForTask(options, "vm.stop", input, (task, asked) =>
        planStopVm(options.view(), input.vm, task, asked, input.graceMs),
      ),
    migrate: (input: MoveInput) => move(options, tracker, "migrate", input),
    relocate: (input: MoveInput) => move(options, tracker, "relocate", input),
    cancelMove: async (input: OneVm): Promise<Answer<Named>> => {
      const end = await ask(options, "vm.cancel-move", "vm-changed", input, (asked) =>
        planCancelMove(options.view(), input.vm, asked),
      );
      return end.kind === "ok" ? { kind: "ok", value: { id: end.value.vm, name: end.value.name } } : end;
    },
    set: (input: SetVmRequest & Acceptable) => set(options, tracker, input),
    delete: async (input: OneVm): Promise<Answer<Named & { readonly volumes: RemovedVolume[] }>> => {
      const end = await ask(options, "vm.delete", "vm-deleted", input, (asked) =>
        planDeleteVm(options.view(), input.vm, asked),
      );
      if (end.kind !== "ok") return end;
      const { vm, name, disks } = end.value;
      return { kind: "ok", value: { id: vm, name, volumes: await removeVolumes(options, disks) } };
    },
    reset: async (input: OneVm): Promise<Answer<Named>> => {
      const end = await ask(options, "vm.reset", "intent", input, (asked) =>
        planResetVm(options.view(), input.vm, freshIntentId(options.random), asked),
      );
      if (end.kind !== "ok") return end;
      const { vm, name, intent } = end.value;
      const unanswered = { code: "intent-not-answered", params: { vm: name } };
      return (await awaitIntent(options, intent, unanswered)) ?? { kind: "ok", value: { id: vm, name } };
    },
  };
}

async function start(
  options: ApiOptions,
  tracker: Tracker,
  input: OneVm,
): Promise<Answer<TaskOutput & { readonly bearsLess: Reason | null }>> {
  const watch = new StartWatch(options, tracker.contact);
  const end = await askForTask(options, "vm.start", input, (task, asked) =>
    watch.seen(planStartVm(options.view(), input.vm, task, asked), asked),
  );
  return end.kind === "ok" ? { kind: "ok", value: { ...end.value, bearsLess: watch.found } } : end;
}

async function set(options: ApiOptions, tracker: Tracker, input: SetVmRequest & Acceptable) {
  const watch = new StartWatch(options, tracker.contact);
  const edit = new EditWatch(options, tracker.contact);
  const isStart = input.requested === "started" || input.requested === "enabled";
  const end = await ask(options, "vm.set", "vm-changed", input, (asked) => {
    const planned = planSetVm(options.view(), input, asked);
    const held = edit.held("vm set", input, asked, planned);
    return isStart ? watch.seen(held, asked) : held;
  });
  if (end.kind !== "ok") return end;
  const vm = options.view().vms.get(end.value.vm)?.value;
  if (vm === undefined) return refuse("vm-unknown", { vm: end.value.vm, known: "" });
  const { moveVoided = null } = end.value;
  return { kind: "ok" as const, value: { ...presentWishes(vm), moveVoided, bearsLess: watch.found ?? edit.note } };
}

async function move(
  options: ApiOptions,
  tracker: Tracker,
  kind: MoveRequest["kind"],
  input: MoveInput,
): Promise<Answer<TaskOutput & { readonly unseen: Reason | null }>> {
  const { vm, to, force } = input;
  const links = linkCheck(options, tracker, kind, input);
  const end = await askForTask(
    options,
    `vm.${kind}`,
    input,
    (task, asked) => planMoveVm(options.view(), { vm, to, kind, force }, task, asked, tracker.contact),
    links.first,
  );
  if (end.kind !== "ok") return end;
  return { kind: "ok", value: { ...end.value, unseen: await links.unseen() } };
}

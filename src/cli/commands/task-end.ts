import type { TaskOutput } from "../../api/contract/task.ts";
import type { VmDetail } from "../../api/contract/vm.ts";

export type Ended = Pick<VmDetail, "name" | "requested" | "state" | "host" | "epoch">;

/**
 * What a task that is done has come to, as a sentence. `vm`: as it is now, which may be a while later. `to`: the name of the
 * host that a move went to.
 */
export function taskEnd(kind: TaskOutput["kind"], vm: Ended, to: string | null): string {
  switch (kind) {
    case "stop-vm":
      return vm.host === null ? `${vm.name} is stopped.` : `${vm.name} was stopped; ${later(vm)}.`;
    case "delete-vm":
      return `${vm.name} is deleted.`;
    case "start-vm":
      return runs(vm) ? runsText(vm) : `${vm.name} was started; ${later(vm)}.`;
    case "copy-vm":
      return `${vm.name} was copied to ${to ?? "?"}.`;
    case "move-vm":
      if (vm.requested !== "started") return `${vm.name} belongs to ${to ?? "?"} from now on; it is ${vm.state}.`;
      if (runs(vm) && vm.host === to) return runsText(vm);
      return `${vm.name} was brought to ${to ?? "?"}; ${later(vm)}. See holdfast explain ${vm.name}.`;
  }
}

function runs(vm: Ended): boolean {
  return vm.state === "running" && vm.host !== null;
}

function runsText(vm: Ended): string {
  return `${vm.name} runs on ${vm.host} (epoch ${vm.epoch}).`;
}

function later(vm: Ended): string {
  return `now it is ${vm.state}${vm.host === null ? "" : ` on ${vm.host}`}`;
}

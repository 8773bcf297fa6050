import { pointVm } from "../core/point-vm.ts";
import type { VmId } from "../model/ids.ts";
import type { Params } from "../model/reason.ts";
import type { ClusterView } from "../model/view.ts";
import type { AgentEvent } from "./state.ts";

/**
 * Drivers know VMs by their ids, people by their names: what an answer says of a VM is put under its name here, before anything of it
 * is noted or recorded, and nowhere else. The last name of one that was deleted, where its points know it.
 */
export function underNames(happened: AgentEvent): AgentEvent {
  if (!("end" in happened)) return happened;
  const { end, view } = happened;
  const params = "params" in end ? { params: namedIn(view, end.params) } : {};
  const whyCrash =
    "whyCrash" in end && end.whyCrash !== undefined
      ? { whyCrash: { ...end.whyCrash, params: namedIn(view, end.whyCrash.params) } }
      : {};
  return { ...happened, end: { ...end, ...params, ...whyCrash } } as AgentEvent;
}

function namedIn(view: ClusterView, params: Params): Params {
  const { vm } = params;
  return typeof vm === "string" ? { ...params, vm: pointVm(view, vm as VmId).name } : params;
}

import { serviceState } from "../../core/service-state.ts";
import type { VmId } from "../../model/ids.ts";
import type { ClusterView } from "../../model/view.ts";
import type { Shown } from "./steps-between.ts";

const notYetStarted: readonly (string | undefined)[] = [undefined, "stopped", "request_start", "request_stop"];

/**
 * How a service is shown; undefined where nobody manages it. What is wanted, lies somewhere and was not given to a host
 * yet is asked for, and no more, until it was shown as started once.
 */
export function shownService(
  view: ClusterView,
  id: VmId,
  before: Shown | undefined,
  lost: ReadonlySet<string>,
): Shown | undefined {
  if (!view.vms.has(id)) return undefined;
  const { state, host, target } = serviceState(view, id, lost);
  if (state === "ignored") return undefined;
  const waits = state === "started" && view.owners.get(id)?.value.kind === "released";
  const asked = waits && notYetStarted.includes(before?.state);
  return { state: asked ? "request_start" : state, node: host, target };
}

import { usageOf } from "../../core/placement/figures.ts";
import type { HostId, VmId } from "../../model/ids.ts";
import type { ClusterView } from "../../model/view.ts";
import type { UsageOutput } from "../contract/base.ts";

/** What was measured of a host in its present incarnation, or of a VM on it; null: nothing. */
export function presentUsage(view: ClusterView, host: HostId, vm: VmId | undefined): UsageOutput {
  const measured = usageOf(view, host);
  const usage = vm === undefined ? measured?.host : measured?.vms[vm];
  return measured === undefined || usage === undefined ? null : { ...usage, at: measured.at };
}

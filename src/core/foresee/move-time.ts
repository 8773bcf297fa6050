import type { VmId } from "../../model/ids.ts";
import { defaultPolicy } from "../../model/policy.ts";
import type { ClusterView } from "../../model/view.ts";
import { figureOf } from "../placement/figures.ts";
import { isCopied } from "../replication-duty.ts";
import { whyStoppedFirst } from "../stopped-first.ts";
import { type Duration, type Durations, durationOf } from "./durations.ts";

/** MiB a second that the policy allows each move; null: what the link bears. */
export function moveLimit({ policy }: ClusterView): number | null {
  return (policy?.value ?? defaultPolicy).migration.bandwidthMiBps;
}

/**
 * How long a live move of the VM takes, and how long its guest stands still meanwhile: as its own moves took at the limit that is
 * in force now, else as it was here before, and no less than all that it has takes at that limit.
 */
export function moveTime(
  view: ClusterView,
  durations: Durations,
  vm: VmId,
): { readonly takes: Duration; readonly pause: Duration } {
  const limit = moveLimit(view);
  const memoryMiB = figureOf(view, vm, "dynamic").memoryMiB;
  const own = durations.limited.get(vm);
  const takes =
    own?.["live-move"] ?? atLeast(durationOf(durations, "live-move", vm), memoryMiB + disksMiB(view, vm), limit);
  const pause = own?.pause ?? durationOf(durations, "pause", vm);
  // With KVM it stands for what is left at the end, which the policy bounds.
  if (whyStoppedFirst(view, vm) === undefined) return { takes, pause };
  if (own?.pause !== undefined) return { takes, pause };
  // It stands still while its memory is copied, and that is not all of its move.
  return { takes, pause: atLeast(pause, memoryMiB, limit) };
}

function atLeast(duration: Duration, sizeMiB: number, limit: number | null): Duration {
  // Whole milliseconds, as all times: a limit hardly ever divides what there is to send.
  return limit === null ? duration : { ...duration, ms: Math.max(duration.ms, Math.ceil((sizeMiB / limit) * 1_000)) };
}

/** What goes along from the host's own pools; copies that are there already are not sent again. */
function disksMiB(view: ClusterView, id: VmId): number {
  const disks = isCopied(view, id) ? [] : (view.vms.get(id)?.value.spec.disks ?? []);
  const local = disks.filter(({ pool }) => view.pools.get(pool)?.value.kind === "local-dir");
  return local.reduce((sum, { sizeMiB }) => sum + sizeMiB, 0);
}

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
 * in force now, else as it was here before, and no less than all that it has takes at that limit. Of one that is far larger than
 * all that were moved here it is a guess until it was moved itself.
 */
export function moveTime(
  view: ClusterView,
  durations: Durations,
  vm: VmId,
): { readonly takes: Duration; readonly pause: Duration } {
  const limit = moveLimit(view);
  const { memoryMiB } = figureOf(view, vm, "dynamic");
  const before = (step: "live-move" | "pause"): Duration => {
    const isOwn = durations.ofVm.get(vm)?.[step] !== undefined;
    if (isOwn || !isFarLarger(view, durations, vm)) return durationOf(durations, step, vm);
    // What smaller ones took says little of it: its own few moves say more, and without any it is no more than a guess.
    return durations.once.get(vm)?.[step] ?? { ...durations.usual[step], samples: 0 };
  };
  const own = durations.limited.get(vm);
  const takes = own?.["live-move"] ?? atLeast(before("live-move"), memoryMiB + disksMiB(view, vm), limit);
  const pause = own?.pause ?? before("pause");
  // With KVM it stands for what is left at the end, which the policy bounds.
  if (whyStoppedFirst(view, vm) === undefined) return { takes, pause };
  if (own?.pause !== undefined) return { takes, pause };
  // It stands still while its memory is copied, and that is not all of its move.
  return { takes, pause: atLeast(pause, memoryMiB, limit) };
}

const farLarger = 2;

/** There is far more to send of it than of any other VM that was moved here. */
function isFarLarger(view: ClusterView, { once }: Durations, vm: VmId): boolean {
  const sizes = [...once].flatMap(([other, { "live-move": moved }]) => {
    return moved === undefined || other === vm || !view.vms.has(other) ? [] : [sizeMiB(view, other)];
  });
  return sizes.length > 0 && sizeMiB(view, vm) > farLarger * Math.max(...sizes);
}

function sizeMiB(view: ClusterView, vm: VmId): number {
  return figureOf(view, vm, "dynamic").memoryMiB + disksMiB(view, vm);
}

function atLeast(duration: Duration, toSendMiB: number, limit: number | null): Duration {
  // Whole milliseconds, as all times: a limit hardly ever divides what there is to send.
  return limit === null ? duration : { ...duration, ms: Math.max(duration.ms, Math.ceil((toSendMiB / limit) * 1_000)) };
}

/** What goes along from the host's own pools; copies that are there already are not sent again. */
function disksMiB(view: ClusterView, id: VmId): number {
  const disks = isCopied(view, id) ? [] : (view.vms.get(id)?.value.spec.disks ?? []);
  const local = disks.filter(({ pool }) => view.pools.get(pool)?.value.kind === "local-dir");
  return local.reduce((sum, { sizeMiB }) => sum + sizeMiB, 0);
}

import type { WallMs } from "../../model/ids.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { Group } from "../../model/replication-records.ts";
import type { ClusterView } from "../../model/view.ts";
import { lastLeftAt, protectionOf, waitsForResume } from "../replication-duty.ts";

/** What of a group somebody chooses besides its VMs; what is left out stays as it is. */
export type GroupOptions = {
  /** MiB in the target's pools for its copies and their recovery points; null: what both have free. */
  readonly quotaMiB?: number | null | undefined;
  /** Whether a copy that was left behind is brought up to date as soon as its host answers. */
  readonly resume?: "automatic" | "manual" | undefined;
};

export function withOptions(group: Group, { quotaMiB, resume }: GroupOptions): Group {
  const { quotaMiB: quotaBefore, manualResume: manualBefore, ...rest } = group;
  const quota = quotaMiB === undefined ? quotaBefore : (quotaMiB ?? undefined);
  const isManual = resume === undefined ? manualBefore === true : resume === "manual";
  return {
    ...rest,
    ...(quota === undefined ? {} : { quotaMiB: quota }),
    ...(isManual ? { manualResume: true as const } : {}),
  };
}

/** The copies themselves have to fit; recovery points come where there is room for them. */
export function refuseQuota(view: ClusterView, { name, vms, quotaMiB }: Group): Refusal | undefined {
  if (quotaMiB === undefined) return undefined;
  const disks = vms.flatMap((vm) => view.vms.get(vm)?.value.spec.disks ?? []);
  const neededMiB = disks.reduce((sum, { sizeMiB }) => sum + sizeMiB, 0);
  return neededMiB <= quotaMiB ? undefined : refuse("group-quota-too-small", { group: name, neededMiB, quotaMiB });
}

/** All that wait for it go on; undefined: none does. Later than any of them was left, whichever clock told that. */
export function resumedGroup(view: ClusterView, group: Group, at: WallMs): Group | undefined {
  const left = group.vms.flatMap((vm) => {
    const to = protectionOf(view, vm)?.to;
    const leftAt = to === undefined ? undefined : lastLeftAt(view, vm, to);
    return to !== undefined && leftAt !== undefined && waitsForResume(view, vm, to, group) ? [leftAt] : [];
  });
  return left.length === 0 ? undefined : { ...group, resumedAt: Math.max(at, ...left.map((one) => one + 1)) as WallMs };
}

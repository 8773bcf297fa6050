import { compareText } from "../../base/order.ts";
import type { RuleId, VmId, WallMs } from "../../model/ids.ts";
import type { HostAffinityRule } from "../../model/rules.ts";

/** A group as configurations before rules had it: hosts for the VMs that name it. */
export type LegacyGroup = {
  readonly name: string;
  readonly hosts: HostAffinityRule["hosts"];
  /** On no other host. */
  readonly restricted: boolean;
  /** Its VMs stay where they are when a better host comes back. */
  readonly nofailback: boolean;
  readonly vms: readonly VmId[];
};

/** What groups mean in today's words. VMs that are not named here keep their own `failback`. */
export type GroupMeaning = {
  readonly rules: readonly HostAffinityRule[];
  readonly failback: ReadonlyMap<VmId, boolean>;
};

/** A rule for hosts for each group that is in use, in order of name: restricted is strict, priorities stay (AF5). */
export function rulesFromGroups(groups: readonly LegacyGroup[], at: WallMs): GroupMeaning {
  const used = groups.filter((group) => group.vms.length > 0).sort((a, b) => compareText(a.name, b.name));
  return {
    rules: used.map(
      (group): HostAffinityRule => ({
        schema: 1,
        id: `ha-group-${group.name}` as RuleId,
        kind: "host-affinity",
        vms: [...new Set(group.vms)].sort(compareText),
        hosts: [...group.hosts],
        strict: group.restricted,
        enabled: true,
        comment: `group ${group.name}`,
        createdAt: at,
      }),
    ),
    failback: new Map(used.flatMap((group) => group.vms.map((vm) => [vm, !group.nofailback] as const))),
  };
}

import { type Refusal, refuse } from "../../model/reason.ts";
import type { Group } from "../../model/replication-records.ts";
import type { ClusterView } from "../../model/view.ts";
import { pointsOf } from "../points.ts";
import { copiesOf, markCopies } from "../replica-removal.ts";
import { keepsBranch } from "../replication-duty.ts";
import { hostName } from "./find.ts";
import type { Sight } from "./sight.ts";

/** `remove`: they go with all that was kept of them. `keep`: their images stay in the pool, and nobody counts on them. */
export type Replicas = "keep" | "remove";

/** One transaction says it of all of them. */
const copiesMax = 100;

/** What becomes of a group's replicas with it. Refused: nobody said it, or something is there that nobody else has. */
export function endOfReplicas(
  view: ClusterView,
  group: Group,
  wanted: Replicas | undefined,
  sight: Sight,
): ({ readonly kind: "marks" } & ReturnType<typeof markCopies>) | Refusal {
  const all = copiesOf(view, group.vms);
  if (wanted === undefined && all.length > 0) return refuse("group-replicas-unsaid", { group: group.name });
  const refused = wanted === "remove" ? whyNeeded(view, group, sight) : undefined;
  if (refused !== undefined) return refused;
  if (all.length > copiesMax)
    return refuse("group-replicas-too-many", { group: group.name, count: all.length, most: copiesMax });
  return { kind: "marks", ...markCopies(view, group.vms, wanted === "remove") };
}

function whyNeeded(view: ClusterView, group: Group, sight: Sight): Refusal | undefined {
  for (const { record } of copiesOf(view, group.vms)) {
    const { vm: id, host } = record.value;
    const vm = view.vms.get(id)?.value.name ?? id;
    const params = { group: group.name, vm, host: hostName(view, host) };
    const kept = pointsOf(view, id).find(({ value }) => value.host === host && value.origin === "branch-kept");
    if (kept !== undefined || keepsBranch(record.value)) return refuse("group-replicas-branch", params);
    const owner = view.owners.get(id)?.value;
    if (owner !== undefined && sight(owner.host) !== "up")
      return refuse("group-replicas-needed", { ...params, lost: hostName(view, owner.host) });
  }
  return undefined;
}

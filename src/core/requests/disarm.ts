import { keys } from "../../model/keys.ts";
import type { Disarm } from "../../model/policy.ts";
import { type Params, refuse } from "../../model/reason.ts";
import type { EventDraft } from "../../model/records.ts";
import type { ClusterView } from "../../model/view.ts";
import { put, remove, transaction, unchanged } from "../transactions.ts";
import { refuseUnreadable } from "./find.ts";
import type { Asked, Planned } from "./plan.ts";

/** From now on nothing is started, moved, restarted or recovered; what is under way is brought to its end first. */
export function planDisarm(view: ClusterView, mode: Disarm["mode"], asked: Asked): Planned {
  const unreadable = refuseUnreadable(view, keys.disarm);
  if (unreadable !== undefined) return unreadable;
  const already = view.disarm?.value;
  if (already !== undefined) return refuse("cluster-disarmed-already", { mode: already.mode, by: already.by.name });
  const record: Disarm = { schema: 1, mode, by: asked.actor, at: asked.at };
  return {
    kind: "plan",
    transaction: transaction([unchanged(keys.disarm, undefined)], [put(keys.disarm, record)]),
    outcome: { kind: "cluster-changed" },
    events: [toldOfCluster("cluster-disarm-requested", { mode }, asked)],
  };
}

export function planArm(view: ClusterView, asked: Asked): Planned {
  const unreadable = refuseUnreadable(view, keys.disarm);
  if (unreadable !== undefined) return unreadable;
  if (view.disarm === undefined) return refuse("cluster-armed-already", {});
  return {
    kind: "plan",
    transaction: transaction([unchanged(keys.disarm, view.disarm)], [remove(keys.disarm)]),
    outcome: { kind: "cluster-changed" },
    events: [toldOfCluster("cluster-arm-requested", {}, asked)],
  };
}

export function toldOfCluster(type: string, params: Params, asked: Asked): EventDraft {
  return { type, subjects: {}, params, reason: null, alternatives: [], actor: asked.actor };
}

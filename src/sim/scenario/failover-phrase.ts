import { must } from "../../base/assert.ts";
import { pointToStartFrom } from "../../core/point-return.ts";
import { pointsOf } from "../../core/points.ts";
import { groupOf } from "../../core/replication-duty.ts";
import { lossesOf, planFailover } from "../../core/requests/failover.ts";
import { planDeleteGroup } from "../../core/requests/groups.ts";
import type { HostId, VmId } from "../../model/ids.ts";
import type { ClusterView } from "../../model/view.ts";
import type { Ask } from "../faults/operator.ts";
import type { PhraseArgs } from "./phrase-words.ts";

type OnHost = Pick<PhraseArgs, "vm" | "hosts">;

export function deleteGroup(replicas: "keep" | "remove"): (args: Pick<PhraseArgs, "rule">) => Ask {
  return ({ rule: group }) =>
    (view, _event, asked) =>
      planDeleteGroup(view, { group, replicas }, asked, () => "up");
}

/** A person reads what would be lost, and accepts just that. */
export function acceptLoss(args: OnHost): Ask {
  return failover(args, () => undefined);
}

/** To the oldest recovery point there. `seen`: what is known of its host; of one that is up the VM is stopped for it. */
export function goBack(seen: "up" | "silent"): (args: OnHost) => Ask {
  const oldest: Choose = (view, vm, host) => {
    const found = pointsOf(view, vm).find(({ value }) => pointToStartFrom(view, vm, host, value.id) !== undefined);
    return found?.value.id ?? "none";
  };
  return (args) => failover(args, oldest, seen);
}

type Choose = (view: ClusterView, vm: VmId, host: HostId) => string | undefined;

function failover({ vm, hosts: [to = ""] }: OnHost, choose: Choose, seen: "up" | "silent" = "silent"): Ask {
  return (view, _event, asked) => {
    const id = `vm:${vm}` as VmId;
    const group = groupOf(view, id)?.name ?? "";
    const request = { group, to, vm, point: choose(view, id, to as HostId) };
    const found = lossesOf(view, request, () => seen, asked.at);
    if (found.kind === "refused") return found;
    const loss = must(found.losses[0], () => `Cannot accept: ${vm} is there`);
    return planFailover(view, loss, [loss.accept], asked);
  };
}

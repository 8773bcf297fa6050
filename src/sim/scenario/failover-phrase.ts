import { must } from "../../base/assert.ts";
import { groupOf } from "../../core/replication-duty.ts";
import { lossesOf, planFailover } from "../../core/requests/failover.ts";
import type { VmId } from "../../model/ids.ts";
import type { Ask } from "../faults/operator.ts";
import type { PhraseArgs } from "./phrase-words.ts";

/** A person reads what would be lost, and accepts just that. */
export function acceptLoss({ vm, hosts: [host = ""] }: PhraseArgs): Ask {
  return (view, _event, asked) => {
    const group = groupOf(view, `vm:${vm}` as VmId)?.name ?? "";
    const found = lossesOf(view, { group, to: host, vm: vm ?? "" }, () => "silent", asked.at);
    if (found.kind === "refused") return found;
    const loss = must(found.losses[0], () => `Cannot accept: ${vm} is there`);
    return planFailover(view, loss, [loss.accept], asked);
  };
}

import type { HostId, VmId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmPlan } from "../../model/move-records.ts";
import type { World } from "../world/world.ts";
import type { Certainty } from "./certainty.ts";
import { type AtRest, eachVmAtRest } from "./each-vm-at-rest.ts";
import type { CheckerKind } from "./kind.ts";

/** PL2, AF4, AF5: in a healed world every VM runs where its rules want it, unless no host that they like better surely takes it. */
export const rulesHold: CheckerKind = {
  rule: "PL2",
  make: (world, fail) => eachVmAtRest(world, fail, whyElsewhere),
};

/** Why a VM that is left to the cluster should long be elsewhere; undefined: it should not, or nobody can be sure. */
function whyElsewhere({ world, rules, certainty }: AtRest, vm: VmId): string | undefined {
  const on = movable(world, certainty, vm);
  if (on === undefined) return undefined;
  const partners = [...rules.team(vm)].filter((other) => other !== vm);
  const others = [...rules.apart(vm)];
  if (![...partners, ...others].every((other) => certainty.isSettled(other))) return undefined;
  const takes = (host: HostId): boolean =>
    certainty.takesVms(host) && certainty.hasRoom(host, vm) && others.every((other) => !certainty.mayBeOn(other, host));
  const number = rules.classOf(vm, on);
  const beside = others.find((other) => certainty.seatOf(other) === on);
  for (const { id } of world.workers()) {
    const better = rules.classOf(vm, id);
    if (id === on || better === undefined || !takes(id)) continue;
    if (number === undefined || better > number) return `${vm} runs on ${on}, and its rules want it on ${id}`;
    if (beside !== undefined) return `${vm} runs on ${on} beside ${beside}, and ${id} would take it`;
    const company = partners.filter((other) => certainty.seatOf(other) === id).length;
    const here = partners.filter((other) => certainty.seatOf(other) === on).length;
    if (better === number && company > here) return `${vm} runs on ${on}, what it belongs with on ${id}`;
  }
  return undefined;
}

/** Where it runs, if the cluster may move it: nobody works on it, and no attempt has failed. */
function movable({ truth }: World, certainty: Certainty, vm: VmId): HostId | undefined {
  const record = truth.vms.get(vm);
  const plan = truth.values.get(keys.vmPlan(vm)) as VmPlan | undefined;
  const wanted = record?.requested === "started" && record.failback && record.lock === null;
  if (!wanted || plan !== undefined || truth.values.has(keys.vmMove(vm)) || !certainty.isSettled(vm)) return undefined;
  const on = certainty.seatOf(vm);
  const failed = truth.owners.get(vm)?.failedHosts ?? [];
  return on !== undefined && failed.length === 0 && certainty.takesVms(on) ? on : undefined;
}

import type { VmId, WallMs } from "../model/ids.ts";
import type { Reason } from "../model/reason.ts";
import type { Group } from "../model/replication-records.ts";
import type { ClusterView } from "../model/view.ts";
import { reason } from "./placement/fitness.ts";
import { groupUseMiB, isQuotaReached, lastTest, pointsOf, tellingTest } from "./points.ts";

/** So many intervals without a point, or a test, are worth a warning. */
const missedMax = 2;

/** Once for the whole group. */
export function quotaTrouble(view: ClusterView, group: Group): readonly Reason[] {
  if (!isQuotaReached(view, group)) return [];
  const params = { group: group.name, usedMiB: groupUseMiB(view, group), quotaMiB: group.quotaMiB ?? 0 };
  return [reason("S20", "group-quota-reached", params)];
}

/** What a group promises of recovery points and does not keep. */
export function pointTroubles(view: ClusterView, group: Group, id: VmId, now: WallMs): readonly Reason[] {
  const { points } = group;
  if (points === null || group.paused.length > 0) return [];
  const vm = view.vms.get(id)?.value.name ?? id;
  const found: Reason[] = [];
  const all = pointsOf(view, id);
  const newest = all.findLast(({ value }) => value.origin === "schedule");
  const since = newest?.value.at ?? group.createdAt;
  if (group.mode.kind === "synchronous" && points.everyMs !== null && now - since > missedMax * points.everyMs)
    found.push(
      reason("S20", "group-points-late", { vm, forS: secondsOf(now - since), everyS: secondsOf(points.everyMs) }),
    );
  const whyCrash = newest?.value.whyCrash;
  if (points.consistency === "application" && whyCrash !== undefined)
    found.push(reason("S20", whyCrash.code, { ...whyCrash.params, vm }));
  if (points.test === null) return found;
  const { everyMs } = points.test;
  const testedAt = lastTest(view, id)?.at ?? all[0]?.value.at ?? now;
  const proof = tellingTest(view, id);
  if (proof?.passed === false) {
    const failed = proof.checks.find(({ passed }) => !passed);
    found.push(reason("S20", "group-test-failed", { vm, point: proof.point, detail: failed?.detail ?? "" }));
  } else if (now - testedAt > missedMax * everyMs)
    found.push(reason("S20", "group-test-late", { vm, forS: secondsOf(now - testedAt), everyS: secondsOf(everyMs) }));
  return found;
}

function secondsOf(ms: number): number {
  return Math.round(ms / 1_000);
}

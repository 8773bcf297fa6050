import { type Admission, admissionOf } from "../../core/admission.ts";
import { knowledgeOf } from "../../core/placement/imagine.ts";
import { hostName, vmName } from "../../core/requests/find.ts";
import type { HostId } from "../../model/ids.ts";
import type { Check } from "../../model/reason.ts";
import type { ClusterView } from "../../model/view.ts";
import type { ClusterStatus } from "../contract/cluster.ts";
import type { Tracker } from "./tracker.ts";

// What it follows from: everything but what changes all the time and moves no VM.
const unrelated = new Set([
  "heartbeat",
  "manager-tick",
  "event",
  "request",
  "task",
  "intent",
  "point",
  "vm-status",
  "host-usage",
]);
/** However much changes: it is worked out in the thread that decides, and a recovery changes something all the time. */
const keptMsMax = 10_000;
const quickMs = 20;
/** One that took 40 ms is kept for 2 s: it never takes more than a fiftieth of the thread's time, and is as fresh as that allows. */
const keptTimes = 50;
type Kept = { readonly stamp: string; readonly at: number; readonly tookMs: number; readonly admission: Admission };
const known = new WeakMap<ClusterView, Kept>();

/** Worked out anew only where a record or a host's silence may have changed it: in a large cluster it takes a while. */
function currentAdmission(view: ClusterView, tracker: Tracker): Admission {
  const up = [...view.hosts.keys()].filter((host) => tracker.contact(host) === "up").sort();
  const changes = [...view.changedAt].filter(([kind]) => !unrelated.has(kind)).map(([, revision]) => revision);
  const stamp = `${Math.max(0, ...changes)} ${up.join()}`;
  const before = known.get(view);
  const now = tracker.wall();
  if (before?.stamp === stamp) return before.admission;
  // What took no time is worked out anew at once: a small cluster is told the truth of this moment.
  if (before !== undefined && before.tookMs > quickMs && now >= before.at && now < before.at + keptMs(before.tookMs))
    return before.admission;
  const admission = admissionOf(view, knowledgeOf(view, new Set<HostId>(up), now));
  known.set(view, { stamp, at: now, tookMs: tracker.wall() - now, admission });
  return admission;
}

function keptMs(tookMs: number): number {
  return Math.min(keptMsMax, keptTimes * tookMs);
}

/** How many host losses the cluster bears, with names for people. */
export function presentAdmission(view: ClusterView, tracker: Tracker): ClusterStatus["admission"] {
  const { counterexample, ...found } = currentAdmission(view, tracker);
  const members = [...view.members.values()].filter(({ value }) => value.role === "host").length;
  const admission = { ...found, members };
  if (counterexample === null) return { ...admission, counterexample };
  const { losing, vm, why, fix } = counterexample;
  return {
    ...admission,
    counterexample: {
      losing: losing.map((host) => hostName(view, host)),
      vm: vm === null ? null : vmName(view, vm),
      why,
      fix,
    },
  };
}

/** Where nothing is wanted started nothing can be lost: no warning. */
export function admissionChecks(view: ClusterView, tracker: Tracker): Check[] {
  if (![...view.vms.values()].some(({ value }) => value.requested === "started")) return [];
  const { bears, wanted, counterexample } = presentAdmission(view, tracker);
  if (bears >= wanted || counterexample === null) return [];
  const params = { bears, wanted, losing: counterexample.losing.join(" and ") };
  return [{ id: "host-losses-not-borne", subject: "cluster", level: "warn", params }];
}

import type { HostId, Incarnation, WallMs } from "../model/ids.ts";
import { type Refusal, refuse } from "../model/reason.ts";
import type { TakeoverPlan } from "../model/takeover-plan.ts";
import { type ClusterView, heartbeatOf } from "../model/view.ts";
import { type OffProof, type Takeover, type TakeoverStep, takeoverSteps } from "./takeover.ts";

// S24: a takeover that was forced is in force; what follows from it may be written by a later daemon of the same host.

export type PlanOf = {
  readonly lost: ReadonlyMap<HostId, OffProof>;
  readonly at: WallMs;
  readonly byItself: boolean;
};

/** By what was read before the store was forced: right after it anybody who booted may register. */
export function planTakeover(view: ClusterView, { lost, at, byItself }: PlanOf): TakeoverPlan {
  const described = [...lost].map(([host, proof]) => {
    const incarnation = view.hosts.get(host)?.value.incarnation ?? null;
    const beat = incarnation === null ? null : (heartbeatOf(view, host, incarnation)?.revision ?? null);
    return { host, proof, incarnation, beat };
  });
  return { schema: 1, at, byItself, lost: described };
}

export function takeoverBy(
  self: HostId,
  { lost, at, byItself }: TakeoverPlan,
): Takeover & Required<Pick<Takeover, "lives">> {
  const lives = new Map<HostId, Incarnation>();
  for (const { host, incarnation } of lost) if (incarnation !== null) lives.set(host, incarnation);
  return { self, lost: new Map(lost.map(({ host, proof }) => [host, proof])), lives, at, byItself };
}

/** All of it is written, and only its mark is left. */
export function isWritten({ cluster }: ClusterView, { at }: TakeoverPlan): boolean {
  const forced = cluster?.value.forced;
  return forced?.at === at && forced.open !== true;
}

/** What stands against writing any of it, by what is there now. */
export type Objection = (view: ClusterView) => Refusal | undefined;

/**
 * What is to be written by what is there now. That is judged anew each time: between the look at it and the deed devices, links and
 * the store's own start took their time, in which whoever was said to be off may be heard (S9, S23).
 */
export function stepsOf(
  view: ClusterView,
  self: HostId,
  plan: TakeoverPlan,
  against: Objection,
): readonly TakeoverStep[] | Refusal {
  return against(view) ?? takeoverSteps(view, takeoverBy(self, plan));
}

/** S23: who is heard since as the life that was lost is not off. */
export function heardSince(view: ClusterView, { lost }: TakeoverPlan): Refusal | undefined {
  for (const { host, incarnation, beat } of lost) {
    if (incarnation === null) continue;
    const heard = heartbeatOf(view, host, incarnation)?.revision ?? null;
    if (heard !== null && heard !== beat) return refuse("takeover-heard-since", { host: nameOf(view, host) });
  }
  return undefined;
}

/**
 * Nobody orders it anew, and whoever was lost may be up again: what was proven of the life before stays proven. Not in a larger
 * cluster, where a life that came since may have let go of VMs by records that the others knew better (S24). Nor where the life
 * itself is heard since, or may be what answers although only somebody's word ended it: then that was not so.
 */
export function whyNotFinished(
  view: ClusterView,
  plan: TakeoverPlan,
  answering: ReadonlyMap<HostId, string>,
): Refusal | undefined {
  const forced = view.cluster?.value.forced;
  // Somebody has ordered it anew, and knows more.
  if (forced !== undefined && forced.at > plan.at) return refuse("takeover-ordered-later", {});
  if (view.members.size !== 2) return refuse("takeover-left-to-you", { members: view.members.size });
  for (const { host, proof, incarnation } of plan.lost) {
    const isSameLife = incarnation !== null && view.hosts.get(host)?.value.incarnation === incarnation;
    const address = answering.get(host);
    if (proof === "word" && isSameLife && address !== undefined)
      return refuse("takeover-word-untrue", { host: nameOf(view, host), address });
  }
  return heardSince(view, plan);
}

function nameOf({ members }: ClusterView, host: HostId): string {
  return members.get(host)?.value.name ?? host;
}

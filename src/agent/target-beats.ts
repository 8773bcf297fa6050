import { derived } from "../core/derived.ts";
import { limits } from "../core/limits.ts";
import type { HostId, InstantMs } from "../model/ids.ts";
import type { Replica } from "../model/replication-records.ts";
import type { ClusterView, Touched } from "../model/view.ts";
import type { AgentState } from "./state.ts";

// Whether a host on which something rests is still heard: the one that a guest is about to be given to, which would own it for
// nothing if it has just died; and the one whose disks a VM has, where its copies here are to go.

/** When this host and those were heard last; nothing is kept while nothing rests on any. */
export function noteBeats(state: AgentState, view: ClusterView, touched: Touched, now: InstantMs): AgentState {
  if (touched.heartbeats.length === 0 && state.beats.size === 0) return state;
  const targets = targetsOf(state, view);
  if (targets.size === 0) return state.beats.size === 0 ? state : { ...state, beats: new Map() };
  const heard = touched.heartbeats.filter(({ host }) => host === state.self || targets.has(host));
  if (heard.length === 0) return state;
  const beats = new Map(state.beats);
  for (const { host } of heard) beats.set(host, now);
  return { ...state, beats };
}

const toRemove = derived(["replica"], (view): readonly Replica[] =>
  [...view.replicas.values()].flatMap(({ value }) => (value.toRemove === true ? [value] : [])),
);

function targetsOf({ locals, self }: AgentState, view: ClusterView): Set<HostId> {
  const targets = new Set<HostId>();
  for (const { run, moving } of locals.values()) {
    const to = moving?.part === "leaving" ? view.moves.get(run.vm)?.value.to : undefined;
    if (to !== undefined) targets.add(to);
  }
  for (const { host, vm } of toRemove(view)) {
    const owner = host === self ? view.owners.get(vm)?.value.host : undefined;
    if (owner !== undefined) targets.add(owner);
  }
  return targets;
}

/**
 * It has not been heard for long, although this host hears itself by the same way: what reaches nobody here says nothing of
 * others (S8). `since`: when its guest began to leave, and others were looked at.
 */
export function isSilent({ beats, self }: AgentState, to: HostId, since: InstantMs | null): boolean {
  const [own, theirs] = [beats.get(self) ?? since, beats.get(to) ?? since];
  return own !== null && theirs !== null && own - theirs > limits.aliveMs;
}

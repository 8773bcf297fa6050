import { assert } from "../base/assert.ts";
import { limits } from "../core/limits.ts";
import { mayGoByHost } from "../core/replication.ts";
import { copiesState } from "../core/replication-duty.ts";
import { type Epoch, type HostId, type Incarnation, type InstantMs, later, type VmId } from "../model/ids.ts";
import type { AloneNote, UnreadableNote } from "../ports/alone-notes.ts";
import type { HypervisorEnd, VmRun } from "../ports/hypervisor.ts";
import type { Building } from "./building.ts";
import { isReplicaWorking, withMirror, withReplicas } from "./note-replicas.ts";
import type { Mirror } from "./replica-state.ts";
import { type AgentEvent, type AgentOp, type AgentState, runKey } from "./state.ts";

// S23: of two hosts that vote, one alone can record nothing. A guest whose copy is away goes on by a note of its own host, and
// nobody but a person takes a copy of which the records say that this may be so (docs/designs/0009).

/** A write has waited for its copy, and the store may take no record of it: noted first, and only then it goes on. */
export function goByHost(building: Building, mirror: Mirror, to: HostId): void {
  const { run } = mirror;
  const { view, wall } = building.happened;
  const { mayNote } = building.state.replicas;
  const isRelayed = mirror.told === "mirror" || mirror.told === "unknown";
  if (!mayNote || !mirror.waits || !isRelayed || mirror.ended) return;
  const { incarnation, epoch } = run;
  if (!mayGoByHost(view, run.vm, { host: building.state.self, incarnation, epoch }, to)) return;
  const key = aloneKey(run.vm);
  if (isReplicaWorking(building.state, key) || isReplicaWorking(building.state, runKey(run), "resync")) return;
  if (!isDue(building, mirror.retryAt) || !isDue(building, building.state.replicas.retries.get(key))) return;
  const known = noteOf(building.state, run);
  if (known?.isThere !== true) {
    const note = known ?? { run, at: wall };
    const op = building.op({ kind: "note-alone", runKey: key });
    building.state = withNote(building.state, { ...note, isThere: false });
    building.effects.push({ kind: "note-alone", op, note: { run: note.run, at: note.at } });
    return;
  }
  assert(known.run.epoch === epoch, () => `Cannot let ${runKey(run)} go on alone: its host has noted another run`);
  const op = building.op({ kind: "go-on-alone", runKey: runKey(run) });
  building.effects.push({ kind: "go-on-alone", op, run });
}

/** What was noted is on record, or of a run that is over: it says nothing any more. */
export function forgetNotes(building: Building): void {
  const { view } = building.happened;
  for (const [vm, note] of building.state.replicas.alone ?? []) {
    if (isReplicaWorking(building.state, aloneKey(vm)) || isUnsaid(building, note)) continue;
    if (!isDue(building, building.state.replicas.retries.get(aloneKey(vm)))) continue;
    const op = building.op({ kind: "forget-alone", runKey: aloneKey(vm) });
    building.effects.push({ kind: "forget-alone", op, note: { run: note.run, at: note.at } });
  }

  function isUnsaid({ state }: Building, { run }: AloneNote): boolean {
    const owner = view.owners.get(run.vm)?.value;
    if (owner?.kind !== "held" || owner.host !== state.self || owner.epoch !== run.epoch) return false;
    return [...view.members.keys()].some((host) => copiesState(view, run.vm, run, host) === "in-sync");
  }
}

/** It goes on without its copies, or may, by what is noted here. */
export function noteOf(state: AgentState, run: Pick<VmRun, "vm" | "epoch">) {
  const note = state.replicas.alone?.get(run.vm);
  return note?.run.epoch === run.epoch ? note : undefined;
}

function isDue(building: Building, at: InstantMs | null | undefined): boolean {
  if (at == null || building.happened.now >= at) return true;
  building.wakeAt(at);
  return false;
}

function aloneKey(vm: VmId): string {
  return `alone ${vm}`;
}

export function noteAlone(
  state: AgentState,
  { runKey: key, kind }: Pick<AgentOp, "runKey" | "kind">,
  end: HypervisorEnd,
  now: InstantMs,
): AgentState {
  const found = [...(state.replicas.alone ?? [])].find(([vm]) => aloneKey(vm) === key)?.[1];
  if (found === undefined) return state;
  const again = later(now, limits.replicaPromptRetryMs);
  if (end.kind !== "done") return withReplicas(state, { retries: new Map(state.replicas.retries).set(key, again) });
  if (kind === "note-alone") return withNote(withoutFigures(state, found.run), { ...found, isThere: true });
  const alone = new Map(state.replicas.alone);
  alone.delete(found.run.vm);
  return withReplicas(state, { alone });
}

/** How far its copy was before says nothing of what it lacks from here on. */
function withoutFigures(state: AgentState, run: VmRun): AgentState {
  const mirror = state.replicas.mirrors.get(runKey(run));
  return mirror === undefined || mirror.told === "alone" ? state : withMirror(state, { ...mirror, progress: null });
}

/** What an earlier agent has noted. What nobody can read has to wait for the records. */
export function noteNotes(state: AgentState, { alone }: Extract<AgentEvent, { kind: "listed" }>): AgentState {
  if (alone === undefined || state.replicas.alone !== null) return state;
  const { notes, unreadable, mayNote } = alone;
  return withReplicas(state, {
    alone: new Map(notes.map((note) => [note.run.vm, { ...note, isThere: true }])),
    unreadable,
    mayNote,
  });
}

/**
 * A note that nobody can read is taken for one of the run that its host has, where the records let that run go by one: so its
 * copy is recorded as left behind, and brought up to date (S23). Where they do not, it says nothing.
 */
export function takeUnreadable(state: AgentState, { view, wall }: Pick<AgentEvent, "view" | "wall">): AgentState {
  const { alone, unreadable } = state.replicas;
  if (!state.synced || alone === null || unreadable.length === 0) return state;
  const found = new Map(alone);
  for (const { vm, at } of unreadable === "all" ? unsaidRuns().map(sinceItRuns) : unreadable) {
    const run = unsaidRuns().find((one) => one.vm === vm);
    found.set(vm, { run: run ?? { vm, incarnation: 0 as Incarnation, epoch: 0 as Epoch }, at, isThere: true });
  }
  return withReplicas(state, { alone: found, unreadable: [] });

  function unsaidRuns(): readonly VmRun[] {
    return [...view.owners].flatMap(([vm, { value }]) => {
      if (value.kind !== "held" || value.host !== state.self) return [];
      const { incarnation, epoch } = value;
      const hosts = [...view.members.keys()];
      return hosts.some((host) => mayGoByHost(view, vm, value, host)) ? [{ vm, incarnation, epoch }] : [];
    });
  }

  function sinceItRuns({ vm, epoch }: VmRun): UnreadableNote {
    const status = view.statuses.get(vm)?.value;
    return { vm, at: status?.epoch === epoch ? status.since : wall };
  }
}

function withNote(state: AgentState, note: AloneNote & { readonly isThere: boolean }): AgentState {
  return withReplicas(state, { alone: new Map(state.replicas.alone).set(note.run.vm, note) });
}

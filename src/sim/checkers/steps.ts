import { stepAgent } from "../../agent/agent.ts";
import type { AgentEvent, AgentState } from "../../agent/state.ts";
import { type SeededRandom, seededRandom } from "../../base/random.ts";
import { isSame } from "../../base/same.ts";
import { step as stepHeart } from "../../heart/heart.ts";
import { stepManager } from "../../manager/manager.ts";
import type { ManagerEvent, ManagerState, ManagerStep } from "../../manager/state.ts";
import type { Revision, StoreKey } from "../../model/ids.ts";
import { keys, parseKey } from "../../model/keys.ts";
import type { Change, Transaction } from "../../model/transaction.ts";
import { applyChanges, type ClusterView } from "../../model/view.ts";
import type { World } from "../world/world.ts";
import type { StepChecks } from "./checker.ts";

/** Every step that decides is looked at; of those that look around, beat or set a timer, one in this many. */
const waitingEvery = 60;
/** And of those that do nothing at all, and that are nine in ten. */
const idleEvery = 600;
/** The heart takes some events with each beat, and mostly the same. */
const heartEvery = 17;
const looksAround: readonly string[] = ["wake-at", "alive", "list", "read", "list-points", "measure"];

/** STEP: deciding twice gives the same, the order of maps does not matter, and the result of a decision needs no other. */
export function stepChecks(world: World): StepChecks {
  const random = world.random.for("step checks");
  const due = sampler();
  const fail = (text: string): void => world.fail("STEP", text);
  return {
    forDaemon: (host) => ({
      manager: (state, event) => {
        const step = stepManager(state, event);
        if (!due(step.effects)) return step;
        const text = JSON.stringify(step.effects);
        const other = stepManager(shuffleState(state, random), { ...event, view: shuffleView(event.view, random) });
        if (JSON.stringify(other.effects) !== text)
          fail(whyOther(`manager of ${host.id}`, text, stepManager(state, event), other));
        checkFixedPoint(state, event, step, random, (problem) => fail(`manager of ${host.id} ${problem}`));
        return step;
      },
      agent: (state, event) => {
        const step = stepAgent(state, event);
        if (!due(step.effects)) return step;
        const text = JSON.stringify(step.effects);
        const shuffled: AgentEvent = { ...event, view: shuffleView(event.view, random) };
        const other = stepAgent(shuffleAgent(state, random), shuffled);
        if (JSON.stringify(other.effects) !== text)
          fail(whyOther(`agent of ${host.id}`, text, stepAgent(state, event), other));
        return step;
      },
    }),
    forHeart: (host) => {
      let steps = 0;
      return (state, event) => {
        const step = stepHeart(state, event);
        if (++steps % heartEvery !== 0) return step;
        // It has no view and few maps; what it remembers of the step counts as much as what it does.
        if (!isSame(stepHeart(state, event), step)) fail(`heart of ${host.id} decides twice differently`);
        return step;
      };
    },
  };
}

/** What decides twice differently does so on shuffled input as well: only where that shows is the very same tried again. */
function whyOther(who: string, text: string, again: Decided, other: Decided): string {
  if (JSON.stringify(again.effects) !== text) return `${who} decides twice differently`;
  return `${who}: the order of input matters: ${text} ${JSON.stringify(other.effects)}`;
}

/** Every decision is made on views and states whose maps were shuffled. */
export function shuffledSteps(seed: string): StepChecks {
  const random = seededRandom(seed);
  const shuffled = onceEach(random);
  return {
    forHeart: () => stepHeart,
    forDaemon: () => ({
      manager: (state, event) => stepManager(shuffleState(state, random), { ...event, view: shuffled(event.view) }),
      agent: (state, event) => stepAgent(shuffleAgent(state, random), { ...event, view: shuffled(event.view) }),
    }),
  };
}

/** A view stays the same until its revision is another one: shuffled once, for all who look at it meanwhile. */
function onceEach(random: SeededRandom): (view: ClusterView) => ClusterView {
  const known = new WeakMap<ClusterView, ClusterView>();
  return (view) => {
    const last = known.get(view);
    if (last?.revision === view.revision) return last;
    const next = shuffleView(view, random);
    known.set(view, next);
    return next;
  };
}

type Moment = Pick<ManagerEvent, "now" | "wall" | "view"> & { readonly revision: Revision };
type CommitEffect = Extract<ManagerStep["effects"][number], { readonly kind: "commit" }>;
type Decided = { readonly effects: readonly unknown[] };
type Effect = { readonly kind: string; readonly transaction?: Transaction };

function sampler(): (effects: readonly Effect[]) => boolean {
  let idle = 0;
  let waiting = 0;
  return (effects) => {
    if (effects.length === 0) return ++idle % idleEvery === 0;
    return effects.some(decides) || ++waiting % waitingEvery === 0;
  };
}

/** The manager's beat is the same every second. */
function decides({ kind, transaction }: Effect): boolean {
  if (transaction !== undefined) return transaction.writes.some(({ key }) => key !== keys.managerTick);
  return !looksAround.includes(kind);
}

/** What was decided, done: the same subjects are then at rest. */
function checkFixedPoint(
  state: ManagerState,
  event: ManagerEvent,
  step: ManagerStep,
  random: SeededRandom,
  fail: (problem: string) => void,
): void {
  const mine = step.effects.flatMap((effect) => {
    if (effect.kind !== "commit" || state.pending.has(effect.id)) return [];
    return step.state.pending.get(effect.id)?.kind === "decision" ? [effect] : [];
  });
  if (mine.length === 0) return;
  const view = shuffleView(event.view, random);
  let current = step.state;
  let { revision } = event.view;
  const { now, wall } = event;
  for (const effect of mine) {
    revision = (revision + 1) as Revision;
    const touched = applyChanges(view, changesOf(effect.transaction, revision), revision);
    current = stepManager(current, { kind: "changed", touched, now, wall, view }).state;
  }
  const written = new Set(mine.flatMap((effect) => effect.transaction.writes.map((write) => write.key)));
  for (const effect of mine) {
    const end = { kind: "committed", revision } as const;
    const after = stepManager(current, { kind: "commit-ended", id: effect.id, end, now, wall, view });
    current = after.state;
    for (const next of after.effects) {
      if (next.kind !== "commit") continue;
      const again = next.transaction.writes.find(
        ({ key }) =>
          written.has(key) &&
          !key.startsWith("/fence/") &&
          !isOrdered(next.transaction, key) &&
          !hasArrived(event.view, key) &&
          !(
            isCalledOff(mine, key) &&
            isSettledBy(current, next, key, { now, wall, revision, view: shuffleView(view, random) })
          ),
      );
      if (again !== undefined) fail(`writes ${again.key} again on the result of its own decision`);
    }
  }
}

/** A person's order waited for the end of the move, and goes with the next one that it begins (HM1): that is no second thought. */
function isOrdered({ writes }: Transaction, key: StoreKey): boolean {
  const name = parseKey(key);
  const isOfMoves = name.kind === "vm-move" || name.kind === "vm-plan";
  return isOfMoves && writes.some((one) => one.kind === "delete" && one.key === keys.vmOrder(name.vm));
}

/** It was handed over, and its lost source kept it from moving on; once that is proven gone its rules count again (S15, PL2). */
function hasArrived(view: ClusterView, key: StoreKey): boolean {
  const name = parseKey(key);
  const move = name.kind === "vm-move" ? view.moves.get(name.vm)?.value : undefined;
  return move?.live?.kind === "switched" && view.owners.get(move.vm)?.value.host === move.to;
}

/**
 * HM2: a move that somebody's wish ended is called off, and that is told by itself. The next one may begin at once, where the wish
 * is over by then, or to another host; it must not be called off in its turn.
 */
function isCalledOff(decided: readonly CommitEffect[], key: StoreKey): boolean {
  const name = parseKey(key);
  if (name.kind !== "vm-move" && name.kind !== "vm-plan") return false;
  return decided.some(({ events }) =>
    events.some(({ type, subjects }) => type === "vm-move-called-off" && subjects.vm === name.vm),
  );
}

/** What is decided next is done, and nobody thinks of the key any more. The view is this one's own. */
function isSettledBy(state: ManagerState, next: CommitEffect, key: StoreKey, moment: Moment): boolean {
  const { now, wall, view } = moment;
  const revision = (moment.revision + 1) as Revision;
  const touched = applyChanges(view, changesOf(next.transaction, revision), revision);
  const seen = stepManager(state, { kind: "changed", touched, now, wall, view });
  const end = { kind: "committed", revision } as const;
  const after = stepManager(seen.state, { kind: "commit-ended", id: next.id, end, now, wall, view });
  const decided = [...seen.effects, ...after.effects].filter((effect) => effect.kind === "commit");
  return !decided.some(({ transaction }) => transaction.writes.some((write) => write.key === key));
}

function changesOf(transaction: Transaction, revision: Revision): Change[] {
  return transaction.writes.map((write) => ({ ...write, revision }));
}

function shuffle<K, V>(map: ReadonlyMap<K, V>, random: SeededRandom): Map<K, V> {
  if (map.size < 2) return new Map(map);
  const left = [...map.keys()];
  const shuffled = new Map<K, V>();
  for (let size = left.length; size > 0; size--) {
    const at = random.below(size);
    const key = left[at] as K;
    left[at] = left[size - 1] as K;
    shuffled.set(key, map.get(key) as V);
  }
  return shuffled;
}

/** Of its own in every map, whatever is added to views: what is tried on this one must not be seen in the other. */
function shuffleView(view: ClusterView, random: SeededRandom): ClusterView {
  const nested = (map: ReadonlyMap<unknown, unknown>): Map<unknown, unknown> => {
    const outer = shuffle(map, random);
    for (const [key, one] of outer) if (one instanceof Map) outer.set(key, shuffle(one, random));
    return outer;
  };
  const shuffled = Object.entries(view).map(([name, value]) => [name, value instanceof Map ? nested(value) : value]);
  const { first, ids } = view.vmChanges;
  return { ...(Object.fromEntries(shuffled) as ClusterView), vmChanges: { first, ids: [...ids] } };
}

function shuffleState(state: ManagerState, random: SeededRandom): ManagerState {
  return {
    ...state,
    contacts: shuffle(state.contacts, random),
    fencesSeenAt: shuffle(state.fencesSeenAt, random),
    failuresSeenAt: shuffle(state.failuresSeenAt, random),
    turns: shuffle(state.turns, random),
    devices: shuffle(state.devices, random),
    announced: shuffle(state.announced, random),
  };
}

function shuffleAgent(state: AgentState, random: SeededRandom): AgentState {
  const { replicas, points } = state;
  return {
    ...state,
    locals: shuffle(state.locals, random),
    restarts: shuffle(state.restarts, random),
    moveEnds: shuffle(state.moveEnds, random),
    arrivals: shuffle(state.arrivals, random),
    beats: shuffle(state.beats, random),
    imageEnds: shuffle(state.imageEnds, random),
    replicas: {
      ...replicas,
      mirrors: shuffle(replicas.mirrors, random),
      receiving: shuffle(replicas.receiving, random),
      cycled: shuffle(replicas.cycled, random),
    },
    points: {
      ...points,
      found: shuffle(points.found, random),
      taken: shuffle(points.taken, random),
      answers: shuffle(points.answers, random),
      proofs: shuffle(points.proofs, random),
    },
  };
}

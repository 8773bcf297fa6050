import type { HostId, VmId } from "../../model/ids.ts";
import { lostVms, vmIndex } from "../vm-index.ts";
import { type Waiting, waitsToLeave } from "../waits-to-leave.ts";
import { Ahead, type Present } from "./ahead.ts";
import type { Step } from "./durations.ts";
import { type Deed, deedsOf, runsOn } from "./hosts.ts";
import { moveTime } from "./move-time.ts";

/** One VM's way, in milliseconds from the beginning. */
export type Course = {
  /** When it stopped executing where it was; null: it did not. */
  stoppedMs: number | null;
  /** When it executed again, and where. */
  runsMs: number | null;
  on: HostId | null;
  /** It went while it ran, and stood still for so long meanwhile; null: it did not go so. */
  pauseMs: number | null;
  /** Steps that its times are made of. */
  readonly restsOn: Set<Step>;
  /** Steps that it took whose length is a guess: nothing of the kind was ever measured here. */
  readonly guessed: Set<Step>;
};

export type Played = { readonly ahead: Ahead; readonly courses: ReadonlyMap<VmId, Course> };

/** What has not come to rest by then, and nobody does anything, waits for something that nobody foresees. */
const horizonMs = 600_000;
const roundsMax = 10_000;

type Running = Deed & { readonly atMs: number };

/**
 * How the cluster goes on from `present` after `begin`, with nothing else happening: the manager's decisions and what hosts
 * do upon them, in turn, until nothing is left to do (FC1), or until so many turns are over.
 */
export function playForward(present: Present, begin: (ahead: Ahead) => void, turnsMax = roundsMax): Played {
  const ahead = new Ahead(present);
  const courses = new Courses(ahead);
  begin(ahead);
  const underWay = new Map<string, Running>();
  const done = new Set<string>();
  let idleSinceMs = 0;
  for (let rounds = 0; rounds < turnsMax; rounds++) {
    const { settled, wakeAfterMs } = ahead.decide();
    for (const deed of deedsOf(ahead)) {
      if (underWay.has(deed.key) || done.has(deed.key)) continue;
      underWay.set(deed.key, { ...deed, atMs: ahead.elapsedMs + deed.takes.ms });
      courses.begun(deed);
    }
    if (!settled) continue;
    const next = [...underWay.values()].sort((a, b) => a.atMs - b.atMs || (a.key < b.key ? -1 : 1))[0];
    const wakesMs = isAtRest(ahead) ? Number.POSITIVE_INFINITY : wakeAfterMs;
    const nextMs = Math.min(next?.atMs ?? Number.POSITIVE_INFINITY, wakesMs, ahead.fenceAfterMs());
    // What is under way comes to its end, however long it takes: a large disk at a narrow limit is sent for hours.
    if (nextMs === Number.POSITIVE_INFINITY || (next === undefined && nextMs > idleSinceMs + horizonMs)) break;
    ahead.passTo(nextMs);
    if (next === undefined || next.atMs > nextMs) continue;
    underWay.delete(next.key);
    done.add(next.key);
    idleSinceMs = ahead.elapsedMs;
    courses.waited(next);
    next.end(ahead);
    courses.ended(next);
  }
  return { ahead, courses: courses.all };
}

/** Nobody waits for anything that a later look could decide, fences aside. */
function isAtRest(ahead: Ahead): boolean {
  const { view } = ahead;
  const nothingMoves = view.moves.size === 0 && lostVms(view).length === 0 && vmIndex(view).unsettled.size === 0;
  return nothingMoves && !waitsToLeave(view, ahead.known().wall).some(({ waits }) => isDated(waits));
}

/** A move that failed, and is tried again at a time that is known. */
function isDated({ params }: Waiting["waits"]): boolean {
  return typeof params["againWall"] === "number";
}

class Courses {
  readonly all = new Map<VmId, Course>();
  readonly #ahead: Ahead;

  constructor(ahead: Ahead) {
    this.#ahead = ahead;
  }

  begun({ vm, step }: Deed): void {
    if (vm === null) return;
    const course = this.#of(vm);
    if (step === "stop") course.stoppedMs ??= this.#ahead.elapsedMs;
    if (step !== "live-move") return;
    const { pause } = moveTime(this.#ahead.view, this.#ahead.durations, vm);
    course.pauseMs = (course.pauseMs ?? 0) + pause.ms;
    course.restsOn.add("pause");
    if (pause.samples === 0) course.guessed.add("pause");
  }

  /** Before its end stands in the records. */
  waited({ awaitedBy, step, takes }: Deed): void {
    for (const vm of awaitedBy(this.#ahead)) {
      const { restsOn, guessed } = this.#of(vm);
      restsOn.add(step);
      if (takes.samples === 0) guessed.add(step);
    }
  }

  ended({ vm, step }: Deed): void {
    if (vm === null || (step !== "start" && step !== "live-move")) return;
    const course = this.#of(vm);
    course.runsMs = this.#ahead.elapsedMs;
    course.on = runsOn(this.#ahead.view, vm) ?? null;
  }

  #of(vm: VmId): Course {
    const known = this.all.get(vm);
    if (known !== undefined) return known;
    const nothing = { stoppedMs: null, runsMs: null, on: null, pauseMs: null };
    const course: Course = { ...nothing, restsOn: new Set(), guessed: new Set() };
    this.all.set(vm, course);
    return course;
  }
}

import { refuse } from "../../model/reason.ts";
import type { Hypervisor, HypervisorEnd, RunningVm, StartRequest, VmEvent, VmRun } from "../../ports/hypervisor.ts";
import type {
  GuestHealth,
  IncomingEnd,
  IncomingRequest,
  Migration,
  MoveEvent,
  OutgoingRequest,
} from "../../ports/migration.ts";
import type { SimHost } from "../world/host.ts";
import type { Life } from "../world/process.ts";
import type { HaBehaviour, HaScenario } from "./format.ts";
import type { ActionName } from "./result.ts";

/** How long a start takes that fails as the file wants. */
const failsAfterMs = 200;

/** What the machines of a scenario need of the rest of it. */
export type Script = {
  readonly guests: Guests;
  /** Told of everything that an agent asks of its machine. */
  readonly tell: (host: SimHost, sid: string, action: ActionName) => void;
  /** A move of it is under way: what it is stopped for. */
  readonly isMoving: (sid: string) => boolean;
};

/** The guests of a scenario: what they do wrong when they are started or moved, as the file says. */
export class Guests {
  readonly #behaviours = new Map<string, HaBehaviour>();
  readonly #failedStarts = new Map<string, number>();
  readonly #failedMoves = new Map<string, number>();

  constructor(scenario: HaScenario) {
    for (const { sid, behaviour } of scenario.resources) if (behaviour !== null) this.#behaviours.set(sid, behaviour);
  }

  /** A start is being tried: whether it fails. A success ends the row of failures. */
  failsToStart(sid: string, host: string): boolean {
    const behaviour = this.#behaviours.get(sid);
    if (behaviour === undefined || (behaviour.onlyOnNode !== null && behaviour.onlyOnNode !== host)) return false;
    return oneMore(this.#failedStarts, sid, behaviour.startFailuresBeforeSuccess);
  }

  /** A move is being tried: whether it fails. */
  failsToMove(sid: string): boolean {
    return oneMore(this.#failedMoves, sid, this.#behaviours.get(sid)?.migrateFailuresBeforeSuccess ?? 0);
  }

  failsToStop(sid: string): boolean {
    return this.#behaviours.get(sid)?.stopAlwaysFails === true;
  }
}

/** Counts a failure in a row as long as there are fewer than `most`. */
function oneMore(counts: Map<string, number>, sid: string, most: number): boolean {
  const before = counts.get(sid) ?? 0;
  counts.set(sid, before < most ? before + 1 : 0);
  return before < most;
}

/** A host's hypervisor whose guests behave as the file wants, and that tells what it was asked for. */
export class ScriptedHypervisor implements Hypervisor, Migration {
  readonly #host: SimHost;
  readonly #life: Life;
  readonly #inner: Hypervisor & Migration;
  readonly #script: Script;

  constructor(host: SimHost, life: Life, inner: Hypervisor & Migration, script: Script) {
    this.#host = host;
    this.#life = life;
    this.#inner = inner;
    this.#script = script;
  }

  get accel(): "kvm" | "tcg" {
    return this.#inner.accel;
  }

  start(request: StartRequest, done: (end: HypervisorEnd) => void): void {
    const { vm } = request.run;
    const { guests, tell } = this.#script;
    tell(this.#host, vm, "start.begin");
    const ends = (end: HypervisorEnd): void => {
      tell(this.#host, vm, end.kind === "done" ? "start.ok" : "start.fail");
      done(end);
    };
    if (!guests.failsToStart(vm, this.#host.id)) this.#inner.start(request, ends);
    else this.#life.after(failsAfterMs, () => ends(refuse("vm-start-failed", { vm, detail: "as the scenario wants" })));
  }

  stop(run: VmRun, graceMs: number, done: (end: HypervisorEnd) => void): void {
    const { guests, tell, isMoving } = this.#script;
    const fails = (ends: (end: HypervisorEnd) => void): void =>
      this.#life.after(failsAfterMs, () => ends({ kind: "unknown", cause: "as the scenario wants" }));
    // Here a move begins with the stop of what moves: that is where one fails, and nothing has happened then.
    if (isMoving(run.vm) && guests.failsToMove(run.vm)) {
      fails(done);
      return;
    }
    tell(this.#host, run.vm, "stop.begin");
    const ends = (end: HypervisorEnd): void => {
      tell(this.#host, run.vm, end.kind === "done" ? "stop.ok" : "stop.fail");
      done(end);
    };
    if (guests.failsToStop(run.vm)) fails(ends);
    else this.#inner.stop(run, graceMs, ends);
  }

  halt(run: VmRun, graceMs: number, done: (end: HypervisorEnd) => void): void {
    this.#inner.halt(run, graceMs, done);
  }

  kill(run: VmRun, done: (end: HypervisorEnd) => void): void {
    this.#inner.kill(run, done);
  }

  reset(run: VmRun, done: (end: HypervisorEnd) => void): void {
    this.#inner.reset(run, done);
  }

  adopt(run: VmRun, as: VmRun, done: (end: HypervisorEnd) => void): void {
    this.#inner.adopt(run, as, done);
  }

  list(done: (runs: readonly RunningVm[]) => void): void {
    this.#inner.list(done);
  }

  listen(listener: (event: VmEvent) => void): void {
    this.#inner.listen(listener);
  }

  prepareIncoming(request: IncomingRequest, done: (end: IncomingEnd) => void): void {
    this.#inner.prepareIncoming(request, done);
  }

  migrateOut(run: VmRun, request: OutgoingRequest, done: (end: HypervisorEnd) => void): void {
    const fails = refuse("move-broke-off", { vm: run.vm, detail: "as the scenario wants" });
    if (this.#script.guests.failsToMove(run.vm)) this.#life.after(failsAfterMs, () => done(fails));
    else this.#inner.migrateOut(run, request, done);
  }

  cancelOut(run: VmRun, done: (end: HypervisorEnd) => void): void {
    this.#inner.cancelOut(run, done);
  }

  switchOver(run: VmRun, done: (end: HypervisorEnd) => void): void {
    this.#inner.switchOver(run, done);
  }

  completeIncoming(run: VmRun, limitMs: number, done: (end: HypervisorEnd) => void): void {
    this.#inner.completeIncoming(run, limitMs, done);
  }

  abandonIncoming(run: VmRun, done: (end: HypervisorEnd) => void): void {
    this.#inner.abandonIncoming(run, done);
  }

  checkGuest(run: VmRun, done: (health: GuestHealth) => void): void {
    this.#inner.checkGuest(run, done);
  }

  watchMoves(listener: (event: MoveEvent) => void): void {
    this.#inner.watchMoves(listener);
  }
}

import { type Incarnation, type InstantMs, later } from "../model/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { Guard, GuardListener, GuardName, GuardSays } from "../ports/guard.ts";
import type { SimTree } from "./guard-tree.ts";

// A guard on virtual ports: guard/holdfast-guard.c as the simulator needs it, held to the same contract suite
// (test/contracts/guard-suite.ts). One clock stands for the two of S3.

export type SimGuardOptions = {
  readonly name: GuardName;
  readonly clock: Clock;
  readonly tree: SimTree;
  readonly deadlineMs: number;
  readonly marginMs: number;
  /** How long a freeze takes from the deadline on; it must stay below M. */
  readonly freezeMs: () => number;
  /** Kills everything below the levels: the last resort (S5). */
  readonly killAll: () => void;
  /** Told of each stamp at the moment at which it is made. */
  readonly stamped?: (stamp: number) => void;
};

/** One guard process, to be started, killed, stopped and continued like the real one. */
export interface SimGuard {
  start(): void;
  /** SIGKILL: what it holds in memory is gone; cgroups and files stay. */
  kill(): void;
  /** SIGTERM: freezes and leaves the deadline file. */
  terminate(): void;
  /** SIGSTOP and SIGCONT: what is sent meanwhile waits. */
  pause(): void;
  resume(): void;
  /** A new connection replaces the old one; a guard that is not there is `lost` at once. */
  connect(listener: GuardListener): Guard & { readonly close: () => void };
}

const stampsMax = 64;
/** How long the kernel has for a freeze. */
const verifyMs = 300;
const lookAgainMs = 20;

type Connection = { readonly listener: GuardListener; open: boolean };
type Memory = {
  incarnation: Incarnation | null;
  deadline: InstantMs | null;
  ready: boolean;
  lastStamp: number;
  readonly stamps: Map<number, InstantMs>;
};

class SimGuardProcess implements SimGuard {
  readonly #options: SimGuardOptions;
  #memory: Memory | null = null;
  #paused = false;
  /** It waits for the end of a freeze and hears nothing. */
  #verifying = false;
  #held: (() => void)[] = [];
  #connection: Connection | null = null;
  /** When the freeze is due, and the timer that looks for it: never later. */
  #freezeAt: InstantMs | undefined;
  #watchesAt: InstantMs | undefined;
  #cancelWake = (): void => {};

  constructor(options: SimGuardOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, tree, name, deadlineMs } = this.#options;
    const file = tree.files.get(name);
    // Farther away than any stamp of this guard could put it: of a longer D, and none of this one's (S4, S7).
    const isTooFar = (file?.deadline ?? 0) > later(clock.now(), deadlineMs);
    const mine: Memory = {
      incarnation: file?.incarnation ?? null,
      deadline: isTooFar ? null : (file?.deadline ?? null),
      ready: false,
      lastStamp: 0,
      stamps: new Map(),
    };
    this.#memory = mine;
    // A valid deadline permits what runs to go on; what stands still waits for the next heartbeat.
    if (this.#isFrozen() || this.#hasPassed(mine.deadline)) this.#freeze(mine.deadline ?? clock.now());
    this.#watchDeadline(mine);
  }

  kill(): void {
    this.#memory = null;
    this.#paused = false;
    this.#verifying = false;
    this.#held = [];
    this.#unwatch();
    this.#disconnect();
  }

  terminate(): void {
    this.#doNow(() => {
      this.#options.tree.frozenLevels.add(this.#options.name);
      this.kill();
    });
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    if (this.#verifying) return;
    if (this.#memory !== null) this.#expire(this.#memory);
    for (const act of this.#held.splice(0)) act();
  }

  connect(listener: GuardListener): Guard & { readonly close: () => void } {
    const mine: Connection = { listener, open: true };
    this.#disconnect();
    this.#connection = mine;
    if (this.#memory === null) this.#disconnect();
    else this.#hear(mine, (memory) => this.#greet(memory));
    return {
      name: this.#options.name,
      incarnation: (incarnation) => this.#hear(mine, (memory) => this.#onIncarnation(memory, incarnation)),
      stamp: (stamp) => this.#hear(mine, (memory) => this.#onStamp(memory, stamp)),
      committed: (stamp) => this.#hear(mine, (memory) => this.#onCommitted(memory, stamp)),
      freeze: () => this.#hear(mine, (memory) => this.#stopCounting(memory)),
      close: () => {
        mine.open = false;
        if (this.#connection === mine) this.#connection = null;
      },
    };
  }

  /** An answer never comes from within the command, as over a socket. */
  #say(says: GuardSays): void {
    const { clock, name } = this.#options;
    const to = this.#connection;
    if (to === null) return;
    clock.wakeAt(clock.now(), () => {
      if (to.open) to.listener(name, says);
    });
  }

  #disconnect(): void {
    const { clock, name } = this.#options;
    const was = this.#connection;
    this.#connection = null;
    if (was === null) return;
    clock.wakeAt(clock.now(), () => {
      if (was.open) was.listener(name, { kind: "lost" });
      was.open = false;
    });
  }

  #greet(memory: Memory): void {
    const { deadlineMs, marginMs } = this.#options;
    memory.ready = false;
    forgetStamps(memory); // a new heart counts its stamps anew
    const { incarnation } = memory;
    this.#say({ kind: "hello", deadlineMs, marginMs, incarnation, frozen: this.#isFrozen(), watchdog: false });
  }

  /** A stopped process does it when it is continued. */
  #doNow(act: () => void): void {
    if (this.#paused || this.#verifying) this.#held.push(act);
    else act();
  }

  #hear(from: Connection, act: (memory: Memory) => void): void {
    this.#doNow(() => {
      if (this.#memory === null || this.#connection !== from) return;
      this.#expire(this.#memory); // first the deadline, then everything else
      act(this.#memory);
    });
  }

  #isFrozen(): boolean {
    return this.#options.tree.frozenLevels.has(this.#options.name);
  }

  #hasPassed(at: InstantMs | null): boolean {
    return at === null || this.#options.clock.now() >= at;
  }

  #freeze(due: InstantMs): void {
    const { tree, name } = this.#options;
    if (tree.sticking.size > 0) {
      this.#awaitFreeze(due);
      return;
    }
    tree.frozenLevels.add(name);
    this.#sayFrozen(due, true);
  }

  #sayFrozen(due: InstantMs, verified: boolean): void {
    const latenessMs = Math.max(0, this.#options.clock.now() - due);
    this.#say({ kind: "frozen", latenessMs, verified, inFlight: 0 });
  }

  /** S5: what the kernel does not confirm in time is killed. */
  #awaitFreeze(due: InstantMs): void {
    const { clock, tree, name, killAll } = this.#options;
    const memory = this.#memory;
    this.#verifying = true;
    clock.wakeAt(later(clock.now(), verifyMs), () => {
      if (this.#memory !== memory) return;
      this.#verifying = false;
      const verified = this.#standsStill();
      tree.frozenLevels.add(name);
      if (!verified) killAll();
      this.#sayFrozen(due, verified);
      if (!verified) this.#lookAgain(memory, due);
      for (const act of this.#held.splice(0)) act();
    });
  }

  /** Killed processes that have ended make a freeze complete afterwards. */
  #lookAgain(memory: Memory | null, due: InstantMs): void {
    const { clock } = this.#options;
    clock.wakeAt(later(clock.now(), lookAgainMs), () => {
      if (this.#memory !== memory || !this.#isFrozen()) return;
      if (this.#standsStill()) this.#sayFrozen(due, true);
      else this.#lookAgain(memory, due);
    });
  }

  #standsStill(): boolean {
    const { sticking, folders } = this.#options.tree;
    return sticking.size === 0 || [...folders.values()].every((folder) => folder.runs.size === 0);
  }

  /** A deadline moves on with each heartbeat: the timer stays, and looks again when it is over. */
  #watchDeadline(memory: Memory): void {
    if (memory.deadline === null || this.#isFrozen()) {
      this.#unwatch();
      return;
    }
    const due = later(memory.deadline, this.#options.freezeMs());
    this.#freezeAt = due;
    if (this.#watchesAt === undefined || this.#watchesAt > due) this.#watch(memory, due);
  }

  #watch(memory: Memory, at: InstantMs): void {
    this.#cancelWake();
    this.#watchesAt = at;
    const { clock } = this.#options;
    this.#cancelWake = clock.wakeAt(at, () => {
      this.#watchesAt = undefined;
      if (this.#freezeAt !== undefined && clock.now() < this.#freezeAt) this.#watch(memory, this.#freezeAt);
      else this.#doNow(() => this.#expire(memory));
    });
  }

  #unwatch(): void {
    this.#freezeAt = undefined;
    this.#watchesAt = undefined;
    this.#cancelWake();
  }

  #expire(memory: Memory): void {
    if (this.#memory !== memory || this.#isFrozen() || memory.deadline === null) return;
    if (this.#hasPassed(memory.deadline)) this.#freeze(memory.deadline);
  }

  #save(memory: Memory): void {
    const { tree, name } = this.#options;
    if (memory.incarnation === null) return;
    tree.files.set(name, { incarnation: memory.incarnation, deadline: memory.deadline });
  }

  #stopCounting(memory: Memory): void {
    memory.deadline = null;
    forgetStamps(memory);
    this.#save(memory);
    this.#freeze(this.#options.clock.now());
  }

  /** Freezes each folder of another incarnation by its own switch and removes the empty ones: how many hold runs. */
  #freezeOthers(memory: Memory): number {
    const { folders } = this.#options.tree;
    let leftovers = 0;
    for (const [incarnation, folder] of folders) {
      if (incarnation === memory.incarnation) continue;
      folder.frozen = true;
      if (folder.runs.size === 0) folders.delete(incarnation);
      else leftovers++;
    }
    return leftovers;
  }

  #onIncarnation(memory: Memory, incarnation: Incarnation): void {
    memory.ready = false;
    const failed = (cause: string): void =>
      this.#say({ kind: "incarnation", incarnation, ok: false, cause, leftovers: 0 });
    if (incarnation < (memory.incarnation ?? 0)) {
      failed(`it is older than ${memory.incarnation}`);
      return;
    }
    if (incarnation !== memory.incarnation) {
      memory.incarnation = incarnation;
      this.#stopCounting(memory);
    }
    const leftovers = this.#freezeOthers(memory);
    const { folders } = this.#options.tree;
    const folder = folders.get(incarnation) ?? { frozen: false, runs: new Set() };
    if (folder.frozen && folder.runs.size > 0) {
      failed("its folder holds frozen processes of an earlier use");
      return;
    }
    if (this.#isFrozen() && !this.#standsStill()) {
      failed("this guard's own level does not stand still");
      return;
    }
    folder.frozen = false;
    folders.set(incarnation, folder);
    memory.ready = true;
    this.#say({ kind: "incarnation", incarnation, ok: true, cause: "", leftovers });
  }

  #onStamp(memory: Memory, stamp: number): void {
    if (!memory.ready || stamp <= memory.lastStamp) return;
    memory.lastStamp = stamp;
    memory.stamps.set(stamp, this.#options.clock.now());
    this.#options.stamped?.(stamp);
    // In the order in which they were made.
    if (memory.stamps.size > stampsMax) memory.stamps.delete(memory.stamps.keys().next().value as number);
    this.#say({ kind: "stamped", stamp });
  }

  /** The only way to run on, and the only way to run again (S2). */
  #onCommitted(memory: Memory, stamp: number): void {
    const { clock, tree, name, deadlineMs } = this.#options;
    const at = memory.stamps.get(stamp);
    if (!memory.ready || at === undefined) return;
    const until = later(at, deadlineMs);
    if (this.#hasPassed(until)) {
      this.#say({ kind: "late", stamp });
      return;
    }
    memory.deadline = Math.max(until, memory.deadline ?? until) as InstantMs;
    this.#save(memory);
    // As the real one, where something of another incarnation cannot be frozen: it says so, and nothing thaws.
    if (this.#isFrozen() && tree.shut > 0) return;
    if (this.#isFrozen()) {
      this.#freezeOthers(memory);
      tree.frozenLevels.delete(name);
      this.#say({ kind: "thawed" });
    }
    this.#watchDeadline(memory);
    this.#say({ kind: "deadline", stamp, remainingMs: memory.deadline - clock.now() });
  }
}

function forgetStamps(memory: Memory): void {
  memory.lastStamp = 0;
  memory.stamps.clear();
}

export function createSimGuard(options: SimGuardOptions): SimGuard {
  return new SimGuardProcess(options);
}

/** Both guards of one host on one tree. */
export function createSimGuards(options: Omit<SimGuardOptions, "name">): Readonly<Record<GuardName, SimGuard>> {
  return { a: createSimGuard({ ...options, name: "a" }), b: createSimGuard({ ...options, name: "b" }) };
}

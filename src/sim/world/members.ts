import type { SeededRandom } from "../../base/random.ts";
import type { Network } from "./network.ts";
import type { Scheduler } from "./scheduler.ts";

/**
 * One request on its way: `apply` happens at most once, at the leader, at one moment, and once more where the network made a
 * copy of it; its answer may be lost.
 */
export type Request = {
  readonly from: number;
  /** The member that the client talks to. */
  readonly via: number;
  readonly write: boolean;
  readonly apply: () => void;
  /** Reaches the client, if the answer does. */
  readonly answer: () => void;
  /** The store says at once that it cannot: nothing has happened. */
  readonly reject: (cause: string) => void;
};

export type MembersDeps = {
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly random: SeededRandom;
  /** The hosts that carry a member, by number. */
  readonly voters: readonly number[];
  /** The member's process works: its host has power and is not frozen. */
  readonly works: (host: number) => boolean;
  /** Runs once the host continues; never where its power goes first. */
  readonly whenThawed: (host: number, run: () => void) => void;
  readonly isFrozen: (host: number) => boolean;
};

/** etcd at 100/1000 ms: a lost leader is replaced within this. */
const electionMs = { min: 1_000, spread: 1_500 } as const;
/** How long a member keeps a request while there is no leader. */
const queueMs = 5_000;

/**
 * The store's members as far as their clients can feel them: a leader, a quorum, requests that arrive late, are lost or
 * lose their answer. One log: what is committed is committed for all, as quorum and raft guarantee.
 */
export class Members {
  readonly #deps: MembersDeps;
  #voters: readonly number[];
  readonly #left = new Set<number>();
  leader: number | undefined;
  full = false;
  /** Stacked faults: nothing is committed while above zero. */
  unavailable = 0;
  /** Stacked faults by host: answers to it are lost after the commit. */
  readonly answersLost: Int32Array;
  leaderChanges = 0;
  #electing = false;
  #queued: { readonly request: Request; readonly until: number }[] = [];

  constructor(deps: MembersDeps) {
    this.#deps = deps;
    this.#voters = deps.voters;
    this.answersLost = new Int32Array(deps.network.size);
  }

  isVoter(host: number): boolean {
    return this.#voters.includes(host);
  }

  /** It was taken out: what it says is nobody's word. */
  hasLeft(host: number): boolean {
    return this.#left.has(host);
  }

  /** Carried out only by a majority, as etcd does it. False: nothing has changed. */
  change(host: number, votes: boolean): boolean {
    if (!this.hasLeader()) return false;
    const others = this.#voters.filter((one) => one !== host);
    this.#voters = votes ? [...others, host].sort((a, b) => a - b) : others;
    if (votes) this.#left.delete(host);
    else this.#left.add(host);
    this.refresh();
    return true;
  }

  /** It was started by force with its own data, as a store of one (S23): what the others say is nobody's word from then on. */
  force(host: number): void {
    for (const other of this.#voters) if (other !== host) this.#left.add(other);
    this.#voters = [host];
    this.#left.delete(host);
    this.refresh();
  }

  /** A member that could lead, or that follows the leader, sees a majority both ways. */
  seesQuorum(host: number): boolean {
    const { works, network } = this.#deps;
    if (!works(host)) return false;
    let count = 0;
    for (const other of this.#voters) if (works(other) && network.connects(host, other)) count += 1;
    return count * 2 > this.#voters.length;
  }

  /** The leader commits now. */
  hasLeader(): boolean {
    return this.unavailable === 0 && this.leader !== undefined && this.seesQuorum(this.leader);
  }

  /** To be called after each change of power, freezing or links. */
  refresh(): void {
    if (this.leader !== undefined && this.seesQuorum(this.leader)) return;
    this.leader = undefined;
    this.#elect();
  }

  /** The present leader steps down. */
  depose(): void {
    this.leader = undefined;
    this.#elect();
  }

  send(request: Request): void {
    const { scheduler, network, random } = this.#deps;
    const { from, via } = request;
    if (!network.passes(from, via)) return;
    const leader = this.leader ?? via;
    const diskMs = 1 + random.below(60) / 10;
    const ms = network.delayMs(from, via) + network.delayMs(via, leader) + diskMs;
    scheduler.after(ms, () => this.#arrive(request));
    this.#double(request, ms);
  }

  /** Nobody waits for the answer to a copy. */
  #double(request: Request, afterMs: number): void {
    const { scheduler, network, random } = this.#deps;
    if (!request.write || network.doubledMs === 0 || !random.chance(0.3)) return;
    const copy: Request = { ...request, answer: () => {}, reject: () => {} };
    scheduler.after(afterMs + random.below(network.doubledMs), () => this.#arrive(copy));
  }

  #arrive(request: Request): void {
    const { works, isFrozen, whenThawed, random, network } = this.#deps;
    const { via } = request;
    if (!works(via)) {
      // In a frozen host's buffers it waits; it is sent when the host goes on, however late that is.
      if (isFrozen(via) && random.chance(0.5)) whenThawed(via, () => this.#arrive(request));
      return;
    }
    const { leader } = this;
    if (!this.hasLeader() || leader === undefined) {
      if (random.chance(0.5)) this.#queued.push({ request, until: this.#deps.scheduler.now + queueMs });
      return;
    }
    if (!network.passes(via, leader)) return;
    if (request.write && this.full) {
      request.reject("NOSPACE");
      return;
    }
    request.apply();
    this.#answer(request, leader);
  }

  #answer(request: Request, leader: number): void {
    const { scheduler, network, works } = this.#deps;
    const { from, via } = request;
    const ms = network.delayMs(leader, via) + network.delayMs(via, from);
    if (!network.passes(leader, via) || this.#isAnswerLost(request)) return;
    scheduler.after(ms, () => {
      if (works(via) && network.passes(via, from)) request.answer();
    });
  }

  #isAnswerLost({ from, write }: Request): boolean {
    return write && (this.answersLost[from] ?? 0) > 0 && this.#deps.random.chance(0.7);
  }

  #elect(): void {
    if (this.#electing || this.unavailable > 0 || this.#candidates().length === 0) return;
    this.#electing = true;
    this.#deps.scheduler.after(electionMs.min + this.#deps.random.below(electionMs.spread), () => {
      this.#electing = false;
      const candidates = this.#candidates();
      if (this.leader !== undefined || candidates.length === 0) return;
      this.leader = this.#deps.random.pick(candidates);
      this.leaderChanges += 1;
      const { now } = this.#deps.scheduler;
      for (const { request, until } of this.#queued.splice(0)) if (now < until) this.#arrive(request);
    });
  }

  #candidates(): number[] {
    return this.#voters.filter((host) => this.seesQuorum(host));
  }
}

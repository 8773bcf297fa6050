import { assert, must } from "../../base/assert.ts";
import {
  type HostId,
  type InstantMs,
  later,
  type Revision,
  type StoreKey,
  type VmId,
  type WallMs,
} from "../../model/ids.ts";
import type { EventDraft } from "../../model/records.ts";
import type { Change, Transaction } from "../../model/transaction.ts";
import { applyChanges, type ClusterView, heartbeatOf } from "../../model/view.ts";
import { copyView } from "../../model/view-copy.ts";
import { type Contact, hear, type OwnContact } from "../contact.ts";
import { decideAsLeader } from "../decide-as-leader.ts";
import { decideFences } from "../decide-fences.ts";
import { type Decided, fenceKey, type ManagerKnowledge } from "../decision.ts";
import { limits } from "../limits.ts";
import { lostHosts } from "../lost-hosts.ts";
import { failureKey } from "../move-attempts.ts";
import { type BalanceState, noBalance } from "../placement/rebalance.ts";
import { seeTurns, type Turns } from "../start-order.ts";
import type { Durations } from "./durations.ts";

/** The cluster as it is, for whoever wants to know how it would go on. Read only. */
export type Present = {
  readonly view: ClusterView;
  readonly wall: WallMs;
  /** How long ago each host was last heard; hosts that are missing were never heard. */
  readonly heardAgoMs: ReadonlyMap<HostId, number>;
  readonly durations: Durations;
  /** Pairs of hosts between which no link connects, as far as anybody has looked. */
  readonly unreached?: ManagerKnowledge["unreached"] | undefined;
};

/** Something that was decided or said, and when, in milliseconds from the beginning. */
export type Said = { readonly afterMs: number; readonly event: EventDraft };

const noSubjects: ReadonlySet<string> = new Set();
/** Any process has been up for so long, as far as decisions ask. */
const beginAt = 100_000_000 as InstantMs;

/**
 * The cluster as it would be: a copy of the records on which the manager's own decisions (FC1) are carried out at once.
 * What hosts do is put in from outside by `write`, at its moment.
 */
export class Ahead {
  readonly view: ClusterView;
  readonly durations: Durations;
  /** What was decided so far, in order. */
  readonly said: Said[] = [];
  /** What the last look at everything said of what stays as it is, by subject. */
  notices: ReadonlyMap<string, EventDraft> = new Map();
  readonly #present: Present;
  readonly #silent = new Set<HostId>();
  readonly #fencesSeenAt = new Map<string, number>();
  readonly #failuresSeenAt = new Map<string, number>();
  #now = beginAt;
  #turns: Turns = new Map();
  #balance: BalanceState = noBalance;

  constructor(present: Present) {
    this.#present = present;
    this.view = copyView(present.view);
    this.durations = present.durations;
    for (const [host, fences] of this.view.fences) for (const n of fences.keys()) this.#sawFence(fenceKey(host, n), 0);
    for (const [vm, plan] of this.view.plans) {
      const failed = plan.value.failedMoves;
      // An older version's record does not say when: most have long been waited for.
      const agoMs = failed?.at === undefined ? beginAt : Math.max(0, Math.min(beginAt, present.wall - failed.at));
      if (failed !== null) this.#failuresSeenAt.set(failureKey(vm, plan), (beginAt - agoMs) as InstantMs);
    }
  }

  get elapsedMs(): number {
    return this.#now - beginAt;
  }

  /** No word of the host from now on. */
  silence(host: HostId): void {
    this.#silent.add(host);
  }

  isHeard(host: HostId): boolean {
    const agoMs = this.#present.heardAgoMs.get(host) ?? Number.POSITIVE_INFINITY;
    return !this.#silent.has(host) && agoMs <= limits.aliveMs;
  }

  /** To the next whole millisecond: records know no others, and their times are made from this one. */
  passTo(afterMs: number): void {
    this.#now = later(beginAt, Math.ceil(afterMs));
  }

  write({ writes }: Transaction): void {
    const revision = (this.view.revision + 1) as Revision;
    const changes = writes.map((write): Change => ({ ...write, revision }));
    applyChanges(this.view, changes, revision);
    // Taken for a record of a newer version it would be passed over in silence, and what is foreseen be wrong.
    for (const { key } of writes)
      assert(
        !this.view.unreadable.has(key),
        () => `What is foreseen at ${key} is no record: ${this.view.unreadable.get(key)}`,
      );
    for (const [host, fences] of this.view.fences)
      for (const n of fences.keys()) this.#sawFence(fenceKey(host, n), this.#now);
  }

  /**
   * One round of the leader's decisions, carried out. `settled`: there was nothing to decide; `wakeAfterMs`: when there may
   * be although nothing happens.
   */
  decide(): { readonly settled: boolean; readonly wakeAfterMs: number } {
    this.#turns = seeTurns(this.#turns, this.view, this.#now);
    const known = this.known();
    const own = this.#own();
    const judge = { own, startedAt: 0 as InstantMs, extraMs: 0, also: [] };
    const leader = decideAsLeader(this.view, known, own, [], noSubjects);
    this.#balance = leader.balance;
    const parts = [decideFences(this.view, known, judge), ...leader.parts];
    const settled = !this.#carryOut(parts);
    const notices = parts.flatMap((part) => part.notices);
    if (settled) this.notices = new Map(notices.map(({ subject, event }) => [subject, event]));
    return { settled, wakeAfterMs: this.#soonestMs(leader.parts.map((part) => part.wakeAt)) };
  }

  /** When the next host that is not heard any more has been silent for as long as a fence waits. */
  fenceAfterMs(): number {
    const silent = [...this.known().contacts].filter(([host]) => !this.isHeard(host));
    return this.#soonestMs(silent.map(([, contact]) => contact.silentUntil));
  }

  #soonestMs(moments: readonly (number | undefined)[]): number {
    const coming = moments.filter((at): at is number => at !== undefined && at > this.#now);
    return Math.min(...coming) - beginAt;
  }

  /** What the leading process knows now. */
  known(): ManagerKnowledge {
    const { view } = this;
    const now = this.#now;
    const self = this.#leader();
    const ownWaitMs = this.#waitMsOf(self);
    const contacts = this.#contacts(ownWaitMs);
    const witness = { self, now, contacts, own: this.#own(), startedAt: 0 as InstantMs, ownWaitMs };
    return {
      now,
      wall: (this.#present.wall + this.elapsedMs) as WallMs,
      self,
      contacts,
      fencesSeenAt: this.#fencesSeenAt,
      failuresSeenAt: this.#failuresSeenAt,
      turns: this.#turns,
      ownWaitMs,
      lost: lostHosts(view, witness),
      balance: this.#balance,
      leadingSince: 0 as InstantMs,
      promised: new Map<VmId, HostId>(),
      unreached: this.#present.unreached,
    };
  }

  /** In order; what rests on a record that an earlier one of this round wrote would be refused by the store. */
  #carryOut(parts: readonly Decided[]): boolean {
    const busy = new Set<string>();
    const written = new Set<StoreKey>();
    for (const { subject, transaction, events } of parts.flatMap((part) => part.decisions)) {
      if (busy.has(subject) || transaction.compares.some(({ key }) => written.has(key))) continue;
      busy.add(subject);
      for (const { key } of transaction.writes) written.add(key);
      this.write(transaction);
      for (const event of events) this.said.push({ afterMs: this.elapsedMs, event });
    }
    return busy.size > 0;
  }

  #sawFence(key: string, at: number): void {
    if (!this.#fencesSeenAt.has(key)) this.#fencesSeenAt.set(key, at);
  }

  #own(): OwnContact {
    return { lastAt: this.#now, since: 0 as InstantMs, graceUntil: 0 as InstantMs };
  }

  /** The manager, or whoever would take the office from it. */
  #leader(): HostId {
    const leads = this.view.term?.value.host;
    if (leads !== undefined && this.isHeard(leads)) return leads;
    const heard = [...this.view.members.keys()].sort().find((host) => this.isHeard(host));
    return must(heard, "Cannot look ahead: no host is left to decide");
  }

  #contacts(ownWaitMs: number): Map<HostId, Contact> {
    const contacts = new Map<HostId, Contact>();
    for (const [host, agoMs] of this.#present.heardAgoMs) {
      const incarnation = this.view.hosts.get(host)?.value.incarnation;
      const heartbeat = incarnation === undefined ? undefined : heartbeatOf(this.view, host, incarnation);
      if (incarnation === undefined || heartbeat === undefined) continue;
      const heard = { incarnation, revision: heartbeat.revision, heartbeat: heartbeat.value };
      const lastAt = (beginAt - agoMs) as InstantMs;
      const at = this.isHeard(host) ? this.#now : lastAt;
      contacts.set(host, hear(undefined, heard, ownWaitMs, at, true));
    }
    return contacts;
  }

  #waitMsOf(host: HostId): number {
    const incarnation = this.view.hosts.get(host)?.value.incarnation;
    const beat = incarnation === undefined ? undefined : heartbeatOf(this.view, host, incarnation)?.value;
    return beat === undefined ? 0 : beat.deadlineMs + beat.marginMs;
  }
}

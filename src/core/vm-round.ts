import type { HostId, VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { defaultPolicy, type Policy } from "../model/policy.ts";
import type { Reason } from "../model/reason.ts";
import type { EventDraft, Vm } from "../model/records.ts";
import type { Compare, Transaction } from "../model/transaction.ts";
import type { ClusterView } from "../model/view.ts";
import { type Decided, type Decision, event, type ManagerKnowledge, type Notice, type Placing } from "./decision.ts";
import { limits } from "./limits.ts";
import { leavingFrom } from "./moves.ts";
import type { Wish } from "./placement/asked.ts";
import { otherFigures, schedulerSubject } from "./placement/notice.ts";
import { type BalanceState, decideRebalance, type Rebalance, type RebalanceOptions } from "./placement/rebalance.ts";
import { assign, openRound, type PlacementRound } from "./placement/round.ts";
import { type Manner, type Placement, select, whereTo, whyUnfit, whyUnfitForAll } from "./placement/select.ts";
import { type RuleBook, ruleBook } from "./rules/rule-book.ts";
import { type Turning, whoseTurn } from "./start-order.ts";
import { unchanged } from "./transactions.ts";

/** What a transaction about a VM waits for, and is waited for by. */
export function subjectOf(vm: VmId): string {
  return vm;
}

/**
 * One round of decisions about VMs: what is known, which VMs are spoken for, and what was decided so far. Each concern
 * adds to it in turn; the first that decides about a VM has it for this round.
 */
export class VmRound {
  readonly view: ClusterView;
  readonly known: ManagerKnowledge;
  /** Part of every transaction: the leader's term (S12), and that the cluster is armed or disarmed as was read (HM5). */
  readonly also: readonly Compare[];
  readonly policy: Policy;
  readonly rules: RuleBook;
  readonly #turning: Turning | undefined;
  readonly #taken: Set<string>;
  readonly #decisions: Decision[] = [];
  readonly #notices: Notice[] = [];
  readonly #unseen = new Set<string>();
  readonly #room: number;
  #leaving: Map<HostId, number> | undefined;
  #postponed = false;
  #wakeAt: number | undefined;
  #placement: PlacementRound | undefined;

  constructor(view: ClusterView, known: ManagerKnowledge, also: readonly Compare[], busy: ReadonlySet<string>) {
    this.view = view;
    this.known = known;
    this.also = [...also, unchanged(keys.disarm, view.disarm)];
    this.policy = view.policy?.value ?? defaultPolicy;
    this.rules = ruleBook(view);
    this.#turning = whoseTurn(known.turns, view, known.now);
    this.#taken = new Set(busy);
    this.#room = limits.decisionsInFlightMax - busy.size;
  }

  /** Nothing more is decided about it in this round: something was, or is on its way, or a record of it is unread. */
  isTaken(vm: VmId): boolean {
    return this.#taken.has(subjectOf(vm)) || (this.view.unreadable.size > 0 && this.#isUnreadable(vm));
  }

  #isUnreadable(vm: VmId): boolean {
    const { unreadable } = this.view;
    const all = [keys.owner(vm), keys.vm(vm), keys.vmOrder(vm), keys.vmMove(vm), keys.vmPlan(vm)];
    return all.some((key) => unreadable.has(key));
  }

  /** Nothing is decided about it in this round so far, and nothing on its way: it was only said how it stands. */
  isOnlySaid(vm: VmId): boolean {
    const subject = subjectOf(vm);
    return (
      this.#notices.some((one) => one.subject === subject) && !this.#decisions.some((one) => one.subject === subject)
    );
  }

  /** Whether it is as it should be cannot be seen now: what was said of it before still holds. */
  skip(vm: VmId): void {
    this.#unseen.add(subjectOf(vm));
  }

  /**
   * So many VMs are leaving `host` that those which nobody ordered away have their turn later. A move may be a stop: many at
   * once are an outage that nobody asked for.
   */
  isCrowded(host: HostId): boolean {
    return (this.#leavingNow().get(host) ?? 0) >= this.policy.movesPerHostMax;
  }

  /** One more leaves `host` by a move that is decided in this round. */
  leaves(host: HostId): void {
    const leaving = this.#leavingNow();
    leaving.set(host, (leaving.get(host) ?? 0) + 1);
  }

  #leavingNow(): Map<HostId, number> {
    if (this.#leaving !== undefined) return this.#leaving;
    const leaving = new Map<HostId, number>();
    for (const host of leavingFrom(this.view, this.known.promised)) leaving.set(host, (leaving.get(host) ?? 0) + 1);
    this.#leaving = leaving;
    return leaving;
  }

  /** As much is under way as may be: the VM has its turn in a later round, once some of it has ended. */
  postpones(): boolean {
    const full = this.#decisions.length >= this.#room;
    this.#postponed ||= full;
    return full;
  }

  decide(vm: VmId, transaction: Transaction, events: readonly EventDraft[], ...places: readonly Placing[]): void {
    this.#taken.add(subjectOf(vm));
    this.#decisions.push({ subject: subjectOf(vm), transaction, events, places });
  }

  /** It takes part in another VM's decision. */
  take(vm: VmId): void {
    this.#taken.add(subjectOf(vm));
  }

  /** Said once while it lasts; `full`: with what takes long to work out. */
  say(vm: VmId, event: EventDraft, full?: () => EventDraft): void {
    this.#taken.add(subjectOf(vm));
    this.#notices.push({ subject: subjectOf(vm), event, full });
  }

  /** VMs of a higher start priority are coming up: this one starts after them (HM6). Said, and looked at again in time. */
  waitsItsTurn(vm: Vm): boolean {
    const turning = this.#turning;
    if (turning === undefined || vm.startPriority >= turning.priority) return false;
    const params = { vm: vm.name, priority: vm.startPriority, turn: turning.priority };
    this.say(vm.id, event("vm-waits-its-turn", { vm: vm.id }, params));
    this.wake(turning.until);
    return true;
  }

  wake(at: number): void {
    this.#wakeAt = Math.min(this.#wakeAt ?? at, at);
  }

  select(vm: Vm, wish: Wish): Placement {
    return select(this.#opened(), vm, wish);
  }

  rebalance(state: BalanceState, options: RebalanceOptions): Rebalance {
    return decideRebalance(this.#opened(), state, options);
  }

  /** Where it would be selected to, without the reasons. */
  whereTo(vm: Vm, wish: Wish): HostId | undefined {
    return whereTo(this.#opened(), vm, wish);
  }

  /** Why this very host cannot run the VM now, whether or not another is better; undefined: it can. */
  whyUnfit(vm: Vm, host: HostId, how: Manner = {}): Reason | undefined {
    return whyUnfit(this.#opened(), vm, host, how);
  }

  /** Why this very host cannot run all of them now; undefined: it can. */
  whyUnfitForAll(vms: readonly Vm[], host: HostId, how: Manner): Reason | undefined {
    return whyUnfitForAll(this.#opened(), vms, host, how);
  }

  /** Of each host, whether it is there and takes VMs. */
  standing(): string {
    return this.#opened()
      .slots.map(({ away, closed }) => (away !== undefined ? "a" : closed !== undefined ? "c" : "-"))
      .join("");
  }

  /** Something was placed in this round, or is by a transaction under way. */
  hasPlaced(): boolean {
    return this.#opened().aims.size > 0;
  }

  assign(vm: Vm, host: HostId): void {
    assign(this.#opened(), vm, host);
  }

  decided(): Decided {
    const told = this.#placement === undefined ? undefined : otherFigures(this.#placement);
    const notices = told === undefined ? this.#notices : [...this.#notices, told];
    const partial = this.#postponed ? ({ partial: true } as const) : {};
    // Nothing was placed, so nobody asked what hosts are compared by.
    if (this.#placement === undefined) this.#unseen.add(schedulerSubject);
    return { decisions: this.#decisions, notices, unseen: this.#unseen, wakeAt: this.#wakeAt, ...partial };
  }

  // Only where something is to be placed: counting what every host has promised looks at every VM.
  #opened(): PlacementRound {
    this.#placement ??= openRound(this.view, this.known);
    return this.#placement;
  }
}

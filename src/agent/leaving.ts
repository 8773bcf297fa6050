import { event } from "../core/decision.ts";
import { isDisarmed } from "../core/disarmed.ts";
import { leftInOrder } from "../core/host-standing.ts";
import { put, stillIn, transaction, unchanged } from "../core/transactions.ts";
import type { HostMode } from "../model/host-records.ts";
import type { Incarnation } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { defaultPolicy } from "../model/policy.ts";
import type { EventDraft, FenceRecord, HostRegistration, Intent, LeaveIntent } from "../model/records.ts";
import type { Compare, Write } from "../model/transaction.ts";
import { type ClusterView, fenceOf, heartbeatOf, type Stored } from "../model/view.ts";
import type { Building } from "./building.ts";

const subject = "mode";

/** The host's own word about itself (HM4): takes an order to leave, leaves once nothing runs here, and says when it is back. */
export function settleMode(building: Building, incarnation: Incarnation): void {
  const { view } = building.happened;
  const registration = view.hosts.get(building.state.self);
  if (registration === undefined || building.busy(subject)) return;
  // What a newer version of this agent announced, that one carries out.
  if (view.unreadable.has(keys.hostMode(building.state.self))) return;
  const mode = view.modes.get(building.state.self);
  const order = openOrder(building, incarnation);
  if (order !== undefined) takeOrder(building, order, mode, registration);
  else if (mode !== undefined && isBack(building, mode, incarnation)) sayActive(building, mode, registration);
  else if (mode !== undefined && goesDown(mode.value, incarnation) && isEmpty(building))
    leave(building, mode, registration);
}

/** The order for this very life of the host; one that is older than it is not carried out on the next. */
function openOrder({ state, happened }: Building, incarnation: Incarnation): Stored<LeaveIntent> | undefined {
  let oldest: Stored<LeaveIntent> | undefined;
  for (const intent of happened.view.intents.values()) {
    if (!isLeave(intent) || intent.value.host !== state.self || intent.value.incarnation !== incarnation) continue;
    if (intent.value.answer.kind !== "open") continue;
    if (oldest === undefined || intent.revision < oldest.revision) oldest = intent;
  }
  return oldest;
}

function isLeave(intent: Stored<Intent>): intent is Stored<LeaveIntent> {
  return intent.value.kind === "leave-host";
}

/** It reboots or switches itself off once nothing of its VMs is left here. */
function goesDown(mode: HostMode, incarnation: Incarnation): boolean {
  return mode.incarnation === incarnation && mode.mode !== "active" && isDown(mode.next);
}

function isDown(next: HostMode["next"]): next is "reboot" | "power-off" {
  return next === "reboot" || next === "power-off";
}

/** Says what will happen to the VMs, as the policy has it, and answers whoever ordered it. */
function takeOrder(
  building: Building,
  order: Stored<LeaveIntent>,
  mode: Stored<HostMode> | undefined,
  registration: Stored<HostRegistration>,
): void {
  const { view, wall } = building.happened;
  const { self } = building.state;
  const { id, incarnation, next } = order.value;
  const answered: LeaveIntent = { ...order.value, answer: { kind: "done", at: wall } };
  const compares = [unchanged(keys.intent(id), order), ...stillIn(self, registration)];
  const answer = put(keys.intent(id), answered);
  if (next === "nothing") {
    takeBack(building, mode, registration, { compares, answer });
    return;
  }
  if (mode !== undefined && goesDown(mode.value, incarnation)) {
    building.commit(subject, transaction(compares, [answer]), []);
    return;
  }
  const record: HostMode = { schema: 1, incarnation, mode: modeFor(view, order.value), next, at: wall };
  const key = keys.hostMode(self);
  const reason = { rule: "HM4", code: becomesOfVms[record.mode], params: {} };
  const told = event("host-leaves", { host: self }, { host: self, next, mode: record.mode }, reason);
  building.commit(subject, transaction([...compares, unchanged(key, mode)], [answer, put(key, record)]), [told]);
}

/**
 * Both the last word and this compare the mode: whichever is committed first, the other one is refused. Until the view shows
 * the mode of a host at work, nothing is started here (S9).
 */
function takeBack(
  building: Building,
  mode: Stored<HostMode> | undefined,
  registration: Stored<HostRegistration>,
  { compares, answer }: { readonly compares: readonly Compare[]; readonly answer: Write },
): void {
  const isAnnounced = mode?.value.incarnation === registration.value.incarnation && mode.value.mode !== "active";
  const active = isAnnounced ? activeAgain(building, mode, registration) : nothingElse;
  const write = transaction([...compares, ...active.compares], [answer, ...active.writes]);
  building.commit(subject, write, active.events);
}

const becomesOfVms = {
  active: "vms-wait-for-host",
  restart: "vms-wait-for-host",
  shutdown: "vms-start-elsewhere",
  leaving: "vms-move-away-first",
} as const satisfies Record<HostMode["mode"], string>;

function modeFor(view: ClusterView, { host, next }: LeaveIntent): HostMode["mode"] {
  if (next === "agent-restart") return "restart";
  if (view.maintenances.has(host)) return "leaving";
  // Nothing moves and nothing starts elsewhere meanwhile: its VMs wait for it.
  if (isDisarmed(view)) return "restart";
  const policy = view.policy?.value ?? defaultPolicy;
  switch (policy.shutdownPolicy) {
    case "migrate":
      return "leaving";
    case "freeze":
      return "restart";
    case "failover":
      return "shutdown";
    case "conditional":
      return next === "reboot" ? "restart" : "shutdown";
  }
}

/**
 * An announcement that is over: of an earlier life of the host, or of the agent before this one. Not before others can see
 * that this host takes VMs again: those that waited for it start here then.
 */
function isBack({ state, happened }: Building, mode: Stored<HostMode>, incarnation: Incarnation): boolean {
  if (mode.value.mode === "active") return false;
  const isOver =
    mode.value.incarnation !== incarnation || (!isDown(mode.value.next) && mode.revision <= state.syncedRevision);
  const { view } = happened;
  const heard = heartbeatOf(view, state.self, incarnation)?.value.agentAgeMs;
  return isOver && heard != null && view.facts.get(state.self)?.value.incarnation === incarnation;
}

function sayActive(building: Building, mode: Stored<HostMode>, registration: Stored<HostRegistration>): void {
  const { compares, writes, events } = activeAgain(building, mode, registration);
  const registered = stillIn(building.state.self, registration);
  building.commit(subject, transaction([...compares, ...registered], writes), events);
}

type Change = {
  readonly compares: readonly Compare[];
  readonly writes: readonly Write[];
  readonly events: readonly EventDraft[];
};
const nothingElse: Change = { compares: [], writes: [], events: [] };

function activeAgain(
  building: Building,
  mode: Stored<HostMode>,
  { value: { incarnation } }: Stored<HostRegistration>,
): Change {
  const { self } = building.state;
  const next: HostMode = { schema: 1, incarnation, mode: "active", next: "nothing", at: building.happened.wall };
  const key = keys.hostMode(self);
  const told = event("host-active", { host: self }, { host: self, incarnation });
  return { compares: [unchanged(key, mode)], writes: [put(key, next)], events: [told] };
}

/** Nothing of any VM is here, and none is on record as held by this host. */
function isEmpty({ state, happened }: Building): boolean {
  for (const local of state.locals.values()) if (local.phase !== "gone") return false;
  for (const { value } of happened.view.owners.values()) {
    if (value.kind === "held" && value.host === state.self) return false;
  }
  return true;
}

/**
 * Its last word (S9): from here on this life of the host sends no heartbeat, and nobody has to wait for its silence. Whoever
 * places a VM here compares that there is no fence; what was placed while the last word was on its way has never run,
 * because an agent that sees this mode starts nothing.
 */
function leave(building: Building, mode: Stored<HostMode>, registration: Stored<HostRegistration>): void {
  const { self } = building.state;
  const { incarnation } = registration.value;
  const { view, wall } = building.happened;
  const record: FenceRecord = {
    schema: 1,
    cause: "self",
    by: self,
    heartbeatRevision: heartbeatOf(view, self, incarnation)?.revision ?? null,
    waitedMs: 0,
    device: "not-needed",
    proofs: ["last-word"],
    at: wall,
  };
  const compares = [unchanged(keys.hostMode(self), mode), ...stillIn(self, registration)];
  const told = event("host-left", { host: self }, { host: self, incarnation, next: mode.value.next });
  building.commit(subject, transaction(compares, [put(keys.fence(self, incarnation), record)]), [told]);
}

/**
 * The last word is on record: the machine may go. By the record, not by memory, so that an agent that died in between does
 * it too; only in the life of the host that said it, which its heart vouches for: after the boot that follows this is not
 * done again.
 */
export function goDown(building: Building): void {
  const { state, happened } = building;
  const { heart, self } = state;
  if (state.wentDown || heart === "lost" || heart.incarnation === null) return;
  const registration = happened.view.hosts.get(self)?.value;
  const mode = happened.view.modes.get(self)?.value;
  if (registration?.incarnation !== heart.incarnation || registration.nonce !== heart.nonce) return;
  const fence = fenceOf(happened.view, self, heart.incarnation)?.value;
  if (fence === undefined || !leftInOrder(fence)) return;
  if (mode === undefined || !goesDown(mode, heart.incarnation) || !isDown(mode.next)) return;
  building.state = { ...state, wentDown: true };
  building.effects.push({ kind: "leave", next: mode.next });
}

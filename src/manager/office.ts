import { must } from "../base/assert.ts";
import { hasContact } from "../core/contact.ts";
import { event } from "../core/decision.ts";
import {
  claimDueAt,
  claimTransaction,
  isBetterElsewhere,
  lastTickTransaction,
  officeLeftAt,
  tickTransaction,
} from "../core/leadership.ts";
import { limits } from "../core/limits.ts";
import { isRemoved } from "../core/removal.ts";
import { type InstantMs, later } from "../model/ids.ts";
import type { Reason } from "../model/reason.ts";
import { Building } from "./building.ts";
import type { ManagerEvent, ManagerState, ManagerStep } from "./state.ts";

/**
 * The office (S12): claim it when its holder is silent, tick while holding it, lay it down where others have to decide about
 * this host. `ordered`: why another leader would order its fence (S13).
 */
export function lead(state: ManagerState, happened: ManagerEvent, ordered: Reason | undefined): ManagerStep {
  const building = new Building(state);
  const { view, now } = happened;
  const mine = view.term?.value.host === state.self;
  if (state.leadership.kind === "leading" && (!mine || view.term?.value.term !== state.leadership.term)) {
    building.state = { ...state, leadership: { kind: "standby" }, leader: { ...state.leader, seenAt: now } };
  }
  const { leadership } = building.state;
  if (leadership.kind === "claiming" && mine && view.term !== undefined && claimCaughtUp(building.state)) {
    const { term } = view.term.value;
    building.state = { ...building.state, leadership: { kind: "leading", term, tick: 0, nextTickAt: now, since: now } };
  } else if (leadership.kind === "claiming" && claimCaughtUp(building.state)) {
    // Somebody took the office before this process saw its own claim.
    building.state = { ...building.state, leadership: { kind: "standby" }, leader: { ...state.leader, seenAt: now } };
  } else if (leadership.kind === "standby") claim(building, happened, ordered !== undefined);
  if (building.state.leadership.kind === "leading") {
    const why = whyLeave(building.state, happened, ordered);
    if (why === undefined) tick(building, happened);
    else resign(building, happened, why);
  }
  return building.step();
}

function claimCaughtUp(state: ManagerState): boolean {
  return ![...state.pending.values()].some((entry) => entry.kind === "claim");
}

function claim(building: Building, happened: ManagerEvent, ordered: boolean): void {
  const { state } = building;
  const { view, now } = happened;
  // A claim that was refused came too late: until this process sees what for, it would only ask the same again.
  if (building.isBusy("office")) return;
  if (isRemoved(view, state.self)) return;
  if (!hasContact(state.own, now) || now < claimDueAt(state.leader, state.own)) return;
  if ((ordered || isBetterElsewhere(view, { ...state, now })) && now < unwantedAt(state)) return;
  const write = claimTransaction(view, state.self, happened.wall);
  const told = event("leader-elected", { host: state.self }, { host: state.self });
  building.state = { ...state, leadership: { kind: "claiming" } };
  building.commit("office", "claim", write, [told]);
}

function unwantedAt({ leader, own }: ManagerState): InstantMs {
  return later(claimDueAt({ ...leader, left: false }, own), limits.officeLeftMs);
}

/** Why others should hold the office, if they should. Whoever took it because nobody else did is not to leave it at once. */
function whyLeave(state: ManagerState, { view, now }: ManagerEvent, ordered: Reason | undefined): Reason | undefined {
  const { leadership, contacts, own, self } = state;
  if (leadership.kind !== "leading") return undefined;
  if (isRemoved(view, self)) return { rule: "HM7", code: "own-host-removed", params: { host: self } };
  if (ordered !== undefined) return now - leadership.since < limits.officeHeldMs ? undefined : ordered;
  const heardAt = contacts.get(self)?.heardAt;
  const heardSince = heardAt !== undefined && heardAt >= leadership.since;
  // Without contact it is not its host that is silent: all are.
  if (!heardSince || !hasContact(own, now) || !isBetterElsewhere(view, { ...state, now })) return undefined;
  return { rule: "S12", code: "own-host-silent", params: { host: self, silentMs: now - heardAt } };
}

/** It ticks no more, and says so: another takes the office at once. */
function resign(building: Building, { view, now }: ManagerEvent, why: Reason): void {
  const { state } = building;
  if (state.leadership.kind !== "leading") return;
  const term = must(view.term, "Cannot lay down an office without a term");
  const told = event("leader-resigned", { host: state.self }, { host: state.self }, why);
  building.state = { ...state, leadership: { kind: "standby" }, leader: { ...state.leader, seenAt: now } };
  building.commit("tick", "tick", lastTickTransaction(term, state.leadership.tick + 1), [told]);
}

function tick(building: Building, happened: ManagerEvent): void {
  const { leadership } = building.state;
  if (leadership.kind !== "leading" || happened.now < leadership.nextTickAt) return;
  const inFlight = [...building.state.pending.values()].filter((entry) => entry.kind === "tick").length;
  const nextTickAt = later(happened.now, limits.leaderTickMs);
  building.state = { ...building.state, leadership: { ...leadership, tick: leadership.tick + 1, nextTickAt } };
  if (inFlight >= limits.ticksInFlightMax) return;
  const term = must(happened.view.term, "Cannot tick without a term");
  building.commit("tick", "tick", tickTransaction(term, leadership.tick + 1, happened.wall), []);
}

/** When something about the office may be due although nothing changes. */
export function officeWakeAt(state: ManagerState, now: InstantMs): InstantMs {
  const { leadership, leader, own } = state;
  if (leadership.kind !== "leading") {
    const dueAt = claimDueAt(leader, own);
    return dueAt > now ? dueAt : unwantedAt(state);
  }
  const silentAt = officeLeftAt({ ...state, now });
  return silentAt > now && silentAt < leadership.nextTickAt ? silentAt : leadership.nextTickAt;
}

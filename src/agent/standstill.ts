import { event } from "../core/decision.ts";
import type { Standstill } from "../core/standstill.ts";
import { stillIn, transaction } from "../core/transactions.ts";
import type { HostId, Incarnation, VmId } from "../model/ids.ts";
import type { EventDraft } from "../model/records.ts";
import type { ClusterView, Touched } from "../model/view.ts";
import type { Building } from "./building.ts";
import type { AgentEvent, AgentState, Local } from "./state.ts";
import type { Freeze, Stillness } from "./stillness.ts";

/** Its one transaction at a time. */
const subject = "standstill";
const type = "vms-stood-still";
type Ended = Stillness["untold"][number];

/** Begins and ends freezes by what the heart says now. One of an incarnation that is over ended without a thaw. */
export function noteStillness(state: AgentState, happened: AgentEvent & { readonly kind: "heart" }): AgentState {
  const { says, now, wall } = happened;
  if (says === "lost" || says.incarnation === null) return state;
  const { incarnation, frozen } = says;
  const { thawed } = state.still;
  const open = state.still.open?.incarnation === incarnation ? state.still.open : null;
  const untold = state.still.untold.filter((freeze) => freeze.incarnation === incarnation);
  if (!frozen) {
    const ended = open === null || open.vms.length === 0 ? [] : [{ ...open, forMs: Math.round(now - open.at) }];
    return { ...state, still: { ...state.still, thawed: incarnation, open: null, untold: [...untold, ...ended] } };
  }
  const begins = open === null && thawed === incarnation;
  const began: Freeze = { incarnation, at: now, since: wall, vms: runningHere(state) };
  return { ...state, still: { ...state.still, open: begins ? began : open, untold } };
}

/** One that waits here for its guest, or has handed it over, executes elsewhere: what befalls this host is none of its story. */
function runningHere(state: AgentState): VmId[] {
  const ids = [...state.locals.values()].filter((local) => local.phase !== "gone" && !isElsewhere(local));
  return [...new Set(ids.map(({ run }) => run.vm))].sort();
}

function isElsewhere({ phase, moving }: Local): boolean {
  return phase === "moving" && (moving?.part === "incoming" || moving?.part === "handed");
}

/** What this host's VMs do as far as the heart knows: undefined where they may run, or where it is not there. */
export function standstillOf({ heart, still }: AgentState): Standstill | undefined {
  if (heart === "lost" || !heart.frozen) return undefined;
  return { since: still.open?.since ?? null, why: heart.trouble };
}

/** Told as soon as this host may write again, by the incarnation that stood still: none other knows (S1). */
export function tellStillness(building: Building, incarnation: Incarnation): void {
  const { view } = building.happened;
  const { self, still } = building.state;
  const registration = view.hosts.get(self);
  const mine = still.untold.filter((freeze) => freeze.incarnation === incarnation);
  if (mine.length === 0 || registration === undefined || building.busy(subject)) return;
  const told: EventDraft[] = [];
  let sentAt: Freeze["at"] | null = null;
  for (const freeze of mine) {
    const events = eventsOf(view, self, freeze);
    if (sentAt !== null && told.length + events.length > eventsMax) break;
    told.push(...events);
    sentAt = freeze.at;
  }
  building.state = { ...building.state, still: { ...still, sentAt } };
  building.commit(subject, transaction(stillIn(self, registration), []), told);
}

/** So many events fit into one transaction. Of a host with more VMs the rest stand in the history by the host alone. */
const eventsMax = 100;

/** What happened to the host, and the same for each VM of it: who asks about a VM looks for what is about that VM. */
function eventsOf(view: ClusterView, self: HostId, freeze: Ended): EventDraft[] {
  const { incarnation, since, forMs, vms } = freeze;
  const host = view.members.get(self)?.value.name ?? self;
  const reason = { rule: "S2", code: "heartbeat-unconfirmed", params: { host } };
  const stood = vms.flatMap((id) => view.vms.get(id)?.value ?? []);
  const names = vms.map((id) => view.vms.get(id)?.value.name ?? id).sort();
  const params = { host, incarnation, sinceWall: since, forMs, vms: namesOf(names) };
  return [
    event(type, { host: self }, params, reason),
    ...stood
      .slice(0, eventsMax - 1)
      .map(({ id, name }) =>
        event("vm-stood-still", { vm: id, host: self }, { vm: name, host, sinceWall: since, forMs }, reason),
      ),
  ];
}

const namesMax = 5;

function namesOf(vms: readonly string[]): string {
  const more = vms.length - namesMax;
  return `${vms.slice(0, namesMax).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** What was sent is on record: so says the answer. */
export function noteTold(state: AgentState, { id, end }: AgentEvent & { readonly kind: "commit-ended" }): AgentState {
  const { sentAt, untold } = state.still;
  if (end.kind !== "committed" || sentAt === null || state.pending.get(id)?.subject !== subject) return state;
  return { ...state, still: { ...state.still, untold: untold.filter(({ at }) => at > sentAt) } };
}

/** Or the history itself, where the answer was lost: nothing is told twice. */
export function noteHistory(state: AgentState, { events }: Touched): AgentState {
  if (state.still.untold.length === 0) return state;
  const told = new Set(
    events.filter(({ event: { type: what, host } }) => what === type && host === state.self).map(beginOf),
  );
  if (told.size === 0) return state;
  return { ...state, still: { ...state.still, untold: state.still.untold.filter(({ since }) => !told.has(since)) } };
}

function beginOf({ event: { params } }: Touched["events"][number]): unknown {
  return params["sinceWall"];
}

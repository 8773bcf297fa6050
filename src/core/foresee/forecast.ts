import { valuesInKeyOrder } from "../../base/order.ts";
import type { HostId, VmId } from "../../model/ids.ts";
import type { Reason } from "../../model/reason.ts";
import type { EventDraft, FenceRecord, Vm } from "../../model/records.ts";
import { type ClusterView, fenceOf } from "../../model/view.ts";
import { copyView } from "../../model/view-copy.ts";
import { mainReason, whyNoMajority, whyNoProof } from "../admission.ts";
import { type Fix, fixFor } from "../admission-fix.ts";
import { whyPaused } from "../guest-paused.ts";
import { isAwaited } from "../host-standing.ts";
import { limits } from "../limits.ts";
import { reason } from "../placement/fitness.ts";
import { openRound } from "../placement/round.ts";
import { whereTo } from "../placement/select.ts";
import { hostsWithCopies } from "../replication.ts";
import { usability, wholeCopies } from "../replication-usable.ts";
import { vmError } from "../vm-error.ts";
import { vmIndex } from "../vm-index.ts";
import { liesOn } from "../volume-place.ts";
import { Ahead, type Present } from "./ahead.ts";
import { fixByTakeover, fixOfCopy, withoutCopies } from "./copies-lost.ts";
import type { Duration, Step } from "./durations.ts";
import { hasNoDeadline, runsOn } from "./hosts.ts";
import { moveLimit } from "./move-time.ts";
import { type Course, type Played, playForward } from "./play.ts";

/**
 * What becomes of a VM. `restarts`: its host is gone, it boots afresh on another. `moves`: it leaves in order. `lies-elsewhere`:
 * it does not run, and will start elsewhere. `stays`: it was to leave and cannot. `waits`: it runs nowhere until something
 * changes. `stands-still`: frozen where it is, and goes on as it was once its host hears a majority of the cluster again.
 */
export type Becomes = "restarts" | "moves" | "lies-elsewhere" | "stays" | "waits" | "stands-still";

/** What happens to one VM. */
export type Foreseen = {
  readonly vm: VmId;
  readonly becomes: Becomes;
  /** It runs nowhere already, for a cause of its own: told beside what happens. */
  readonly wasDown?: true;
  readonly from: HostId | null;
  /** Null: nowhere. */
  readonly to: HostId | null;
  /** It was on its way there when it was asked, and comes back from there: `to` is where it is now. */
  readonly via?: HostId;
  /** Milliseconds until it executes there; null: it does not, or nobody knows when. */
  readonly afterMs: number | null;
  /** For how long of these it does not execute; of one that moves live its pause. Null: nobody knows. */
  readonly downMs: number | null;
  /** Steps that these times are made of. */
  readonly restsOn: readonly Step[];
  /** Steps of that time that were never measured in this cluster: a usual figure stands for them. */
  readonly guessed: readonly Step[];
  readonly loses: Reason | null;
  /** Why nobody knows here whether it can be sent there. */
  readonly unseen?: Reason;
  /** Why it goes there, or why it starts nowhere. */
  readonly why: Reason | null;
  /** One change with which it would start or leave, tried out; null: none is needed, or none was found. */
  readonly fix: Fix | null;
};

export type Forecast = {
  /** What happens to the cluster as a whole, in order. */
  readonly course: readonly Reason[];
  /** Only VMs to which something happens, in the order of their ids. */
  readonly vms: readonly Foreseen[];
  readonly usual: Readonly<Record<Step, Duration>>;
  /** MiB a second that the policy allows each move; null: what the link bears. */
  readonly limit: number | null;
};

/** The host's power fails now, or it is gone in any other way: that is the same to all others (S8). */
export function foreseeHostLoss(present: Present, host: HostId): Forecast {
  const noMajority = noMajorityWithout(present, host);
  if (noMajority !== undefined) return standStill(present, [noMajority, ...withoutCopies(present.view, host)], host);
  return foreseeSilence(present, host).forecast;
}

/**
 * The host lives, and is alone in not reaching the store. To the others it is lost; its own guests stand still at its deadline (S2),
 * and whoever nobody else has taken over goes on as it was after the cut (S11), if the host's power was not cut meanwhile.
 */
export function foreseeHostCut(present: Present, host: HostId): Forecast {
  const noMajority = noMajorityWithout(present, host);
  // Nobody reaches a majority, and nobody is gone.
  if (noMajority !== undefined) return standStill(present, [noMajority, outageOf(present)], null);
  const { forecast, fence } = foreseeSilence(present, host);
  if (fence?.device === "begun" || fence?.device === "confirmed") return forecast;
  const isWhole = ({ vm, becomes }: Foreseen): boolean => becomes === "waits" && runsOn(present.view, vm) === host;
  const still = { becomes: "stands-still", to: host, loses: null } as const;
  return { ...forecast, vms: forecast.vms.map((one) => (isWhole(one) ? { ...one, ...still } : one)) };
}

/** Why nothing could be decided any more without this host's member. */
export function noMajorityWithout(present: Present, host: HostId): Reason | undefined {
  const isThere = (other: HostId): boolean => other !== host && isHeardNow(present, other);
  return whyNoMajority(present.view, isThere, new Set([host]));
}

/** As the others see it; `fence`: what is recorded of this life of the host in the end. */
function foreseeSilence(
  present: Present,
  host: HostId,
): { readonly forecast: Forecast; readonly fence: FenceRecord | undefined } {
  const begin = (ahead: Ahead): void => ahead.silence(host);
  const played = playForward(present, begin);
  const { ahead } = played;
  const fenced = ahead.said.find(({ event }) => event.type === "host-fenced" && event.subjects.host === host);
  const params = { host };
  const isEmpty = (vmIndex(present.view).heldBy.get(host)?.size ?? 0) === 0;
  const course =
    fenced === undefined
      ? [reason("S8", isEmpty ? "forecast-host-empty" : "forecast-host-not-fenced", params)]
      : [reason("S8", "forecast-host-fenced", { ...params, afterMs: fenced.afterMs })];
  const told = [...course, ...withoutCopies(present.view, host)];
  const incarnation = present.view.hosts.get(host)?.value.incarnation;
  const fence = incarnation === undefined ? undefined : fenceOf(ahead.view, host, incarnation)?.value;
  return { forecast: tell(present, { ...played, begin }, told, host), fence };
}

/** All VMs are to leave the host: `order` writes what a person would. */
export function foreseeMaintenance(present: Present, host: HostId, order: (ahead: Ahead) => void): Forecast {
  // Nobody is there who could decide: what is asked for is refused by the store, and until then nothing happens.
  if (![...present.heardAgoMs.keys()].some((one) => isHeardNow(present, one))) return foreseeOutage(present);
  return tell(present, { ...playForward(present, order), begin: order }, [], host);
}

function isHeardNow({ heardAgoMs }: Present, host: HostId): boolean {
  return (heardAgoMs.get(host) ?? Number.POSITIVE_INFINITY) <= limits.aliveMs;
}

/** No host reaches the store any more. Nobody is fenced for it: all VMs stand still at their deadlines (S2, S8). */
export function foreseeOutage(present: Present): Forecast {
  return standStill(present, [outageOf(present)], null);
}

function outageOf({ view }: Present): Reason {
  const hosts = valuesInKeyOrder(view.members).filter(({ value }) => value.role === "host");
  const isEndless = hosts.length > 0 && hosts.every(({ value }) => hasNoDeadline(view, value.id));
  return reason(isEndless ? "S23" : "S8", isEndless ? "forecast-nobody-decides" : "forecast-all-stand-still", {});
}

/** What was lost starts nowhere, what is left is frozen: nothing can be decided. */
function standStill({ view, durations }: Present, course: readonly Reason[], lost: HostId | null): Forecast {
  const vms: Foreseen[] = [];
  for (const { value: vm } of valuesInKeyOrder(view.vms)) {
    const on = runsOn(view, vm.id);
    if (on === undefined) continue;
    const gone = on === lost;
    const why = course[0] ?? null;
    const still = { vm: vm.id, from: on, afterMs: null, downMs: null, restsOn: [], guessed: [], why, fix: null };
    // Where silence proves nothing no guard waits for a heartbeat: it goes on (S23).
    if (!gone && hasNoDeadline(view, on)) continue;
    if (gone) {
      const fix = hasNoDeadline(view, on) ? fixByTakeover(view, vm, on) : null;
      vms.push({ ...still, becomes: "waits", to: null, loses: downOf(view, vm, on), fix });
    } else vms.push({ ...still, becomes: "stands-still", to: on, loses: null });
  }
  return { course, vms, usual: durations.usual, limit: moveLimit(view) };
}

type Told = Played & { readonly begin: (ahead: Ahead) => void };

function tell(present: Present, played: Told, course: readonly Reason[], host: HostId): Forecast {
  const armed = playArmed(present, played);
  const vms = valuesInKeyOrder(present.view.vms).flatMap(({ value: vm }) => {
    const foreseen = foresee(present, played, vm, host);
    if (foreseen === undefined) return [];
    return armed === undefined ? [foreseen] : [withArming(foreseen, foresee(armed.present, armed.played, vm, host))];
  });
  return { course, vms, usual: present.durations.usual, limit: moveLimit(present.view) };
}

/** HM5: the same in a cluster that is armed; undefined: it is. */
function playArmed(present: Present, { begin }: Told): { present: Present; played: Played } | undefined {
  if (present.view.disarm === undefined) return undefined;
  const armed = { ...present, view: { ...copyView(present.view), disarm: undefined } };
  return { present: armed, played: playForward(armed, begin) };
}

/** What is said of a VM in a disarmed cluster, where it is known how it would go with it `armed`. */
function withArming(foreseen: Foreseen, armed: Foreseen | undefined): Foreseen {
  if (foreseen.becomes !== "waits" && foreseen.becomes !== "stays") return foreseen;
  if (armed !== undefined && armed.to !== null && armed.becomes !== "stays")
    return { ...foreseen, fix: reason("HM5", "fix-arm", {}) };
  // Armed again it would miss its disks all the same.
  if (armed?.why?.code !== "disks-lie-on-host") return foreseen;
  const fix = armed.fix?.code === "fix-group" ? { ...armed.fix, code: "fix-group-and-arm" } : null;
  return { ...foreseen, why: armed.why, fix };
}

function foresee(present: Present, { ahead, courses }: Played, vm: Vm, host: HostId): Foreseen | undefined {
  const before = present.view.owners.get(vm.id)?.value;
  const after = ahead.view.owners.get(vm.id)?.value;
  const from = before?.host ?? null;
  const course = courses.get(vm.id);
  const told = ahead.said.filter(({ event }) => event.subjects.vm === vm.id).map(({ event }) => event);
  const wasToGo = from === host && vm.requested === "started";
  const isSame = before?.host === after?.host && before?.epoch === after?.epoch;
  if (isSame && !wasToGo) return undefined;
  const times = { restsOn: [...(course?.restsOn ?? [])].sort(), guessed: [...(course?.guessed ?? [])].sort() };
  const base = { vm: vm.id, from, ...times };
  const why = told.findLast((event) => event.reason !== null)?.reason ?? null;
  const to = after?.host ?? null;
  const nothing = { afterMs: null, downMs: null, restsOn: [], guessed: [], loses: null, fix: null };
  const move = present.view.moves.get(vm.id)?.value;
  const via = move !== undefined && course?.on === from && move.to !== from ? { via: move.to } : {};
  if (course !== undefined && course.on !== null)
    return { ...base, ...via, to: course.on, why, fix: null, ...timesOf(present, vm, before !== undefined, course) };
  if (vm.requested !== "started")
    return isSame ? undefined : { ...base, ...nothing, becomes: "lies-elsewhere", to, why };
  const stays = runsOn(ahead.view, vm.id) !== undefined && ahead.isHeard(to as HostId);
  const isFree = before?.kind !== "held";
  const nowhereNow = isFree ? whyNowhereNow(present, vm) : undefined;
  const wasDown: boolean = isFree && isSame && (nowhereNow !== undefined || vmError(present.view, vm.id) !== undefined);
  const help = nowhereNow ?? whyNot(ahead, vm, { emptied: host, live: stays });
  if (stays) return { ...base, ...nothing, ...help, becomes: "stays", to };
  const loses = runsOn(present.view, vm.id) === undefined ? null : lossOf(present, vm, null, host);
  const fix = help.fix ?? (from === host ? fixOfCopy(present.view, vm, present.wall) : null);
  return {
    ...base,
    ...nothing,
    ...help,
    becomes: "waits",
    to: null,
    loses,
    fix,
    ...(wasDown ? { wasDown: true } : {}),
  };
}

function timesOf(
  present: Present,
  vm: Vm,
  ran: boolean,
  { on, runsMs, stoppedMs, pauseMs }: Course,
): Pick<Foreseen, "becomes" | "afterMs" | "downMs" | "loses"> {
  if (pauseMs !== null && stoppedMs === null)
    return { becomes: "moves", afterMs: runsMs, downMs: pauseMs, loses: null };
  const moved = stoppedMs !== null;
  const downMs = runsMs === null ? null : runsMs - (stoppedMs ?? 0);
  const loses = moved ? runLost(present, vm) : ran && on !== null ? lossOf(present, vm, on, on) : null;
  return { becomes: moved ? "moves" : "restarts", afterMs: runsMs, downMs, loses };
}

/** It is stopped for its move, also where nobody would say so: what stands still is not moved as it is (HM1). */
function runLost({ view }: Present, vm: Vm): Reason {
  const { by } = whyPaused(view, vm)?.params ?? {};
  return by === undefined
    ? reason("HM3", "loses-its-run", { vm: vm.name })
    : reason("HM3", "loses-its-paused-run", { vm: vm.name, by });
}

/** `to`: where it boots; null: nowhere by itself, so that what its copies lack is lost only where somebody orders it. */
function lossOf({ view, wall }: Present, vm: Vm, to: HostId | null, lost: HostId): Reason {
  for (const host of to === null ? hostsWithCopies(view, vm.id) : [to]) {
    const use = usability(view, vm.id, host);
    if (use.kind !== "lossy") continue;
    const params = { vm: vm.name, host };
    if (use.since === null) return reason("S18", "loses-nobody-knows-what", params);
    const seconds = Math.max(0, Math.ceil((wall - use.since) / 1_000));
    return reason("S18", to === null ? "loses-by-order" : "loses-what-came-since", { ...params, seconds });
  }
  return to === null ? downOf(view, vm, lost) : reason("S14", "loses-its-memory", { vm: vm.name });
}

/** What nobody starts does not boot afresh; whether it can before its host is back is a question of where its disks lie. */
function downOf(view: ClusterView, vm: Vm, lost: HostId): Reason {
  if (liesOn(view, vm) === lost && wholeCopies(view, vm.id).length === 0)
    return reason("S14", "loses-until-host-is-back", { vm: vm.name, host: lost });
  return reason("S14", "loses-its-memory-and-waits", { vm: vm.name });
}

/** Why the VM does not start, or cannot leave, by the last look at everything; and what would help. */
function whyNot(
  ahead: Ahead,
  vm: Vm,
  how: { readonly emptied: HostId; readonly live: boolean },
): { readonly why: Reason; readonly fix: Fix | null } {
  const { view, notices } = ahead;
  const disarm = view.disarm?.value;
  if (disarm !== undefined) return { why: reason("HM5", "disarmed", { mode: disarm.mode }), fix: null };
  const owner = view.owners.get(vm.id)?.value;
  const isLost = owner?.kind === "held" && !ahead.isHeard(owner.host);
  const proof = isLost ? whyNoProof(view, vm, [owner.host]) : undefined;
  if (proof !== undefined) return proof;
  const notice = notices.get(vm.id);
  // Nothing is done about one that was given up before somebody has taken note of that.
  const isInError = vmError(view, vm.id) !== undefined;
  const anew = isInError ? reason("HM1", "fix-clear-error", { vm: vm.name }) : null;
  if (notice !== undefined && !aboutHosts.has(notice.type)) return { why: reasonOf(notice), fix: anew };
  const open = () => openRound(view, ahead.known());
  const unfenced = isLost && fenceOf(view, owner.host, owner.incarnation) === undefined;
  // A host is there: what it waits for comes later than anybody looks ahead.
  if (!unfenced && whereTo(open(), vm, { preference: "best", live: how.live, without: how.emptied }) !== undefined)
    return { why: reason("FC1", "forecast-not-at-rest", { vm: vm.name }), fix: anew };
  const why = mainReason(open(), vm, { live: how.live });
  // Whoever is still held by a lost host would be placed once that one is fenced: what it lacks is the same.
  return {
    why:
      unfenced && why.code === "no-host-left" ? reason("S8", "forecast-host-not-fenced", { host: how.emptied }) : why,
    fix: fixFor(open, [vm], vm, { ...how, foreseen: true }),
  };
}

/** It runs nowhere as it is, whatever becomes of the host: the same is in its way, and would help, as is told of it today. */
function whyNowhereNow(present: Present, vm: Vm): { readonly why: Reason; readonly fix: Fix | null } | undefined {
  const { view } = present;
  const known = new Ahead(present).known();
  const owner = view.owners.get(vm.id)?.value;
  const isAwaitedThere = owner !== undefined && isAwaited(view, owner.host, known);
  // Something else is told of these.
  if (vm.lock !== null || view.disarm !== undefined || isAwaitedThere || vmError(view, vm.id) !== undefined)
    return undefined;
  const open = () => openRound(view, known);
  if (whereTo(open(), vm, { preference: "best" }) !== undefined) return undefined;
  return { why: mainReason(open(), vm), fix: fixFor(open, [vm], vm) };
}

/** These say that no host fits; which one comes closest, and why, says more. */
const aboutHosts: ReadonlySet<string> = new Set(["vm-nowhere", "vm-cannot-leave"]);

function reasonOf({ type, params, reason: why }: EventDraft): Reason {
  return why ?? { rule: "PL1", code: type, params };
}

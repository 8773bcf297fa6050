import { isOnRecord, testsOf } from "../../core/points.ts";
import type { HostMode } from "../../model/host-records.ts";
import type { Epoch, HostId, Incarnation, RuleId, VmId } from "../../model/ids.ts";
import type { KeyName } from "../../model/keys.ts";
import type { VmMove, VmOrder, VmPlan } from "../../model/move-records.ts";
import { proofWord } from "../../model/point-proof.ts";
import type { Point } from "../../model/point-records.ts";
import type {
  Cluster,
  Event,
  FenceRecord,
  HeldOwner,
  HostRegistration,
  Intent,
  ManagerTerm,
  Owner,
  ProofKind,
  Vm,
} from "../../model/records.ts";
import type { RemovedHost } from "../../model/removal-records.ts";
import type { Group, Replica } from "../../model/replication-records.ts";
import type { Rule } from "../../model/rules.ts";
import { leapMin } from "../checkers/of-takeover.ts";

/** One key that a transaction changed; `before` is what stood there. Undefined: nothing does, or did. */
export type StoreChange = { readonly name: KeyName; readonly value: unknown; readonly before: unknown };

/** Who may run a VM, as an owner record says it. */
export type Holder = { readonly host: HostId; readonly incarnation: Incarnation; readonly epoch: Epoch };

/** What was decided, as it stands in the store: the same in the simulator and in the lab, free of times. */
export type Decision =
  | { readonly kind: "fenced"; readonly host: HostId; readonly incarnation: Incarnation; readonly cause: string }
  | { readonly kind: "device"; readonly host: HostId; readonly incarnation: Incarnation; readonly device: string }
  | { readonly kind: "proven"; readonly host: HostId; readonly incarnation: Incarnation; readonly proof: ProofKind }
  | { readonly kind: "joined"; readonly host: HostId; readonly incarnation: Incarnation }
  | { readonly kind: "leads"; readonly host: HostId; readonly term: number }
  | { readonly kind: "placed"; readonly vm: VmId; readonly to: Holder }
  | { readonly kind: "taken-over"; readonly vm: VmId; readonly from: Holder; readonly to: Holder }
  | { readonly kind: "restarted"; readonly vm: VmId; readonly to: Holder; readonly exit: string }
  | { readonly kind: "adopted"; readonly vm: VmId; readonly from: Holder; readonly to: Holder }
  | { readonly kind: "released"; readonly vm: VmId; readonly from: Holder; readonly failed: string | null }
  | { readonly kind: "lost-released"; readonly vm: VmId; readonly from: Holder }
  | { readonly kind: "forgiven"; readonly vm: VmId }
  | { readonly kind: "back"; readonly vm: VmId; readonly on: HostId; readonly is: "ordered" | "done" }
  | { readonly kind: "wanted"; readonly vm: VmId; readonly requested: string }
  | { readonly kind: "deleted"; readonly vm: VmId }
  | { readonly kind: "answered"; readonly vm: VmId; readonly intent: string; readonly answer: string }
  | { readonly kind: "asked"; readonly vm: VmId; readonly order: string }
  | { readonly kind: "moves"; readonly vm: VmId; readonly leaves: HostId; readonly aim: HostId; readonly why: string }
  | { readonly kind: "move-answered"; readonly vm: VmId; readonly aim: HostId; readonly code: string }
  | { readonly kind: "awaits"; readonly vm: VmId; readonly leaves: HostId }
  | { readonly kind: "handed"; readonly vm: VmId; readonly from: Holder; readonly to: Holder }
  | { readonly kind: "quit"; readonly vm: VmId; readonly leaves: HostId }
  /** `over`: nothing of it is left. */
  | {
      readonly kind: "image";
      readonly vm: VmId;
      readonly on: HostId;
      readonly is: "made" | "kept" | "given-up" | "over";
    }
  | { readonly kind: "place-changed"; readonly vm: VmId; readonly aim: HostId }
  | { readonly kind: "copy"; readonly vm: VmId; readonly host: HostId; readonly state: string }
  | { readonly kind: "point"; readonly vm: VmId; readonly host: HostId; readonly is: string }
  | { readonly kind: "group"; readonly group: string; readonly is: string }
  | { readonly kind: "errs"; readonly vm: VmId; readonly code: string }
  | { readonly kind: "mode"; readonly host: HostId; readonly mode: string; readonly next: string }
  | { readonly kind: "removed"; readonly host: HostId; readonly is: "out" | "out-of-the-store" | "taken-back" }
  /** A takeover: under way, written to its end, and one of those left out votes again. */
  | { readonly kind: "alone"; readonly is: "begun" | "written" | "over"; readonly hosts: readonly HostId[] }
  | { readonly kind: "leapt"; readonly vm: VmId; readonly to: Holder }
  | { readonly kind: "maintains"; readonly host: HostId; readonly on: boolean }
  | { readonly kind: "rules"; readonly rule: RuleId; readonly is: Rule | undefined }
  | {
      readonly kind: "says";
      readonly code: string;
      readonly vm: VmId | undefined;
      readonly host: HostId | undefined;
      readonly seconds?: number;
    };

/** What is said without a change of its own: refusals and warnings that a person reads. */
const said = new Set([
  "vm-nowhere",
  "vm-waits-for-proof",
  "vm-gave-up",
  "vm-paused",
  "host-silent-not-fenced",
  "fence-device-failed",
  "vm-order-dropped",
  "vm-order-served",
  "vm-move-dropped",
  "vm-move-given-up",
  "vm-cannot-leave",
  "vm-locked-cannot-leave",
  "vm-paused-not-moved",
  "vm-waits-for-host",
  "vm-locked",
  "vm-lock-removed",
  "vm-stop-failed",
  "vm-waits-for-source",
  "old-copy-does-not-end",
  "guest-not-let-go-on",
  "scheduler-falls-back",
  "vm-waits-its-turn",
  "host-flaps",
  "replica-lags",
  "replica-caught-up",
  "replica-promoted-behind",
  "replica-promoted-unsaid",
  "vm-waits-for-order",
]);

const moveEnds = new Set(["vm-move-failed", "vm-move-called-off"]);

/** The decisions of one transaction, in its order. */
export function decisionsOf(changes: readonly StoreChange[]): Decision[] {
  const events = changes.flatMap(({ name, value }) => (name.kind === "event" ? [value as Event] : []));
  const found = changes.flatMap((change) => decisionsOfKey(change, events));
  for (const { type, subjects, params } of events)
    if (said.has(type) || (moveEnds.has(type) && isUnanswered(changes)))
      found.push({ kind: "says", code: type, vm: subjects.vm, host: subjects.host, ...secondsOf(params) });
  return found;
}

/** What is lost, where the event states it. */
function secondsOf({ seconds }: Event["params"]): { readonly seconds?: number } {
  return typeof seconds === "number" ? { seconds } : {};
}

/** Its source did not say so itself. */
function isUnanswered(changes: readonly StoreChange[]): boolean {
  return changes.some(({ name, before }) => name.kind === "vm-move" && (before as VmMove).answer.kind === "open");
}

function removalDecisions(host: HostId, is: RemovedHost | undefined, was: RemovedHost | undefined): Decision[] {
  // Its registration says the rest.
  if (is === undefined) return [];
  if (is.takenBackAt !== null) return [{ kind: "removed", host, is: "taken-back" }];
  const left = is.store === "left" && was?.store === "voting";
  return [{ kind: "removed", host, is: left ? "out-of-the-store" : "out" }];
}

function aloneDecisions(is: Cluster["forced"], was: Cluster["forced"]): Decision[] {
  if (is === undefined) return [];
  const back = was?.without.filter((host) => !is.without.includes(host)) ?? [];
  const backs: Decision[] = back.length === 0 ? [] : [{ kind: "alone", is: "over", hosts: back }];
  if (is.open === was?.open && is.at === was?.at) return backs;
  return [{ kind: "alone", is: is.open === true ? "begun" : "written", hosts: is.without }];
}

function decisionsOfKey({ name, value, before }: StoreChange, events: readonly Event[]): Decision[] {
  switch (name.kind) {
    case "fence":
      return value === undefined ? [] : fenceDecisions(name, value as FenceRecord, before as FenceRecord | undefined);
    case "host":
      return value === undefined
        ? []
        : [{ kind: "joined", host: name.host, incarnation: (value as HostRegistration).incarnation }];
    case "cluster":
      return aloneDecisions((value as Cluster | undefined)?.forced, (before as Cluster | undefined)?.forced);
    case "removed-host":
      return removalDecisions(name.host, value as RemovedHost | undefined, before as RemovedHost | undefined);
    case "manager-term": {
      const term = value as ManagerTerm | undefined;
      return term === undefined ? [] : [{ kind: "leads", host: term.host, term: term.term }];
    }
    case "owner":
      return ownerDecisions(name.vm, value as Owner | undefined, before as Owner | undefined, events);
    case "vm":
      return vmDecisions(name.vm, value as Vm | undefined, before as Vm | undefined);
    case "intent": {
      const intent = value as Intent | undefined;
      // What a host makes of its order to leave stands in its mode.
      if (intent === undefined || intent.kind === "leave-host" || intent.answer.kind === "open") return [];
      const what = intent.kind === "point" ? `${intent.wish.act} point` : intent.kind;
      return [{ kind: "answered", vm: intent.vm, intent: what, answer: wordsOf(intent) }];
    }
    default:
      return managedDecisions({ name, value, before });
  }
}

/** Of the records of orders, moves and hosts that are managed. */
function managedDecisions({ name, value, before }: StoreChange): Decision[] {
  switch (name.kind) {
    case "vm-order": {
      const order = (value as VmOrder | undefined)?.order;
      if (order === undefined || order.kind === "stop") return [];
      return [{ kind: "asked", vm: name.vm, order: `${order.kind} to ${order.to}` }];
    }
    case "vm-move":
      return moveDecisions(value as VmMove | undefined, before as VmMove | undefined);
    case "vm-plan": {
      const error = (value as VmPlan | undefined)?.error ?? null;
      const known = (before as VmPlan | undefined)?.error ?? null;
      return error === null || known !== null ? [] : [{ kind: "errs", vm: name.vm, code: error.code }];
    }
    case "replica":
      return replicaDecisions(name, value as Replica | undefined, before as Replica | undefined);
    case "point":
      return pointDecisions(value as Point | undefined, before as Point | undefined);
    case "group": {
      const group = value as Group | undefined;
      const is = group === undefined ? "is gone" : group.paused.length > 0 ? "is paused" : "works";
      return [{ kind: "group", group: name.group, is }];
    }
    case "rule":
      return [{ kind: "rules", rule: name.rule, is: value as Rule | undefined }];
    case "host-mode": {
      const mode = value as HostMode | undefined;
      return mode === undefined ? [] : [{ kind: "mode", host: name.host, mode: mode.mode, next: mode.next }];
    }
    case "maintenance":
      return [{ kind: "maintains", host: name.host, on: value !== undefined }];
    default:
      return [];
  }
}

/** A refusal with its code: whoever asked is told why. */
function wordsOf({ kind, answer }: Intent): string {
  return kind === "point" && answer.kind === "refused" ? `refused, ${answer.code}` : answer.kind;
}

const testWords = {
  proven: "proven by a test",
  booted: "booted by a test, and not checked",
  failed: "failed its test",
} as const;

/** How large it is is everyday work, and so are those of cycles and the last one before each resync: checkers watch them. */
function pointDecisions(is: Point | undefined, was: Point | undefined): Decision[] {
  const of = is ?? was;
  if (of === undefined || of.origin === "resync" || of.origin === "cycle") return [];
  const said = (words: string): Decision[] => [{ kind: "point", vm: of.vm, host: of.host, is: words }];
  if (is === undefined) return said(`of ${of.origin} is gone`);
  if (was === undefined) return said(`taken by ${is.origin}`);
  // Of a point that is gone, what came of its test was said with it.
  const test = testsOf({ ...is, earlier: [] }).find((one) => !isOnRecord(was, one));
  return test === undefined ? [] : said(testWords[proofWord(test)]);
}

type OfReplica = { readonly vm: VmId; readonly host: HostId };

/** One that a move made says its pool. */
function replicaDecisions(of: OfReplica, is: Replica | undefined, was: Replica | undefined): Decision[] {
  return (is ?? was)?.pool === undefined ? copyDecisions(of, is, was) : imageDecisions(of.vm, of.host, is, was);
}

/** Who receives it is everyday work. */
function copyDecisions({ vm, host }: OfReplica, is: Replica | undefined, was: Replica | undefined): Decision[] {
  if (is === undefined) return [{ kind: "copy", vm, host, state: "taken, or forgotten" }];
  if (is.state.kind === was?.state.kind && is.epoch === was.epoch) return [];
  const { state, epoch } = is;
  const whole = state.kind === "stale" && !state.whole ? ", of no use" : "";
  return [{ kind: "copy", vm, host, state: `${state.kind}${whole}, epoch ${epoch}` }];
}

function moveDecisions(is: VmMove | undefined, was: VmMove | undefined): Decision[] {
  // That the source of a live move has quit; any other move is over by what is told besides.
  if (is === undefined) return was?.live?.kind === "switched" ? [{ kind: "quit", vm: was.vm, leaves: was.from }] : [];
  const { vm, from, to, reason, answer, live } = is;
  if (live?.kind === "waiting" && answer.kind === "open") return [{ kind: "awaits", vm, leaves: from }];
  // The owner record tells it.
  if (live?.kind === "switched" && answer.kind === "open") return [];
  return answer.kind === "open"
    ? [{ kind: "moves", vm, leaves: from, aim: to, why: reason.code }]
    : [{ kind: "move-answered", vm, aim: to, code: answer.code }];
}

function fenceDecisions(
  { host, incarnation }: { readonly host: HostId; readonly incarnation: Incarnation },
  is: FenceRecord,
  was: FenceRecord | undefined,
): Decision[] {
  const found: Decision[] = [];
  if (was === undefined) found.push({ kind: "fenced", host, incarnation, cause: is.cause });
  const device = was?.device ?? "not-needed";
  if (is.device !== device && is.device !== "confirmed")
    found.push({ kind: "device", host, incarnation, device: is.device });
  for (const proof of is.proofs) {
    // A fence by silence is its own proof (S9): it goes without saying.
    const isItself = was === undefined && proof === "silence";
    if (!isItself && was?.proofs.includes(proof) !== true) found.push({ kind: "proven", host, incarnation, proof });
  }
  return found;
}

function holder({ host, incarnation, epoch }: HeldOwner): Holder {
  return { host, incarnation, epoch };
}

function ownerDecisions(vm: VmId, is: Owner | undefined, was: Owner | undefined, events: readonly Event[]): Decision[] {
  // Written once more as it was, where two hosts vote: nothing is decided by that (S23).
  if (is === undefined || JSON.stringify(is) === JSON.stringify(was)) return [];
  const isNew = is.back !== undefined && is.back.id !== was?.back?.id;
  const isSame = is.kind === was?.kind && is.host === was.host;
  const isDone = isSame && is.kind === "held" && is.back === undefined && was.back !== undefined;
  const back = isNew ? ("ordered" as const) : isDone ? ("done" as const) : undefined;
  const backs: Decision[] = back === undefined ? [] : [{ kind: "back", vm, on: is.host, is: back }];
  return isSame && back !== undefined ? backs : [...holderDecisions(vm, is, was, events), ...backs];
}

function holderDecisions(vm: VmId, is: Owner, was: Owner | undefined, events: readonly Event[]): Decision[] {
  if (is.kind === "released") {
    if (was?.kind !== "held" && was?.host !== is.host) return [{ kind: "place-changed", vm, aim: is.host }];
    if (was.kind !== "held") return [{ kind: "forgiven", vm }];
    if (events.some(({ type }) => type === "vm-released" || type === "vm-lost-while-locked"))
      return [{ kind: "lost-released", vm, from: holder(was) }];
    return [{ kind: "released", vm, from: holder(was), failed: is.failed }];
  }
  const to = holder(is);
  if (was?.kind !== "held") return [{ kind: "placed", vm, to }];
  const from = holder(was);
  if (events.some((event) => event.type === "vm-recovered")) return [{ kind: "taken-over", vm, from, to }];
  if (from.host !== to.host) return [{ kind: "handed", vm, from, to }];
  if (from.incarnation !== to.incarnation) return [{ kind: "adopted", vm, from, to }];
  if (to.epoch >= from.epoch + leapMin) return [{ kind: "leapt", vm, to }];
  const exit = events.find((event) => event.type === "vm-restarted")?.params["exit"];
  return [{ kind: "restarted", vm, to, exit: String(exit ?? "") }];
}

function vmDecisions(vm: VmId, is: Vm | undefined, was: Vm | undefined): Decision[] {
  if (is === undefined) return [{ kind: "deleted", vm }];
  return is.requested === was?.requested ? [] : [{ kind: "wanted", vm, requested: is.requested }];
}

/** Of images in local pools beside those that VMs lie on; one that became the volume is told by the hand-over. */
function imageDecisions(vm: VmId, on: HostId, is: Replica | undefined, was: Replica | undefined): Decision[] {
  if (is === undefined) return was?.state.kind === "surplus" ? [{ kind: "image", vm, on, is: "over" }] : [];
  const states = { copying: "made", stale: "kept", surplus: "given-up" } as const;
  const kind = is.state.kind === "copying" || is.state.kind === "stale" ? is.state.kind : ("surplus" as const);
  return [{ kind: "image", vm, on, is: states[kind] }];
}

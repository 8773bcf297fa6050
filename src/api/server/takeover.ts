import { toldOfCluster } from "../../core/requests/disarm.ts";
import { type Claim, foreseeTakeover, leftUnfenced, type OffProof, othersOf, wordFor } from "../../core/takeover.ts";
import {
  heardSince,
  isWritten,
  type Objection,
  planTakeover,
  stepsOf,
  whyNotFinished,
} from "../../core/takeover-plan.ts";
import type { HostId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { EventDraft } from "../../model/records.ts";
import type { TakeoverPlan } from "../../model/takeover-plan.ts";
import type { Change, CommitEnd, Transaction } from "../../model/transaction.ts";
import { applyChanges, type ClusterView, emptyView } from "../../model/view.ts";
import type { PowerOffEnd } from "../../ports/fencing.ts";
import type { SnapshotEnd } from "../../ports/store.ts";
import type { ForceEnd } from "../../ports/store-force.ts";
import type { TakeoverOutput } from "../contract/takeover.ts";
import type { Answer, WithRequestId } from "./ask.ts";
import type { Unavailable } from "./mutate.ts";
import { type ApiOptions, apiLimits } from "./options.ts";
import type { TakeoverMeans } from "./takeover-means.ts";
import { answered, sleep } from "./wait.ts";

export type TakeoverInput = WithRequestId & {
  readonly claim: Claim;
  readonly word?: string | undefined;
  readonly accept?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  /** By the daemon, without anybody's order. */
  readonly byItself?: true;
};

/** A store that answers within this is one that decides. */
const servesMs = 3_000;
const answeringMs = 5_000;
const deviceMs = 35_000;
const forceMs = 70_000;
/** Whoever else writes these records does so for a reason of its own, and seldom. */
const roundsMax = 20;

const noAnswer = { kind: "unknown", cause: "no answer" } as const;

let underWay = false;

/** S23, S24. One at a time; the outcome is in the store, and a repetition is refused because that serves again. */
export async function takeOver(options: ApiOptions, input: TakeoverInput): Promise<Answer<TakeoverOutput>> {
  const { takeover } = options;
  if (takeover === undefined) return refuse("takeover-not-here", { host: options.self });
  if (underWay) return refuse("takeover-under-way", {});
  underWay = true;
  try {
    return await takeOverOnce(options, takeover, input);
  } finally {
    underWay = false;
  }
}

async function takeOverOnce(
  options: ApiOptions,
  means: TakeoverMeans,
  input: TakeoverInput,
): Promise<Answer<TakeoverOutput>> {
  const { clock, self, store } = options;
  const readAll: Read = (done) => store.snapshot("/" as typeof keys.cluster, done);
  // Of one that was forced already the steps may not all be written: nothing of the lost hosts would ever start.
  const isForced = await serves(options);
  const before = await viewOf(options, isForced ? readAll : (done) => means.force.peek(done));
  if ("kind" in before) return before;
  // Where not even that it was is on record, only this host's own mark tells of it.
  const isAnew = !isForced || (means.force.isUnfinished() && leftUnfenced(before, self).length === 0);
  const lost = isAnew ? othersOf(before, self, input.claim) : leftUnfenced(before, self);
  if ("kind" in lost) return lost;
  if (lost.length === 0) return refuse("takeover-not-needed", {});
  const talks = await whoAnswers(options, means, before, lost);
  if (talks !== undefined) return talks;
  if (input.dryRun === true) return ok(before, self, new Map(lost.map((host) => [host, null])), false);
  const lossy = input.accept === true || input.byItself === true ? [] : namesOfLossy(before, self, lost);
  // Before any device is asked: nobody's power is cut for what is refused.
  if (lossy.length > 0) return refuse("takeover-loss", { vms: lossy.join(", ") });
  const proofs = await proveOff(options, means, before, lost, input.word);
  if ("kind" in proofs) return proofs;
  await sleep(clock, [...proofs.values()].includes("word") ? means.waitMs : 0);
  // Devices and the wait took their time: whoever is back meanwhile is not off, and a store that serves again is left alone.
  if (!isForced && (await serves(options))) return refuse("takeover-not-needed", {});
  const talksNow = await whoAnswers(options, means, before, lost);
  if (talksNow !== undefined) return talksNow;
  // A host that booted meanwhile may register as soon as the store serves: its proof is of the life before.
  const plan = planTakeover(before, { lost: proofs, at: clock.wall(), byItself: input.byItself === true });
  const trouble = isForced ? noteAnew(means, plan) : await force(options, means, plan);
  return trouble ?? writeRest(options, means, { plan, input, against: (view) => heardSince(view, plan) });
}

type Rest = { readonly plan: TakeoverPlan; readonly against: Objection; readonly input: WithRequestId };

/** All that follows from a store that was forced. */
async function writeRest(options: ApiOptions, means: TakeoverMeans, rest: Rest): Promise<Answer<TakeoverOutput>> {
  const { self, store } = options;
  const view = await viewOf(options, (done) => store.snapshot("/" as typeof keys.cluster, done));
  if ("kind" in view) return view;
  const failed = await writeAll(options, view, rest);
  if (failed !== undefined) return failed;
  return unmarked(means) ?? ok(view, self, new Map(rest.plan.lost.map(({ host, proof }) => [host, proof])), true);
}

/**
 * S24: a daemon that finds a takeover of its host half written writes the rest, without anybody's order: that was given, and whoever
 * was proven to be off was. Undefined: there is nothing to do, or nothing that may be done without a person.
 */
export async function finishTakeover(options: ApiOptions): Promise<Answer<TakeoverOutput> | undefined> {
  const { takeover: means, store } = options;
  const plan = means?.force.isOfThisBoot() === true ? means.force.plan() : undefined;
  if (means === undefined || plan === undefined || underWay) return undefined;
  underWay = true;
  try {
    if (!(await serves(options))) return undefined;
    const view = await viewOf(options, (done) => store.snapshot("/" as typeof keys.cluster, done));
    if ("kind" in view) return undefined;
    if (isWritten(view, plan)) return unmarked(means);
    const answering = new Map<HostId, string>();
    for (const { host } of plan.lost) {
      const address = await whereAnswers(options, means, view, host);
      if (address !== undefined) answering.set(host, address);
    }
    return await writeRest(options, means, { plan, input: {}, against: (now) => whyNotFinished(now, plan, answering) });
  } finally {
    underWay = false;
  }
}

function namesOfLossy(view: ClusterView, self: HostId, lost: readonly HostId[]): readonly string[] {
  return foreseeTakeover(view, self, lost).flatMap(({ name, loss }) => (loss === null ? [] : [name]));
}

type Read = (done: (end: SnapshotEnd) => void) => void;

/** The order before may have been of another life, or by another proof: a daemon that finishes this one goes by this. */
function noteAnew({ force }: TakeoverMeans, plan: TakeoverPlan): Unavailable | undefined {
  const end = force.note(plan);
  return end.kind === "done" ? undefined : unavailable("takeover-not-noted", end.cause);
}

/** Managers of this host hold for as long as the mark is there. */
function unmarked({ force }: TakeoverMeans): Unavailable | undefined {
  const end = force.finished();
  return end.kind === "done" ? undefined : unavailable("takeover-mark-stays", end.cause);
}

function unavailable(code: string, cause: string): Unavailable {
  return { kind: "unavailable", code, params: { cause } };
}

async function force(
  { clock }: ApiOptions,
  means: TakeoverMeans,
  plan: TakeoverPlan,
): Promise<Unavailable | undefined> {
  const late = { kind: "failed", cause: noAnswer.cause } as const;
  const forced = await answered<ForceEnd>(clock, forceMs, late, (done) => means.force.force(plan, done));
  if (forced.kind === "done") return undefined;
  return unavailable("takeover-store-failed", forced.cause);
}

async function serves({ clock, store }: ApiOptions): Promise<boolean> {
  const end = await answered<SnapshotEnd>(clock, servesMs, noAnswer, (done) => store.snapshot(keys.cluster, done));
  return end.kind === "done";
}

async function viewOf(options: ApiOptions, read: Read): Promise<ClusterView | Unavailable> {
  const end = await answered<SnapshotEnd>(options.clock, apiLimits.storeMs, noAnswer, read);
  if (end.kind === "unknown")
    return { kind: "unavailable", code: "takeover-no-data", params: { cause: end.cause, host: options.self } };
  const view = emptyView();
  const changes = end.values.map((value): Change => ({ kind: "put", ...value }));
  applyChanges(view, changes, end.revision);
  return view;
}

/** S23: whoever answers on any link is not off, whatever the operator says. */
async function whoAnswers(
  options: ApiOptions,
  means: TakeoverMeans,
  view: ClusterView,
  lost: readonly HostId[],
): Promise<Refusal | undefined> {
  for (const host of lost) {
    if (addressesOf(view, host).length === 0) return refuse("takeover-no-links", { host });
    const address = await whereAnswers(options, means, view, host);
    if (address !== undefined) return refuse("takeover-peer-answers", { host: nameOf(view, host), address });
  }
  return undefined;
}

/** Whether it answers at all is not known where nobody says so in time: then it does. */
async function whereAnswers(
  { clock }: ApiOptions,
  { force }: TakeoverMeans,
  view: ClusterView,
  host: HostId,
): Promise<string | undefined> {
  const addresses = addressesOf(view, host);
  const found = await answered<readonly string[]>(clock, answeringMs, addresses, (done) =>
    force.answering(addresses, done),
  );
  return found[0];
}

function addressesOf(view: ClusterView, host: HostId): readonly string[] {
  return (view.members.get(host)?.value.links ?? []).map(({ address }) => address);
}

/** Each by its device; those without one, or that it does not confirm, by the operator's word for all of them. */
async function proveOff(
  { clock }: ApiOptions,
  { fencing }: TakeoverMeans,
  view: ClusterView,
  lost: readonly HostId[],
  word: string | undefined,
): Promise<ReadonlyMap<HostId, OffProof> | Refusal> {
  const proofs = new Map<HostId, OffProof>();
  const causes: string[] = [];
  for (const host of lost) {
    const device = view.devices.get(host)?.value;
    if (device === undefined) {
      causes.push(`${nameOf(view, host)} has no power controller`);
      continue;
    }
    const end = await answered<PowerOffEnd>(clock, deviceMs, noAnswer, (done) => fencing.powerOff(device, done));
    if (end.kind === "off") proofs.set(host, "power-off");
    else causes.push(end.cause);
  }
  if (causes.length === 0) return proofs;
  const unproven = lost.filter((host) => !proofs.has(host));
  const expected = wordFor(unproven.map((host) => nameOf(view, host)));
  if (word !== expected) return refuse("takeover-word-missing", { word: expected, cause: causes.join("; ") });
  for (const host of unproven) proofs.set(host, "word");
  return proofs;
}

async function writeAll(
  options: ApiOptions,
  view: ClusterView,
  { plan, against, input }: Rest,
): Promise<Unavailable | Refusal | undefined> {
  const { lost, at } = plan;
  const actor = { name: "root", role: "admin" as const, requestId: input.requestId ?? options.random.hex(24) };
  const names = lost.map(({ host }) => nameOf(view, host)).join(", ");
  const told = toldOfCluster("cluster-taken-over", { by: options.self, without: names }, { actor, at });
  const done = new Set<string>();
  let now = view;
  let left = 0;
  for (let round = 0; round < roundsMax; round++) {
    const steps = stepsOf(now, options.self, plan, against);
    if ("kind" in steps) return steps;
    const rest = steps.filter(({ subject }) => !done.has(subject));
    if (rest.length === 0) return undefined;
    left = rest.length;
    for (const { subject, transaction } of rest) {
      const end = await commit(options, transaction, done.size === 0 ? [told] : []);
      // Agents of this host write the same records: the fence waits until each leap is made on what is there.
      if (end !== "committed") break;
      done.add(subject);
    }
    const read = await viewOf(options, (give) => options.store.snapshot("/" as typeof keys.cluster, give));
    if ("kind" in read) return read;
    now = read;
  }
  return { kind: "unavailable", code: "takeover-not-written", params: { done: done.size, left } };
}

function commit(
  options: ApiOptions,
  transaction: Transaction,
  events: readonly EventDraft[],
): Promise<CommitEnd["kind"] | "too-large"> {
  return new Promise((resolve) => {
    const done = ({ kind }: { readonly kind: CommitEnd["kind"] | "too-large" }): void => resolve(kind);
    if (options.commit === undefined) options.store.commit(transaction, apiLimits.commitMs, done);
    else options.commit(transaction, events, done);
  });
}

function ok(
  view: ClusterView,
  self: HostId,
  lost: ReadonlyMap<HostId, OffProof | null>,
  done: boolean,
): Answer<TakeoverOutput> {
  const vms = foreseeTakeover(view, self, [...lost.keys()]).map(({ vm, name, from, why, loss }) => ({
    ...{ id: vm, name },
    from: { id: from, name: nameOf(view, from) },
    ...{ why, loss },
  }));
  const members = [...lost].map(([id, proof]) => {
    return { id, name: nameOf(view, id), proof, device: view.devices.has(id) };
  });
  return { kind: "ok", value: { lost: members, vms, done } };
}

function nameOf(view: ClusterView, host: HostId): string {
  return view.members.get(host)?.value.name ?? host;
}

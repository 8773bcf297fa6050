import { toldOfCluster } from "../../core/requests/disarm.ts";
import {
  type Claim,
  foreseeTakeover,
  leftUnfenced,
  livesOf,
  type OffProof,
  othersOf,
  type Takeover,
  takeoverSteps,
  wordFor,
} from "../../core/takeover.ts";
import type { HostId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { EventDraft } from "../../model/records.ts";
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
  const proofs = await proveOff(options, means, before, lost, input.word);
  if ("kind" in proofs) return proofs;
  await sleep(clock, [...proofs.values()].includes("word") ? means.waitMs : 0);
  // Devices and the wait took their time: whoever is back meanwhile is not off, and a store that serves again is left alone.
  if (!isForced && (await serves(options))) return refuse("takeover-not-needed", {});
  const talksNow = await whoAnswers(options, means, before, lost);
  if (talksNow !== undefined) return talksNow;
  const trouble = isForced ? undefined : await force(options, means);
  if (trouble !== undefined) return trouble;
  const view = await viewOf(options, readAll);
  if ("kind" in view) return view;
  // A host that booted meanwhile may have registered, as soon as the store serves: its proof is of the life before.
  const lives = livesOf(before, lost);
  const failed = await writeAll(options, view, { lost: proofs, lives }, input);
  if (failed === undefined) means.force.finished();
  return failed ?? ok(view, self, proofs, true);
}

type Read = (done: (end: SnapshotEnd) => void) => void;

async function force({ clock }: ApiOptions, means: TakeoverMeans): Promise<Unavailable | undefined> {
  const late = { kind: "failed", cause: noAnswer.cause } as const;
  const forced = await answered<ForceEnd>(clock, forceMs, late, (done) => means.force.force(done));
  if (forced.kind === "done") return undefined;
  return { kind: "unavailable", code: "takeover-store-failed", params: { cause: forced.cause } };
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
  { clock }: ApiOptions,
  { force }: TakeoverMeans,
  view: ClusterView,
  lost: readonly HostId[],
): Promise<Refusal | undefined> {
  for (const host of lost) {
    const addresses = (view.members.get(host)?.value.links ?? []).map(({ address }) => address);
    if (addresses.length === 0) return refuse("takeover-no-links", { host });
    const found = await answered<readonly string[]>(clock, answeringMs, addresses, (done) =>
      force.answering(addresses, done),
    );
    const [address] = found;
    if (address !== undefined) return refuse("takeover-peer-answers", { host: nameOf(view, host), address });
  }
  return undefined;
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
  { lost, lives }: Required<Pick<Takeover, "lost" | "lives">>,
  input: TakeoverInput,
): Promise<Unavailable | undefined> {
  const at = options.clock.wall();
  const order = { self: options.self, lost, lives, at, byItself: input.byItself === true };
  const actor = { name: "root", role: "admin" as const, requestId: input.requestId ?? options.random.hex(24) };
  const names = [...lost.keys()].map((host) => nameOf(view, host)).join(", ");
  const told = toldOfCluster("cluster-taken-over", { by: options.self, without: names }, { actor, at });
  const done = new Set<string>();
  let rest = takeoverSteps(view, order);
  for (let round = 0; round < roundsMax; round++) {
    for (const { subject, transaction } of rest) {
      const end = await commit(options, transaction, done.size === 0 ? [told] : []);
      // Agents of this host write the same records: the fence waits until each leap is made on what is there.
      if (end !== "committed") break;
      done.add(subject);
    }
    const now = await viewOf(options, (read) => options.store.snapshot("/" as typeof keys.cluster, read));
    if ("kind" in now) return now;
    rest = takeoverSteps(now, order).filter(({ subject }) => !done.has(subject));
    if (rest.length === 0) return undefined;
  }
  return { kind: "unavailable", code: "takeover-not-written", params: { done: done.size, left: rest.length } };
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
  const vms = foreseeTakeover(view, self, [...lost.keys()]).map(({ vm, name, from, why }) => ({
    ...{ id: vm, name },
    from: { id: from, name: nameOf(view, from) },
    why,
  }));
  const members = [...lost].map(([id, proof]) => ({ id, name: nameOf(view, id), proof }));
  return { kind: "ok", value: { lost: members, vms, done } };
}

function nameOf(view: ClusterView, host: HostId): string {
  return view.members.get(host)?.value.name ?? host;
}

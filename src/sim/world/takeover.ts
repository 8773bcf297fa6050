import type { SeededRandom } from "../../base/random.ts";
import { event } from "../../core/decision.ts";
import {
  isToRejoin,
  leftUnfenced,
  type OffProof,
  othersOf,
  rejoinedTransaction,
  type TakeoverStep,
} from "../../core/takeover.ts";
import {
  heardSince,
  isWritten,
  type Objection,
  planTakeover,
  stepsOf,
  whyNotFinished,
} from "../../core/takeover-plan.ts";
import { type HostId, noRevision, type StoreKey } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { Cluster } from "../../model/records.ts";
import type { TakeoverPlan } from "../../model/takeover-plan.ts";
import { applyChanges, type ClusterView, emptyView } from "../../model/view.ts";
import type { SnapshotEnd } from "../../ports/store.ts";
import type { Daemon } from "../../runtime/daemon.ts";
import { storeClient } from "./boot.ts";
import type { SimHost } from "./host.ts";
import type { Life } from "./process.ts";
import type { StoreClient } from "./store-client.ts";
import type { World } from "./world.ts";

// `holdfast cluster takeover --peer-is-off` as src/api/server/takeover.ts goes through it, and the way back as src/main does:
// the conversation is the world's, what is decided and written is the product's (src/core/takeover.ts).

/** From the order to the member's start script until that has forced: it restarts, and copies its data before. */
const forceMs = { min: 800, spread: 2_500 } as const;
const servesAgainMs = 1_000;
const servesTriesMax = 60;
const roundsMax = 20;
/** A daemon that finishes what another one has begun asks all links of the lost host before, as long as they may take to answer. */
const askLinksMs = { min: 50, spread: 4_950 } as const;
/** A member that joins anew puts its data aside, starts, catches up and is promoted. */
const joinEveryMs = 2_000;

type Order = {
  readonly world: World;
  readonly self: SimHost;
  readonly life: Life;
  readonly daemon: Daemon;
  readonly store: StoreClient;
  readonly random: SeededRandom;
};

const underWay = new WeakSet<Life>();
/** Ends before anything was forced. */
const refusals: ReadonlySet<string> = new Set([
  ...["takeover-not-needed", "takeover-peer-answers", "takeover-word-missing", "takeover-not-two"],
]);

/**
 * A person says at `self` that the other one is off, and types the word where no device confirms it only where that is so.
 * What comes of it is told, and ends with the daemon that was asked.
 */
export function takeOver(world: World, self: SimHost, random: SeededRandom): void {
  const daemon = world.daemons.get(self.id);
  const { life, stopped } = self.processes.daemon;
  if (daemon === undefined || life === undefined || stopped || !self.works || underWay.has(life)) return;
  underWay.add(life);
  const order: Order = { world, self, life, daemon, store: storeClient(world, self, life, "daemon"), random };
  order.store.snapshot("/" as StoreKey, (end) => begin(order, end));
}

function end({ world, self, life }: Order, code: string): void {
  underWay.delete(life);
  if (refusals.has(code)) world.count("takeoversRefused");
  world.tell("operator", "takeover", { at: self.id, end: code });
}

function begin(order: Order, served: SnapshotEnd): void {
  const { world, self } = order;
  const isForced = served.kind === "done";
  const view = viewOf(isForced ? served : peek(world));
  const isAnew = !isForced || (self.forced !== undefined && leftUnfenced(view, self.id).length === 0);
  const lost = isAnew ? othersOf(view, self.id, "peer-is-off") : leftUnfenced(view, self.id);
  const [peer] = "kind" in lost ? [] : lost;
  if (peer === undefined) end(order, "kind" in lost ? lost.code : "takeover-not-needed");
  else if (answers(world, self, world.host(peer))) end(order, "takeover-peer-answers");
  else
    proveOff(order, view, peer, (proof) => {
      if (proof === undefined) end(order, "takeover-word-missing");
      else {
        const lost = new Map([[peer, proof]]);
        confirm(order, { peer, isForced, plan: planTakeover(view, { lost, at: self.clock.wall(), byItself: false }) });
      }
    });
}

type Proven = { readonly peer: HostId; readonly isForced: boolean; readonly plan: TakeoverPlan };

/** Devices take their time: whoever is back meanwhile is not off, and a store that serves again is left alone. */
function confirm(order: Order, { peer, isForced, plan }: Proven): void {
  const { world, self, store } = order;
  store.snapshot("/" as StoreKey, (served) => {
    if (!isForced && served.kind === "done") end(order, "takeover-not-needed");
    else if (answers(world, self, world.host(peer))) end(order, "takeover-peer-answers");
    else if (isForced) {
      // A daemon that finds it half written goes by this order, and not by the one before.
      self.forced = { plan, boots: self.boots };
      writeAll(order, plan, (view) => heardSince(view, plan));
    } else force(order, plan);
  });
}

/** What this host's member has, whether or not it serves. */
function peek(world: World): SnapshotEnd {
  let found: SnapshotEnd = { kind: "unknown", cause: "not read" };
  world.memory.snapshot("/" as StoreKey, (one) => {
    found = one;
  });
  return found;
}

function viewOf(read: SnapshotEnd): ClusterView {
  const view = emptyView();
  if (read.kind !== "done") return view;
  applyChanges(
    view,
    read.values.map((value) => ({ kind: "put" as const, ...value })),
    read.revision ?? noRevision,
  );
  return view;
}

/** S23: on any link. Nothing of a machine that stands still does, and nothing comes back over one that is cut one way. */
function answers(world: World, self: SimHost, peer: SimHost): boolean {
  return peer.works && world.network.connects(self.number, peer.number);
}

function proveOff(
  { world, self, life }: Order,
  view: ClusterView,
  peer: HostId,
  done: (proof: OffProof | undefined) => void,
): void {
  const word = (): OffProof | undefined => (world.host(peer).on ? undefined : "word");
  const device = view.devices.get(peer)?.value;
  if (device === undefined) {
    done(word());
    return;
  }
  world.tell(self.id, "power-off-asked", { target: peer }, "S23");
  world.fencing.powerOff(device, (ended) => life.post(() => done(ended.kind === "off" ? "power-off" : word())));
}

/** The member's own restart: it goes on without the daemon, and is lost with the power (a host that boots never forces). */
function force(order: Order, plan: TakeoverPlan): void {
  const { world, self, life, random } = order;
  const ms = forceMs.min + random.below(forceMs.spread);
  self.trouble.memberDown += 1;
  world.members.refresh();
  self.after(ms, () => {
    self.forced = { plan, boots: self.boots };
    world.members.force(self.number);
    world.count("forcedStores");
    world.tell("store", "forced", { host: self.id }, "S23");
    keepJoining(world);
  });
  world.scheduler.after(ms, () => {
    self.trouble.memberDown -= 1;
    world.members.refresh();
  });
  let tries = 0;
  const look = (): void => {
    tries += 1;
    order.store.snapshot("/" as StoreKey, (served) => {
      if (served.kind === "done" && self.forced !== undefined) writeAll(order, plan, (view) => heardSince(view, plan));
      else if (tries > servesTriesMax) end(order, "takeover-store-failed");
      else life.after(servesAgainMs, look);
    });
  };
  life.after(ms + servesAgainMs, look);
}

function writeAll(order: Order, plan: TakeoverPlan, against: Objection): void {
  const { self, daemon, store } = order;
  const lost = plan.lost.map(({ host }) => host);
  const done = new Set<string>();
  let rounds = 0;
  const round = (): void => {
    rounds += 1;
    store.snapshot("/" as StoreKey, (read) => {
      if (read.kind !== "done") return end(order, "takeover-no-data");
      const all = stepsOf(viewOf(read), self.id, plan, against);
      if ("kind" in all) return end(order, all.code);
      const steps = all.filter(({ subject }) => !done.has(subject));
      if (steps.length === 0) {
        self.forced = undefined;
        for (const { proof } of plan.lost)
          order.world.count(proof === "word" ? "takeoversByWord" : "takeoversByDevice");
        return end(order, "taken-over");
      }
      if (rounds > roundsMax) return end(order, "takeover-not-written");
      write(steps);
    });
  };
  const write = ([step, ...rest]: readonly TakeoverStep[]): void => {
    if (step === undefined) {
      round();
      return;
    }
    const told = done.size === 0 ? [event("cluster-taken-over", {}, { by: self.id, without: lost.join(", ") })] : [];
    daemon.commit(step.transaction, told, ({ kind }) => {
      // Agents of this host write the same records: the fence waits until each leap is made on what is there.
      if (kind !== "committed") return round();
      done.add(step.subject);
      write(rest);
    });
  };
  round();
}

/** S24: as src/main has it looked after, by a daemon of the same boot, and without anybody's order. */
function finish(world: World, self: SimHost): void {
  const daemon = world.daemons.get(self.id);
  const { life, stopped } = self.processes.daemon;
  const { forced } = self;
  if (daemon === undefined || life === undefined || stopped || !self.works || underWay.has(life)) return;
  if (forced === undefined || forced.boots !== self.boots || !world.members.isVoter(self.number)) return;
  underWay.add(life);
  const random = world.random.for(`takeover ${world.scheduler.executed}`);
  const order: Order = { world, self, life, daemon, store: storeClient(world, self, life, "daemon"), random };
  const { plan } = forced;
  order.store.snapshot("/" as StoreKey, (served) => {
    if (served.kind !== "done" || self.forced?.plan !== plan) return underWay.delete(life);
    const view = viewOf(served);
    if (isWritten(view, plan)) {
      self.forced = undefined;
      return underWay.delete(life);
    }
    const heard = plan.lost.filter(({ host }) => answers(world, self, world.host(host))).map(({ host }) => host);
    const against: Objection = (now) => whyNotFinished(now, plan, new Map(heard.map((host) => [host, host])));
    if (against(view) !== undefined) return underWay.delete(life);
    // By then anybody may have come, or be heard: it is judged anew by what is there when it is written.
    return life.after(askLinksMs.min + random.below(askLinksMs.spread), () => {
      world.count("takeoversFinished");
      writeAll(order, plan, against);
    });
  });
}

/** S23: after a store went on by force, each host that it went on without joins it anew, as its own records say. */
function keepJoining(world: World): void {
  const look = (): void => {
    for (const host of world.workers()) {
      join(world, host);
      finish(world, host);
    }
    if (world.hosts.some(({ number }) => world.members.hasLeft(number)) || isOpen(world))
      world.scheduler.after(joinEveryMs, look);
  };
  world.scheduler.after(joinEveryMs, look);
}

function isOpen(world: World): boolean {
  if (world.hosts.some(({ forced }) => forced !== undefined)) return true;
  const cluster = world.truth.values.get(keys.cluster) as Cluster | undefined;
  return (cluster?.forced?.without.length ?? 0) > 0;
}

function join(world: World, host: SimHost): void {
  const daemon = world.daemons.get(host.id);
  if (daemon === undefined || !host.works || !isToRejoin(daemon.view(), host.id, "host")) return;
  if (!world.voters().some((number) => world.network.connects(host.number, number))) return;
  const isBack = !world.members.hasLeft(host.number);
  if (!isBack && !world.members.change(host.number, true)) return;
  if (!isBack) {
    world.tell("store", "member-joined", { host: host.id });
    world.count("joinedAgain");
  }
  const transaction = rejoinedTransaction(daemon.view(), host.id);
  if (transaction !== undefined)
    daemon.commit(transaction, [event("cluster-member-back", { host: host.id }, { host: host.id })], () => {});
}

import type { HostId } from "../../model/ids.ts";
import type { Event, Owner } from "../../model/records.ts";
import { runKey } from "../world/copy.ts";
import type { Copy } from "../world/host.ts";
import type { World } from "../world/world.ts";
import type { Checker, Fail } from "./checker.ts";
import { handingOf } from "./handing-over.ts";
import type { CheckerKind } from "./kind.ts";
import { isOfTakeover } from "./of-takeover.ts";
import { Reached } from "./reached.ts";

type Held = Extract<Owner, { kind: "held" }>;

/** S14: a start is named by the owner record before it happens, and every start has a higher epoch than all before it. */
export const starts: CheckerKind = {
  rule: "S14",
  make: (world, fail) => {
    const started = new Map<string, number>();
    const take = (vm: string, epoch: number, what: string): void => {
      const before = started.get(vm) ?? 0;
      if (epoch <= before) fail(`${what} ${vm} with epoch ${epoch}, after epoch ${before} had started`);
      started.set(vm, epoch);
    };
    return {
      starting: ({ run, host }) => {
        if (!world.truth.named.has(`${host.id} ${runKey(run)}`))
          fail(`${run.vm} epoch ${run.epoch} starts on ${host.id}, no owner record ever said so`);
        take(run.vm, run.epoch, "started");
      },
      adopting: ({ host, run }, as) => {
        if (!world.truth.isNamed(run.vm, host.id, as))
          fail(`${run.vm} becomes epoch ${as.epoch} on ${host.id}, the owner record does not say so`);
        take(run.vm, as.epoch, "adopted");
      },
    };
  },
};

/** S14, S10, S11: epochs in owner records only grow, and a hand-over needs nothing of the VM to be left, or the pool's proof (S10). */
export const owners: CheckerKind = {
  rule: "S10",
  make: (world, fail) => ({
    committed: ({ name, value, before }) => {
      if (name.kind !== "owner") return;
      const was = before as Owner | undefined;
      const is = value as Owner | undefined;
      // Written once more as it is, where two hosts vote: nothing is handed out by that (S23).
      if (was === undefined || JSON.stringify(is) === JSON.stringify(was)) return;
      if (is !== undefined) checkEpoch(name.vm, was, is, fail);
      if (was.kind !== "held") return;
      if (is === undefined) return fail(`the owner record of ${name.vm} was deleted while ${was.host} held it`);
      if (is.kind === "released") checkRelease(world, name.vm, was, fail);
      else if (is.host !== was.host && handingOf(world, name, before, value) === undefined)
        checkTakeover(world, name.vm, was, is, fail);
    },
  }),
};

/** S12: what only the leader may write is written in its own term. */
export const leaders: CheckerKind = {
  rule: "S12",
  make: (world, fail) => ({
    committed: ({ name, value, before }, writer) => {
      if (writer === null || writer.process !== "daemon" || !isLeadersAlone(name.kind, before, value)) return;
      if (handingOf(world, name, before, value) !== undefined) return;
      if (name.kind === "fence" && isOfTakeover(world, writer, name.host)) return;
      const leader = world.truth.term?.host;
      if (writer.host.id !== leader) fail(`${writer.host.id} writes ${name.kind} as a leader; ${leader} leads`);
    },
  }),
};

/** What a leader alone may write. */
export function isLeadersAlone(kind: string, before: unknown, value: unknown): boolean {
  if (kind === "manager-tick") return true;
  // Standbys may commit a fence that is due; what is proven later is the leader's business.
  if (kind === "fence") return before !== undefined;
  if (kind !== "owner" || value === undefined) return false;
  const was = before as Owner | undefined;
  const is = value as Owner;
  if (is.kind === "released") return false;
  return was === undefined || was.kind === "released" || was.host !== is.host;
}

/** S11: a host claims nothing back while a device may still cut its power. A recovery onto it by the leader is no claim. */
export const claims: CheckerKind = {
  rule: "S11",
  make: (world, fail) => {
    const left = new Map<string, Held>();
    return {
      committed: ({ name, value, before }) => {
        if (name.kind === "owner" && (before as Owner | undefined)?.kind === "held") left.set(name.vm, before as Held);
        if (name.kind !== "event") return;
        const { type, subjects } = value as Event;
        const was = subjects.vm === undefined ? undefined : left.get(subjects.vm);
        if (type !== "vm-adopted" || was === undefined) return;
        const fence = world.truth.fences.get(`${was.host}/${was.incarnation}`);
        if (fence?.record.device === "begun")
          fail(`${was.host} claims ${subjects.vm} back while its power may still be cut`);
      },
    };
  },
};

/** A bound for what a placement rests on: heard within 2 s, by a watch that may lag, over a store that may be slow. */
const placementMs = 12_000;

/**
 * PL1: a VM is given to a host only while that host beats. What counts is the time in which somebody got through: while nobody
 * reached the store, silence says nothing of a host (S8), and a hand-over that waits for it can be called off by nobody.
 */
export const placements: CheckerKind = {
  rule: "PL1",
  make: (world, fail) => {
    const reached = new Reached(world);
    /** How long somebody had got through, in sum, when each host beat last. */
    const beatAt = new Map<HostId, number>();
    const beats: Checker["beats"] = ({ name, value }) => {
      if (name.kind !== "heartbeat" || value === undefined) return;
      reached.beat();
      beatAt.set(name.host, reached.ms());
    };
    const committed: Checker["committed"] = ({ name, value, before }, writer) => {
      if (name.kind !== "owner" || writer === null || !isLeadersAlone(name.kind, before, value)) return;
      // Given back, it comes to nobody new: what its source is, it was before (S15).
      if (handingOf(world, name, before, value) === "back") return;
      const { host, incarnation } = value as Held;
      const silentMs = reached.ms() - (beatAt.get(host) ?? 0);
      if (silentMs > placementMs) {
        fail(`${name.vm} was given to ${host}/${incarnation}, which has not beaten for ${Math.floor(silentMs)} ms`);
      }
    };
    return { beats, committed };
  },
};

function isComingIn({ moving }: Copy): boolean {
  return moving.part === "incoming" || moving.part === "arriving";
}

function checkEpoch(vm: string, was: Owner, is: Owner, fail: Fail): void {
  if (is.epoch < was.epoch) fail(`epoch of ${vm} fell from ${was.epoch} to ${is.epoch}`);
  if (is.kind === "held" && is.epoch === was.epoch) fail(`${vm} was handed out twice with epoch ${is.epoch}`);
}

function checkRelease(world: World, vm: string, was: Held, fail: Fail): void {
  for (const copy of world.copiesOf(vm)) {
    if (copy.host.id !== was.host || copy.run.epoch > was.epoch) continue;
    if (copy.strict || copy.host.executes(copy))
      fail(`${vm} was released while ${runKey(copy.run)} is left on ${was.host}`);
  }
}

function checkTakeover(world: World, vm: string, was: Held, is: Held, fail: Fail): void {
  world.count("takeovers");
  const fence = world.truth.fences.get(`${was.host}/${was.incarnation}`);
  if (fence === undefined) fail(`${is.host} took ${vm} from ${was.host}/${was.incarnation}, which nobody fenced`);
  for (const copy of world.copiesOf(vm)) {
    // One that waits for its guest has no image open, and never opens one but by a hand-over (S15).
    const blocks = copy.strict ? copy.alive && (copy.imagesOpen || !isComingIn(copy)) : copy.host.executes(copy);
    if (blocks) fail(`${is.host} took ${vm} from ${was.host}/${was.incarnation} while ${runKey(copy.run)} is there`);
  }
}

import { limits } from "../../core/limits.ts";
import type { HostId, StoreKey } from "../../model/ids.ts";
import { parseJson } from "../../model/json.ts";
import type { FenceRecord, Heartbeat, HostRegistration, ManagerTerm } from "../../model/records.ts";
import type { Transaction } from "../../model/transaction.ts";
import type { SimHost } from "../world/host.ts";
import type { Life } from "../world/process.ts";
import type { World } from "../world/world.ts";
import type { Fail, Writer } from "./checker.ts";
import type { CheckerKind } from "./kind.ts";

const rateSlack = 0.999;

/** S1: incarnations grow, a fenced one gets no heartbeat through, and only the registered one beats. */
export const incarnations: CheckerKind = {
  rule: "S1",
  make: (world, fail) => {
    /** Who registered what stands at `/hosts/H/`. */
    const registrants = new Map<string, SimHost | undefined>();
    return {
      committed: ({ name, value, before }, writer) => {
        if (name.kind === "host" && value !== undefined) {
          registrants.set(name.host, writer?.host);
          const was = before as HostRegistration | undefined;
          const is = value as HostRegistration;
          if (was !== undefined && is.incarnation <= was.incarnation) {
            fail(`${name.host} registered incarnation ${is.incarnation} after ${was.incarnation}`);
          }
          if (was !== undefined) {
            world.count("rejoins");
            const fenced = world.truth.fences.has(`${name.host}/${was.incarnation}`);
            // The fence of a silent predecessor is part of the same transaction: it stands a moment later.
            if (!fenced) world.scheduler.after(0, () => checkEnded(world, name.host, was, fail));
          }
          world.tell(name.host, "registered", { incarnation: is.incarnation }, "S1");
        }
      },
      beats: ({ name, value }, writer) => {
        if (name.kind !== "heartbeat" || value === undefined) return;
        if (world.truth.fences.has(`${name.host}/${name.incarnation}`)) {
          fail(`a heartbeat of ${name.host}/${name.incarnation} was committed although it is fenced`);
        }
        const now = world.truth.registrations.get(name.host)?.incarnation;
        if (now !== name.incarnation) fail(`${name.host}/${name.incarnation} beats although ${now} is registered`);
        if (writer?.host !== registrants.get(name.host))
          fail(`${name.host}/${name.incarnation} beats by a machine that did not register it`);
      },
    };
  },
};

/** S1: the fence of a life goes only after a later one has come, and while no owner record names it. */
export const pastLives: CheckerKind = {
  rule: "S1",
  make: (world, fail) => ({
    committed: ({ name, value, before }) => {
      if (name.kind !== "fence" || value !== undefined || before === undefined) return;
      const who = `${name.host}/${name.incarnation}`;
      world.count("forgottenLives");
      if ((world.truth.registrations.get(name.host)?.incarnation ?? 0) <= name.incarnation)
        fail(`the fence of ${who} was removed although no later life was registered`);
      for (const [vm, owner] of world.truth.owners)
        if (owner.kind === "held" && owner.host === name.host && owner.incarnation === name.incarnation)
          fail(`the fence of ${who} was removed although it owns ${vm}`);
    },
  }),
};

function checkEnded(world: World, host: string, was: HostRegistration, fail: Fail): void {
  if (!world.truth.fences.has(`${host}/${was.incarnation}`)) {
    fail(`${host} registered anew although ${host}/${was.incarnation} was never fenced`);
  }
}

/** S12: the number of the term only grows. */
export const terms: CheckerKind = {
  rule: "S12",
  make: (world, fail) => ({
    committed: ({ name, value, before }) => {
      if (name.kind !== "manager-term" || value === undefined) return;
      const was = (before as ManagerTerm | undefined)?.term ?? 0;
      const is = value as ManagerTerm;
      if (is.term <= was) fail(`term ${is.term} after ${was}`);
      world.count("leaderChanges");
      world.tell(is.host, "leads", { term: is.term }, "S12");
    },
  }),
};

/** S9, S3, S7: what a fence record says is true at the moment it is said. */
export const fences: CheckerKind = {
  rule: "S9",
  make: (world, fail) => ({
    committed: ({ name, value, before }, writer) => {
      if (name.kind !== "fence" || value === undefined) return;
      const was = before as FenceRecord | undefined;
      const is = value as FenceRecord;
      const who = `${name.host}/${name.incarnation}`;
      if (was === undefined) {
        world.tell(
          is.by,
          "fence-record",
          { host: name.host, incarnation: name.incarnation, cause: is.cause, device: is.device },
          "S9",
        );
        if (is.cause !== "self") world.count("fencings");
        if (is.cause === "silence") checkSilence(world, who, name.host, writer, fail);
      }
      for (const proof of is.proofs) {
        if (was?.proofs.includes(proof) === true) continue;
        if (was !== undefined)
          world.tell(is.by, "fence-proof", { host: name.host, incarnation: name.incarnation, proof }, "S9");
        checkProof(world, proof, who, name.host, fail);
      }
    },
    powerOffAsked: (target) => {
      const recorded = [...world.truth.fences.values()].some(
        (fence) => fence.host === target && fence.record.device !== "not-needed",
      );
      if (!recorded) fail(`the power of ${target} is to be cut, but no fence record says so`);
    },
  }),
};

function waitMs(world: World, heartbeat: Heartbeat | undefined): number {
  const own = world.profile.deadlineMs + world.profile.marginMs;
  return Math.max(own, heartbeat === undefined ? 0 : heartbeat.deadlineMs + heartbeat.marginMs) * rateSlack - 2;
}

function checkSilence(world: World, who: string, host: HostId, writer: Writer | null, fail: Fail): void {
  const beat = world.truth.beats.get(host);
  const silentMs = world.scheduler.now - (beat?.at ?? 0);
  if (silentMs < waitMs(world, beat?.value)) fail(`${who} was fenced after ${Math.floor(silentMs)} ms of silence`);
  const ageMs = world.scheduler.now - (writer?.life.beganAt ?? 0);
  if (ageMs < waitMs(world, undefined)) fail(`${who} was fenced by a process that is ${Math.floor(ageMs)} ms old`);
}

function checkProof(world: World, proof: string, who: string, host: string, fail: Fail): void {
  const fence = world.truth.fences.get(who);
  const machine = world.host(host);
  if (fence === undefined) return;
  const lies = world.plan.outside.includes("device-lies");
  if (proof === "power-off" && machine.poweredOffAt < (world.truth.registeredAt.get(who) ?? 0) && !lies) {
    fail(`${who} is said to be off; its power was not cut since it registered`);
  }
  const silentMs = world.scheduler.now - (world.truth.beats.get(fence.host)?.at ?? 0);
  if (proof === "silence" && silentMs < waitMs(world, undefined)) {
    fail(`${who} is said to be silent, ${Math.floor(silentMs)} ms after its last heartbeat`);
  }
  if (proof === "waited" && world.scheduler.now - fence.at < waitMs(world, undefined)) {
    fail(`${who} is said to be waited for, ${Math.floor(world.scheduler.now - fence.at)} ms after its fence`);
  }
  if (proof === "last-word") {
    const left = [...machine.copies.values()].filter((copy) => copy.alive && copy.run.incarnation <= fence.incarnation);
    if (left.length > 0) fail(`${who} gave its last word with ${left.length} copies left`);
  }
}

type Hearing = { readonly lastAt: number; readonly graceUntil: number };

/**
 * S8: by what each process really heard: at the moment at which a fence by silence is asked for, its process heard the
 * store within the last second, and any gap before that lies a grace behind.
 */
export const grace: CheckerKind = {
  rule: "S8",
  make: (world, fail) => {
    const hearings = new WeakMap<Life, Hearing>();
    const of = (life: Life): Hearing => hearings.get(life) ?? { lastAt: life.beganAt, graceUntil: 0 };
    return {
      heard: (life) => {
        const { now } = world.scheduler;
        const { lastAt, graceUntil } = of(life);
        const gapMs = now - lastAt;
        const graceMs = gapMs > world.profile.deadlineMs + roundingMs ? limits.graceAfterLongGapMs : limits.graceMs;
        const grown = gapMs > limits.ownGapMaxMs + roundingMs ? now + graceMs * rateSlack - roundingMs : 0;
        hearings.set(life, { lastAt: now, graceUntil: Math.max(graceUntil, grown) });
      },
      asked: (writer, transaction, by) => {
        if (by < 0) return;
        for (const write of transaction.writes) {
          if (write.kind !== "put" || !write.key.startsWith("/fence/") || !isBySilence(world, transaction, write))
            continue;
          const { now } = world.scheduler;
          const { lastAt, graceUntil } = of(writer.life);
          const who = `${writer.host.id} fences ${write.key}`;
          if (now - lastAt > limits.ownGapMaxMs + roundingMs)
            fail(`${who} although it has heard nothing for ${Math.floor(now - lastAt)} ms`);
          if (now < graceUntil) fail(`${who} ${Math.floor(graceUntil - now)} ms before its grace is over`);
        }
      },
    };
  },
};

/** Clocks count whole milliseconds and their rate may differ by 500 ppm. */
const roundingMs = 5;

function isBySilence(
  world: World,
  { compares }: Transaction,
  write: { readonly key: StoreKey; readonly text: string },
): boolean {
  if (world.truth.values.has(write.key)) return false;
  // Something added to a record that was read, and has been cleared away meanwhile: no new fence, and refused.
  if (compares.some(({ kind, key }) => kind === "revision" && key === write.key)) return false;
  return (parseJson(write.text) as FenceRecord | undefined)?.cause === "silence";
}

import { limits } from "../../core/limits.ts";
import type { HostMode } from "../../model/host-records.ts";
import type { HostId, Incarnation } from "../../model/ids.ts";
import { parseKey } from "../../model/keys.ts";
import type { VmMove } from "../../model/move-records.ts";
import type { FenceRecord, Owner, Vm } from "../../model/records.ts";
import { runKey } from "../world/copy.ts";
import type { World } from "../world/world.ts";
import { isAwaited } from "./awaited.ts";
import type { Fail, Writer } from "./checker.ts";
import type { CheckerKind } from "./kind.ts";
import { isOfTakeover } from "./of-takeover.ts";

/** Clocks may be slow by 500 ppm and count whole milliseconds. */
const rateSlack = 0.999;
const roundingMs = 2;

/** S12: a standby fences by silence alone, and leaves even that to the leader for a while. */
export const standbys: CheckerKind = {
  rule: "S12",
  make: (world, fail) => ({
    committed: ({ name, value, before }, writer) => {
      if (name.kind !== "fence" || before !== undefined || value === undefined) return;
      if (writer?.process !== "daemon" || writer.host.id === world.truth.term?.host) return;
      // A host's own last word is nobody's judgement: `leaves` looks at it (HM4).
      if ((value as FenceRecord).cause === "self" && writer.host.id === name.host) return;
      if (isOfTakeover(world, writer, name.host)) return;
      const who = `${name.host}/${name.incarnation}`;
      const { deadlineMs, marginMs } = world.profile;
      if ((value as FenceRecord).cause !== "silence")
        fail(`${writer.host.id} orders a fence of ${who} and does not lead`);
      const silentMs = world.scheduler.now - (world.truth.beats.get(name.host)?.at ?? 0);
      const least = (deadlineMs + marginMs + limits.standbyFenceDelayMs) * rateSlack - roundingMs;
      if (silentMs < least)
        fail(`${writer.host.id} fences ${who} as a standby after ${Math.floor(silentMs)} ms of silence`);
    },
  }),
};

/** What a slow watch may hide from whoever judges, a stopped process aside. */
const staleMs = 10_000;

/** S8: a fence lets a VM start elsewhere, and a process that never heard the host waits until any start is over. */
export const reasons: CheckerKind = {
  rule: "S8",
  make: (world, fail) => {
    /** When the last VM went, or ceased to be wanted, that a fence of a host would have freed: by the life that held it. */
    const leftAt = new Map<string, number>();
    const left = (owner: Owner | undefined): void => {
      if (owner?.kind === "held") leftAt.set(`${owner.host}/${owner.incarnation}`, world.scheduler.now);
      else if (owner !== undefined && isAwaited(world, owner.host)) leftAt.set(owner.host, world.scheduler.now);
    };
    return {
      committed: ({ name, value, before }, writer) => {
        if (name.kind === "owner") left(before as Owner | undefined);
        if (name.kind === "vm" && (before as Vm | undefined)?.requested !== (value as Vm | undefined)?.requested)
          left([...world.truth.owners].find(([id]) => id === name.vm)?.[1]);
        if (name.kind === "host-mode" && (before as HostMode | undefined)?.mode === "restart")
          leftAt.set(name.host, world.scheduler.now);
        if (name.kind !== "fence" || before !== undefined || value === undefined || writer === null) return;
        const { cause } = value as FenceRecord;
        if (cause === "self" || isOfTakeover(world, writer, name.host)) return;
        const who = `${name.host}/${name.incarnation}`;
        const sinceMs = world.scheduler.now - Math.max(leftAt.get(who) ?? 0, leftAt.get(name.host) ?? 0);
        if (!holdsWanted(world, name.host, name.incarnation) && sinceMs > staleMs) {
          fail(`${who} was fenced although it holds no VM that is wanted`);
        }
        if (cause === "silence") checkHeard(world, who, name.host, writer, fail);
      },
    };
  },
};

function holdsWanted(world: World, host: HostId, incarnation: Incarnation): boolean {
  for (const [id, owner] of world.truth.owners) {
    // What an earlier incarnation of it holds counts too: it came back, and is gone again before it claimed the VM.
    const waitsFor = owner.kind === "released" ? isAwaited(world, host, incarnation) : owner.incarnation <= incarnation;
    if (owner.host === host && waitsFor && world.truth.vms.get(id)?.requested === "started") return true;
  }
  // One that was handed over starts nowhere before the source has quit, or is proven gone (S15).
  for (const [key, value] of world.truth.values) {
    if (parseKey(key).kind !== "vm-move") continue;
    const { live, from, incarnation: of } = value as VmMove;
    if (live?.kind === "switched" && from === host && of <= incarnation) return true;
  }
  return false;
}

function checkHeard(world: World, who: string, host: string, writer: Writer, fail: Fail): void {
  const beatAt = [...world.truth.beats].find(([id]) => id === host)?.[1].at ?? 0;
  const ageMs = world.scheduler.now - writer.life.beganAt;
  if (beatAt >= writer.life.beganAt || ageMs >= limits.unheardMs * rateSlack - roundingMs) return;
  fail(`${who} was fenced by a process ${Math.floor(ageMs)} ms old that never heard it`);
}

/** PL1: no host is promised more memory than it has for VMs. */
export const promises: CheckerKind = {
  rule: "PL1",
  make: (world, fail) => ({
    committed: ({ name, value, before }) => {
      const is = value as Owner | undefined;
      const was = before as Owner | undefined;
      if (name.kind !== "owner" || is?.kind !== "held") return;
      if (was?.kind === "held" && was.host === is.host) return;
      let promisedMiB = 0;
      for (const [id, owner] of world.truth.owners) {
        if (owner.kind === "held" && owner.host === is.host)
          promisedMiB += world.truth.vms.get(id)?.spec.memoryMiB ?? 0;
      }
      const { hostMemoryMiB } = world.plan;
      if (promisedMiB > hostMemoryMiB)
        fail(`${is.host} has ${hostMemoryMiB} MiB for VMs and is promised ${promisedMiB}`);
    },
  }),
};

/** EV: an event is written once, at its own place in its host's chain, and never changed. */
export const history: CheckerKind = {
  rule: "EV",
  make: (_world, fail) => {
    const written = new Set<string>();
    return {
      committed: ({ name, key, value }) => {
        if (name.kind !== "event" || value === undefined) return;
        if (written.has(key)) fail(`event ${key} was written twice`);
        written.add(key);
      },
    };
  },
};

/** What elections, reconnects and timeouts may still take after the last trouble is over. */
const settledMs = 20_000;

/** Fenced by order in its present life: `orders` looks at whether that had its ground. */
function isOrdered({ truth }: World, host: HostId): boolean {
  const present = truth.registrations.get(host)?.incarnation;
  return truth.fences.get(`${host}/${present}`)?.record.cause === "order";
}

/**
 * S13: where nothing is wrong, nothing stands still: processes that are killed and started again, of the heart, the guards
 * and the agent, cost a healthy host neither its VMs nor its incarnation.
 */
export const calm: CheckerKind = {
  rule: "S13",
  make: (world, fail) => ({
    levels: (host, before, after) => {
      if (before.size > 0 || after.size === 0 || world.quietMs() < settledMs || isOrdered(world, host.id)) return;
      const copy = [...host.copies.values()].find(
        ({ alive, paused, run }) => alive && !paused && host.tree.folders.get(run.incarnation)?.frozen === false,
      );
      if (copy !== undefined) fail(`${host.id} freezes ${runKey(copy.run)} although nothing is wrong`);
    },
    committed: ({ name, before, value }) => {
      if (name.kind !== "fence" || before !== undefined || world.quietMs() < settledMs) return;
      const { cause } = value as FenceRecord;
      if (cause === "silence") fail(`${name.host}/${name.incarnation} is fenced for silence although nothing is wrong`);
    },
  }),
};

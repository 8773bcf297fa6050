import { backoffMs } from "../../base/backoff.ts";
import { limits } from "../../core/limits.ts";
import { heartLimits } from "../../heart/limits.ts";
import type { HostLosses, HostMode } from "../../model/host-records.ts";
import { keys } from "../../model/keys.ts";
import type { VmMove, VmOrder, VmPlan } from "../../model/move-records.ts";
import { defaultPolicy } from "../../model/policy.ts";
import type { FenceRecord, Owner } from "../../model/records.ts";
import type { World } from "../world/world.ts";
import { isAwaited } from "./awaited.ts";
import { handingOf } from "./handing-over.ts";
import type { CheckerKind } from "./kind.ts";
import { isLeap, isOfTakeover } from "./of-takeover.ts";
import { Reached } from "./reached.ts";

/** What may become of an order to move a VM, as the events say it. */
const ends = [
  ...["vm-move-begun", "vm-order-dropped", "vm-order-served", "vm-place-changed", "vm-deleted"],
  ...["replica-promoted-with-loss", "vm-set-back"],
];

/** HM1: no order to move a VM disappears without a word about what became of it. */
export const ordersEnd: CheckerKind = {
  rule: "HM1",
  make: (world, fail) => ({
    committed: ({ name, value, before }, writer) => {
      if (name.kind !== "vm-order" || value !== undefined || writer === null) return;
      if ((before as VmOrder | undefined)?.order.kind === "stop") return;
      const { vm } = name;
      // Its word is part of the same transaction, and heard a moment later.
      world.scheduler.after(0, () => {
        const type = world.truth.lastWord.get(vm)?.type ?? "";
        if (world.truth.vms.has(vm) && !ends.includes(type)) fail(`the order for ${vm} is gone, and nobody said why`);
      });
    },
  }),
};

/** Clocks count whole milliseconds and their rate may differ by 500 ppm; what a person ordered waits for nothing. */
const rateSlack = 0.99;

/** Reasons of moves that a person asked for. */
const ordered = ["ordered", "goes-along"];

/** HM2: after a move that failed, the cluster itself waits twice as long as the time before until it tries again. */
export const movesBackOff: CheckerKind = {
  rule: "HM2",
  make: (world, fail) => {
    const failed = new Map<string, { readonly at: number; readonly count: number }>();
    return {
      committed: ({ name, value }) => {
        if (name.kind === "vm-plan") {
          const count = (value as VmPlan | undefined)?.failedMoves?.count ?? 0;
          if (count === 0) failed.delete(name.vm);
          else if (failed.get(name.vm)?.count !== count) failed.set(name.vm, { at: world.scheduler.now, count });
        }
        const move = name.kind === "vm-move" ? (value as VmMove | undefined) : undefined;
        if (move === undefined || move.answer.kind !== "open" || move.epoch === null) return;
        const last = failed.get(move.vm);
        if (last === undefined || ordered.includes(move.reason.code)) return;
        const waitedMs = world.scheduler.now - last.at;
        const leastMs = backoffMs(last.count - 1, limits.moveRetryFirstMs, limits.moveRetryMaxMs) * rateSlack;
        if (waitedMs < leastMs)
          fail(`${move.vm} is moved again ${Math.floor(waitedMs)} ms after failure ${last.count} in a row`);
      },
    };
  },
};

/** What the view of whoever places may lie behind the store, and its transaction be under way, while anybody reaches the store. */
const behindMs = 12_000;

/** HM3: no VM is given to a host in maintenance. */
export const maintenanceIsKept: CheckerKind = {
  rule: "HM3",
  make: (world, fail) => {
    const reached = new Reached(world);
    const since = new Map<string, number>();
    return {
      beats: ({ value }) => {
        if (value !== undefined) reached.beat();
      },
      committed: ({ name, value, before }, writer) => {
        if (name.kind === "maintenance") {
          if (value === undefined) since.delete(name.host);
          else since.set(name.host, reached.ms());
        }
        if (name.kind !== "owner" || writer === null) return;
        const is = value as Owner | undefined;
        const was = before as Owner | undefined;
        if (is?.kind !== "held" || (was?.kind === "held" && was.host === is.host)) return;
        // Given back by a target where it never ran, it comes to nobody new (S15).
        if (handingOf(world, name, before, value) === "back") return;
        const ms = reached.ms() - (since.get(is.host) ?? reached.ms());
        if (ms > behindMs) fail(`${name.vm} is given to ${is.host}, in maintenance for ${Math.floor(ms)} ms`);
      },
    };
  },
};

/** HM4, S9: a host's last word comes after its announcement, with nothing of any VM left on it; then that boot never joins again. */
export const leaves: CheckerKind = {
  rule: "HM4",
  make: (world, fail) => {
    const left = new Map<string, { readonly boots: number; readonly at: number }>();
    return {
      committed: ({ name, value, before }, writer) => {
        if (name.kind === "host" && writer?.process === "heart") {
          const last = left.get(writer.host.id);
          const ms = world.scheduler.now - (last?.at ?? 0);
          if (last?.boots === writer.host.boots && ms < heartLimits.leftRestMs * rateSlack)
            fail(`${name.host} joins again ${Math.floor(ms)} ms after its last word, without a boot`);
        }
        if (name.kind !== "fence" || before !== undefined || value === undefined || writer?.process !== "daemon")
          return;
        if ((value as FenceRecord).cause !== "self") return;
        const who = `${name.host}/${name.incarnation}`;
        left.set(name.host, { boots: writer.host.boots, at: world.scheduler.now });
        const mode = world.truth.values.get(keys.hostMode(name.host)) as HostMode | undefined;
        if (writer.host.id !== name.host) fail(`${writer.host.id} gives the last word of ${who}`);
        if (mode?.incarnation !== name.incarnation || mode.mode === "active")
          fail(`${who} gives its last word without having announced it`);
        const copies = [...writer.host.copies.values()].filter((copy) => copy.alive);
        if (copies.length > 0) fail(`${who} gives its last word with ${copies.length} copies left`);
      },
    };
  },
};

/**
 * HM4: a VM that waits for a host which restarts in order is started nowhere else, unless somebody orders it away or it was
 * on its way already; and none begins to move away by itself then.
 */
export const waits: CheckerKind = {
  rule: "HM4",
  make: (world, fail) => {
    const moving = new Set<string>();
    const arrivedAt = new Map<string, number>();
    return {
      committed: ({ name, value, before }, writer) => {
        if (name.kind === "vm-move") {
          const move = value as VmMove | undefined;
          if (move === undefined) arrivedAt.set(name.vm, world.scheduler.now);
          else if (before === undefined && !ordered.includes(move.reason.code) && isAwaited(world, move.from))
            fail(`${name.vm} begins to move although it waits for ${move.from}`);
          if (move === undefined) moving.delete(name.vm);
          else moving.add(name.vm);
        }
        if (name.kind !== "owner" || writer === null) return;
        const is = value as Owner | undefined;
        const was = before as Owner | undefined;
        if (is?.kind !== "held" || was?.kind !== "released" || was.host === is.host) return;
        const moved = moving.has(name.vm) || arrivedAt.get(name.vm) === world.scheduler.now;
        if (!moved && isAwaited(world, was.host)) fail(`${name.vm} waits for ${was.host}, and is given to ${is.host}`);
      },
    };
  },
};

/**
 * HM5: while the cluster is disarmed no host is fenced but by a person who goes on without it (S23), no move begins, no VM is restarted, and none gets a host but to end
 * what had begun before: a move, or the recovery from a fence that somebody else wrote.
 */
export const disarmed: CheckerKind = {
  rule: "HM5",
  make: (world, fail) => {
    const movedAt = new Map<string, number>();
    return {
      committed: ({ name, value, before }, writer) => {
        const { now } = world.scheduler;
        if (name.kind === "vm-move") movedAt.set(name.vm, now);
        if (writer?.process !== "daemon" || value === undefined || !world.truth.values.has(keys.disarm)) return;
        const isWanted = name.kind === "fence" && isOfTakeover(world, writer, name.host);
        if (name.kind === "fence" && before === undefined && (value as FenceRecord).cause !== "self" && !isWanted)
          fail(`${name.host}/${name.incarnation} is fenced in a disarmed cluster`);
        if (name.kind === "vm-move" && before === undefined) fail(`${name.vm} begins to move in a disarmed cluster`);
        if (name.kind !== "owner" || (value as Owner).kind !== "held" || isLeap(world, before, value)) return;
        // Written once more as it is, where two hosts vote (S23).
        if (JSON.stringify(before) === JSON.stringify(value)) return;
        const { vm } = name;
        const was = before as Owner | undefined;
        const fence = was?.kind === "held" ? world.truth.fences.get(`${was.host}/${was.incarnation}`) : undefined;
        if (fence !== undefined || world.truth.values.has(keys.vmMove(vm))) return;
        // The move that it ends with goes in the same transaction.
        world.scheduler.after(0, () => {
          if (movedAt.get(vm) !== now) fail(`${vm} is started in a disarmed cluster`);
        });
      },
    };
  },
};

/** Lives of a host that did not end with its own last word alone. */
function lossesOf(world: World, host: string): number {
  const ended = [...world.truth.fences.values()].filter((fence) => fence.host === host);
  return ended.filter(({ record }) => record.cause !== "self" || record.proofs.includes("silence")).length;
}

/** HM6: only losses lead to a quarantine. */
export const quarantinedForLosses: CheckerKind = {
  rule: "HM6",
  make: (world, fail) => ({
    committed: ({ name, value, before }, writer) => {
      if (name.kind !== "host-losses" || writer === null) return;
      const until = (value as HostLosses | undefined)?.quarantinedUntil ?? null;
      const known = (before as HostLosses | undefined)?.quarantinedUntil ?? null;
      if (until === known || until === null || lossesOf(world, name.host) >= defaultPolicy.quarantine.losses) return;
      fail(`${name.host} is in quarantine after ${lossesOf(world, name.host)} losses`);
    },
  }),
};

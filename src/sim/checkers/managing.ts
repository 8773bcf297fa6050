import { backoffMs } from "../../base/backoff.ts";
import { limits } from "../../core/limits.ts";
import type { VmMove, VmOrder, VmPlan } from "../../model/move-records.ts";
import type { Owner } from "../../model/records.ts";
import type { CheckerKind } from "./kind.ts";

/** What may become of an order to move a VM, as the events say it. */
const ends = ["vm-move-begun", "vm-order-dropped", "vm-place-changed", "vm-deleted"];

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
        if (last === undefined || ["ordered", "goes-along"].includes(move.reason.code)) return;
        const waitedMs = world.scheduler.now - last.at;
        const leastMs = backoffMs(last.count - 1, limits.moveRetryFirstMs, limits.moveRetryMaxMs) * rateSlack;
        if (waitedMs < leastMs)
          fail(`${move.vm} is moved again ${Math.floor(waitedMs)} ms after failure ${last.count} in a row`);
      },
    };
  },
};

/** What the view of whoever places may lie behind the store, and its transaction be under way. */
const behindMs = 12_000;

/** HM3: no VM is given to a host in maintenance. */
export const maintenanceIsKept: CheckerKind = {
  rule: "HM3",
  make: (world, fail) => {
    const since = new Map<string, number>();
    return {
      committed: ({ name, value, before }, writer) => {
        if (name.kind === "maintenance") {
          if (value === undefined) since.delete(name.host);
          else since.set(name.host, world.scheduler.now);
        }
        if (name.kind !== "owner" || writer === null) return;
        const is = value as Owner | undefined;
        const was = before as Owner | undefined;
        if (is?.kind !== "held" || (was?.kind === "held" && was.host === is.host)) return;
        const ms = world.scheduler.now - (since.get(is.host) ?? world.scheduler.now);
        if (ms > behindMs) fail(`${name.vm} is given to ${is.host}, in maintenance for ${Math.floor(ms)} ms`);
      },
    };
  },
};

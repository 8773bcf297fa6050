import { describe, expect, test } from "vitest";
import { cluster, knowledge, none, now, written } from "../../test/support/decision-rig.ts";
import { held, paused, type Records, status, vm, vmId } from "../../test/support/records.ts";
import { type InstantMs, later } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { decideVms } from "./decide-vms.ts";
import { limits } from "./limits.ts";
import type { BalanceState } from "./placement/rebalance.ts";

/** Four VMs run on h1, none elsewhere. */
function uneven(autoRebalance: object): Records {
  const records = cluster("replicated").put(keys.vmStatus(vmId("web")), status("h1", 1, 4, "running"));
  for (const name of ["a", "b", "c"]) {
    records.put(keys.vm(vmId(name)), vm(name)).put(keys.owner(vmId(name)), held("h1", 1, 1));
    records.put(keys.vmStatus(vmId(name)), status("h1", 1, 1, "running"));
  }
  return records.put(keys.policy, { schema: 1, hostReserveMiB: 0, scheduler: { mode: "static", autoRebalance } });
}

function look(records: Records, balance: BalanceState, at: InstantMs) {
  const heard = Object.fromEntries(["h1", "h2", "h3"].map((name) => [name, now - at]));
  const decided = decideVms(records.view, { ...knowledge(records, heard), now: at, balance }, [], none);
  return { balance: decided.balance, move: written(decided, keys.vmMove(vmId("a"))), wakeAt: decided.wakeAt };
}

describe("the manager evens hosts out", () => {
  test("[PL5] after it has lasted for as long as the policy says, and not between looks", () => {
    const records = uneven({ enabled: true, holdMs: 2 * limits.balanceRoundMs });
    const first = look(records, { above: 0, lookedAt: null, waited: 0 }, now);
    expect(first).toMatchObject({ balance: { above: 1, lookedAt: now, waited: 0 }, move: undefined });
    expect(first.wakeAt).toBe(later(now, limits.balanceRoundMs));
    expect(look(records, first.balance, later(now, 5_000)).balance).toEqual(first.balance);
    const second = look(records, first.balance, later(now, limits.balanceRoundMs));
    expect(second.move).toBeUndefined();
    const third = look(records, second.balance, later(now, 2 * limits.balanceRoundMs));
    expect(third.move).toMatchObject({ from: "h1", to: "h2", epoch: 1, reason: { rule: "PL5", code: "hosts-uneven" } });
    expect(third.balance.above).toBe(0);
  });

  test("[PL5, HM1] no guest that stands still: it would be stopped for it", () => {
    const records = uneven({ enabled: true, holdMs: 0 });
    const before = { above: 0, lookedAt: null, waited: 0 };
    expect(look(records, before, now).move).toMatchObject({ to: "h2" });
    for (const name of ["a", "b", "c"]) records.put(keys.vmStatus(vmId(name)), paused("h1", 1, 1, "storage-error"));
    records.put(keys.vmStatus(vmId("web")), paused("h1", 1, 4, "storage-error"));
    expect(look(records, before, now).move).toBeUndefined();
  });

  test("[PL5] nothing of it where the policy does not ask, and the count begins anew", () => {
    const records = uneven({ enabled: false, holdMs: 0 });
    expect(look(records, { above: 5, lookedAt: now, waited: 0 }, now)).toEqual({
      balance: { above: 0, lookedAt: null, waited: 0 },
      move: undefined,
      wakeAt: undefined,
    });
  });
});

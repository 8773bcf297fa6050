import { describe, expect, test } from "vitest";
import { cluster, knowledge, none, written } from "../../test/support/decision-rig.ts";
import { held, host, incarnation, paused, plan, type Records, status, vm, vmId } from "../../test/support/records.ts";
import { apart, onHosts, ruleId, together } from "../../test/support/rules.ts";
import { keys } from "../model/keys.ts";
import { systemActor } from "../model/records.ts";
import type { Rule } from "../model/rules.ts";
import { decideVms } from "./decide-vms.ts";

/** VMs that run where it says, beside `web` on h1. */
function running(where: Record<string, string>, ...rules: readonly Rule[]): Records {
  const records = cluster("replicated").put(keys.vmStatus(vmId("web")), status("h1", 1, 4, "running"));
  for (const [name, at] of Object.entries(where)) {
    records.put(keys.vm(vmId(name)), vm(name)).put(keys.owner(vmId(name)), held(at, 1, 2));
    records.put(keys.vmStatus(vmId(name)), status(at, 1, 2, "running"));
  }
  for (const rule of rules) records.put(keys.rule(rule.id), rule);
  return records;
}

/** `VM→HOST (why)` of each move that is begun. */
function moves(records: Records, silentMs: Record<string, number> = {}): string[] {
  const decided = decideVms(records.view, knowledge(records, silentMs), [], none);
  return [...records.view.vms.keys()].sort().flatMap((id) => {
    const move = written(decided, keys.vmMove(id)) as { to: string; reason: { code: string } } | undefined;
    return move === undefined ? [] : [`${id}→${move.to} (${move.reason.code})`];
  });
}

describe("what runs follows the rules", () => {
  test("[PL2] to a host of a higher class, as soon as that can take it", () => {
    const records = running({}, onHosts("home", "web", "h2:2 h1:1"));
    expect(moves(records)).toEqual(["vm:web→h2 (host-in-lower-class)"]);
    expect(moves(records, { h2: 10_000 })).toEqual([]);
  });

  test("[PL2] not without failback, as long as the rule lets it be where it is", () => {
    const records = running({}, onHosts("home", "web", "h2:2 h1:1"));
    records.put(keys.vm(vmId("web")), { ...vm("web"), failback: false });
    expect(moves(records)).toEqual([]);
    records.put(keys.rule(ruleId("home")), onHosts("home", "web", "h2", true));
    expect(moves(records)).toEqual(["vm:web→h2 (host-not-allowed)"]);
  });

  test("[PL2] to what it belongs together with; the first of two goes to the other, and both are then at rest", () => {
    expect(moves(running({ db: "h3" }, together("pair", "db web")))).toEqual(["vm:db→h1 (vm-belongs-elsewhere)"]);
  });

  test("[PL2] away from what it is kept apart from, both from where that still is and from where it goes", () => {
    expect(moves(running({ db: "h2" }, apart("rivals", "db web")))).toEqual([]);
    expect(moves(running({ db: "h1" }, apart("rivals", "db web")))).toEqual([
      "vm:db→h2 (host-has-vm-apart)",
      "vm:web→h3 (host-has-vm-apart)",
    ]);
  });

  test("[PL2] without a rule nothing moves by itself", () => {
    expect(moves(running({ a: "h1", b: "h1", c: "h1" }))).toEqual([]);
  });

  test("[PL2] not while the cluster is disarmed, nor what moves already or is locked", () => {
    const rule = onHosts("home", "web", "h2:2 h1:1");
    const disarm = { schema: 1 as const, mode: "freeze" as const, by: systemActor, at: 0 as never };
    expect(moves(running({}, rule).put(keys.disarm, disarm))).toEqual([]);
    const lock = { kind: "backup" as const, at: 0 as never };
    expect(moves(running({}, rule).put(keys.vm(vmId("web")), { ...vm("web"), lock }))).toEqual([]);
  });

  test("[PL2, HM1] not a guest that stands still: it would be stopped for it", () => {
    const records = running({}, onHosts("home", "web", "h2:2 h1:1"));
    for (const by of [[], ["storage-error"]])
      expect(moves(records.put(keys.vmStatus(vmId("web")), paused("h1", 1, 4, ...by)))).toEqual([]);
    const { notices } = decideVms(records.view, knowledge(records), [], none);
    expect(notices.map(({ event }) => event.type)).toEqual(["vm-paused-not-moved"]);
    expect(moves(records.put(keys.vmStatus(vmId("web")), status("h1", 1, 4, "running")))).toHaveLength(1);
  });

  test("[PL2, HM4] not from a host that is about to go: its VMs go, or wait for it, by its own word", () => {
    const records = running({}, onHosts("home", "web", "h2:2 h1:1"));
    for (const mode of ["shutdown", "restart"] as const) {
      const said = { schema: 1 as const, incarnation: incarnation(1), mode, next: "reboot" as const, at: 0 as never };
      expect(moves(records.put(keys.hostMode(host("h1")), said))).toEqual([]);
    }
  });

  test("[PL2, HM2] a move that failed just now is not tried again at once", () => {
    const records = running({}, onHosts("home", "web", "h2:2 h1:1"));
    const failedMoves = { count: 1, to: host("h2"), code: "vm-did-not-stop" };
    expect(moves(records.put(keys.vmPlan(vmId("web")), plan({ failedMoves })))).toEqual([]);
  });
});

import { describe, expect, test } from "vitest";
import { Agent, hostWith, seen, web } from "../../test/support/agent-rig.ts";
import { fence, heartbeat, held, host, incarnation, plan, type Records, vmId } from "../../test/support/records.ts";
import { limits } from "../core/limits.ts";
import type { IntentId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { systemActor } from "../model/records.ts";

describe("leaving in order", () => {
  const fenceKey = keys.fence(host("h1"), incarnation(1));
  const order = (next: "nothing" | "reboot" | "power-off" | "agent-restart", of = 1) => ({
    schema: 1,
    id: "intent-1",
    actor: systemActor,
    kind: "leave-host",
    host: "h1",
    incarnation: of,
    next,
    answer: { kind: "open" },
    at: 0,
  });
  const modeOf = (mode: string, next: string, n = 1) => ({ schema: 1, incarnation: n, mode, next, at: 0 });
  const running = (records: Records): Agent => {
    const agent = new Agent(records);
    agent.lists();
    agent.lists(seen(web(1)));
    return agent;
  };
  const ordered = (next: "reboot" | "power-off" | "agent-restart", change: (records: Records) => Records = (r) => r) =>
    running(change(hostWith(1)).put(keys.intent("intent-1" as IntentId), order(next)));
  const policy = (shutdownPolicy: string) => (records: Records) =>
    records.put(keys.policy, { schema: 1, hostReserveMiB: 0, shutdownPolicy });
  const maintained = (records: Records) =>
    records.put(keys.maintenance(host("h1")), { schema: 1, by: systemActor, reason: "", at: 0 });
  const disarmed = (records: Records) =>
    records.put(keys.disarm, { schema: 1, mode: "freeze", by: systemActor, at: 0 });

  test.each([
    ["reboot", "conditional", (r: Records) => r, "restart"],
    ["power-off", "conditional", (r: Records) => r, "shutdown"],
    ["power-off", "freeze", policy("freeze"), "restart"],
    ["reboot", "failover", policy("failover"), "shutdown"],
    ["reboot", "migrate", policy("migrate"), "leaving"],
    ["agent-restart", "migrate", policy("migrate"), "restart"],
    ["reboot", "maintenance", maintained, "leaving"],
    ["power-off", "disarmed", disarmed, "restart"],
  ] as const)(
    "[HM4] %s under %s: the host says what its VMs will meet, and answers the order with it",
    (next, _, change, mode) => {
      const agent = ordered(next, change);
      expect(agent.written(keys.hostMode(host("h1")))).toMatchObject({ mode, next, incarnation: 1 });
      expect(agent.written(keys.intent("intent-1" as IntentId))).toMatchObject({ answer: { kind: "done" } });
    },
  );

  test("[HM4] an order for an earlier life of the host is not this one's", () => {
    const agent = new Agent(
      hostWith(null)
        .host("h1", 2)
        .put(keys.intent("intent-1" as IntentId), order("reboot", 1)),
    );
    agent.beats(2);
    agent.lists();
    agent.lists();
    expect(agent.written(keys.hostMode(host("h1")))).toBeUndefined();
  });

  test("[HM4, S9] VMs stop and are let go; the last word comes when none is left, and then the machine goes", () => {
    const agent = running(hostWith(1).put(keys.hostMode(host("h1")), modeOf("restart", "reboot")));
    expect(agent.written(fenceKey)).toBeUndefined();
    agent.ends("stop");
    expect(agent.written(keys.owner(vmId("web")))).toMatchObject({ kind: "released", failed: null });
    expect(agent.written(fenceKey)).toBeUndefined();
    expect(agent.take("leave")).toBeUndefined();
    agent.settles();
    const record = agent.records.view.fences.get(host("h1"))?.get(incarnation(1))?.value;
    expect(record).toMatchObject({ cause: "self", proofs: ["last-word"], by: "h1" });
    expect(agent.take("leave")).toMatchObject({ next: "reboot" });
    agent.wait(5_000);
    expect(agent.take("leave")).toBeUndefined();
  });

  test("[HM4] after the boot the machine does not go down again: its heart knows no registration of that life", () => {
    const records = hostWith(1).put(keys.hostMode(host("h1")), modeOf("restart", "reboot"));
    records.put(fenceKey, fence({ cause: "self", by: host("h1"), proofs: ["last-word"] }));
    const agent = new Agent(records);
    agent.tell({
      kind: "heart",
      says: { phase: "waiting", incarnation: null, nonce: null, frozen: true, trouble: null },
    });
    agent.lists();
    agent.lists();
    expect(agent.take("leave")).toBeUndefined();
  });

  test("[HM4] a host that moves its VMs away stops none of them by itself", () => {
    const agent = running(hostWith(1).put(keys.hostMode(host("h1")), modeOf("leaving", "reboot")));
    expect(agent.take("stop")).toBeUndefined();
    expect(agent.written(fenceKey)).toBeUndefined();
  });

  test.each([
    ["leaving", "reboot"],
    ["leaving", "power-off"],
    ["restart", "reboot"],
    ["shutdown", "power-off"],
  ])(
    "[HM4, S9] what is placed here while the last word of a host in %s/%s is on its way is let go, not started",
    (mode, next) => {
      const agent = new Agent(hostWith(null).put(keys.hostMode(host("h1")), modeOf(mode, next)));
      agent.lists();
      agent.lists();
      expect(agent.written(fenceKey)).toMatchObject({ proofs: ["last-word"] });
      agent.records.put(keys.owner(vmId("web")), held("h1", 1, 1));
      agent.changes();
      expect(agent.take("start")).toBeUndefined();
      expect(agent.written(keys.owner(vmId("web")))).toMatchObject({ kind: "released", epoch: 1, failed: null });
    },
  );

  test("[HM4, S9] what crashes on a host that goes down is let go, not restarted", () => {
    const agent = running(hostWith(1).put(keys.hostMode(host("h1")), modeOf("leaving", "reboot")));
    agent.wait(limits.agentListMs);
    agent.lists();
    expect(agent.written(keys.owner(vmId("web")))).toMatchObject({ kind: "released", epoch: 1 });
  });

  test("[HM4, HM2] a VM that nobody tries to move away any more is stopped by a host that goes down", () => {
    const records = hostWith(1).put(keys.hostMode(host("h1")), modeOf("leaving", "reboot"));
    const failedMoves = { count: 5, to: host("h2"), code: "vm-did-not-stop" };
    const agent = running(records.put(keys.vmPlan(vmId("web")), plan({ failedMoves })));
    agent.ends("stop");
    expect(agent.written(keys.owner(vmId("web")))).toMatchObject({ kind: "released", failed: null });
  });

  test("[HM4, S9] an order is taken back by the mode that the last word compares, too; then the host is at work again", () => {
    const agent = running(hostWith(1).put(keys.hostMode(host("h1")), modeOf("leaving", "reboot")));
    const revision = agent.records.view.modes.get(host("h1"))?.revision;
    agent.records.put(keys.intent("intent-1" as IntentId), order("nothing"));
    agent.changes();
    expect(agent.written(keys.hostMode(host("h1")))).toMatchObject({ mode: "active", next: "nothing", incarnation: 1 });
    expect(agent.written(keys.intent("intent-1" as IntentId))).toMatchObject({ answer: { kind: "done" } });
    const commits = agent.effects.flatMap((effect) => (effect.kind === "commit" ? [effect.transaction] : []));
    const taken = commits.find(({ writes }) => writes.some(({ key }) => key === keys.hostMode(host("h1"))));
    expect(taken?.compares).toEqual(
      expect.arrayContaining([
        { kind: "revision", key: keys.hostMode(host("h1")), revision },
        { kind: "absent", key: fenceKey },
      ]),
    );
    agent.settles();
    agent.wait(limits.agentListMs);
    agent.lists();
    expect(agent.written(fenceKey)).toBeUndefined();
    expect(agent.written(keys.owner(vmId("web"))), "what ended by itself is restarted").toMatchObject({ kind: "held" });
  });

  test("[HM4] while its last word is on its way an order is not taken back", () => {
    const agent = new Agent(hostWith(null).put(keys.hostMode(host("h1")), modeOf("leaving", "reboot")));
    agent.lists();
    agent.lists();
    expect(agent.written(fenceKey)).toBeDefined();
    agent.records.put(keys.intent("intent-1" as IntentId), order("nothing"));
    agent.changes();
    expect(agent.written(keys.hostMode(host("h1")))).toBeUndefined();
  });

  test("[HM4] with nothing to take back the order is answered, and nothing else is written", () => {
    const agent = running(hostWith(1).put(keys.intent("intent-1" as IntentId), order("nothing")));
    expect(agent.written(keys.intent("intent-1" as IntentId))).toMatchObject({ answer: { kind: "done" } });
    expect(agent.written(keys.hostMode(host("h1")))).toBeUndefined();
  });

  test("[HM4] an announcement of a newer version is neither carried out nor written over", () => {
    const records = hostWith(null).put(keys.hostMode(host("h1")), { schema: 2 });
    const agent = new Agent(records.put(keys.intent("intent-1" as IntentId), order("reboot")));
    agent.lists();
    agent.lists();
    expect(agent.take("commit")?.transaction.writes.map(({ key }) => key) ?? []).not.toContain(
      keys.hostMode(host("h1")),
    );
    expect(agent.written(fenceKey)).toBeUndefined();
  });

  test("[HM4] an agent that restarts touches no VM, and the next one says that it is back", () => {
    const agent = running(hostWith(1).put(keys.hostMode(host("h1")), modeOf("restart", "agent-restart")));
    expect(agent.take("stop")).toBeUndefined();
    expect(agent.written(fenceKey)).toBeUndefined();
    expect(agent.written(keys.hostMode(host("h1")))).toMatchObject({ mode: "active" });
    const same = running(hostWith(1));
    same.records.put(keys.hostMode(host("h1")), modeOf("restart", "agent-restart"));
    same.changes();
    expect(same.written(keys.hostMode(host("h1")))).toBeUndefined();
  });

  test("[HM4] a host that has booted is back once others see that it takes VMs again", () => {
    const records = hostWith(null)
      .host("h1", 2)
      .put(keys.hostMode(host("h1")), modeOf("restart", "reboot", 1));
    records.put(keys.heartbeat(host("h1"), incarnation(2)), heartbeat({ agentAgeMs: null }));
    const agent = new Agent(records);
    agent.beats(2);
    agent.lists();
    agent.lists();
    expect(agent.written(keys.hostMode(host("h1")))).toBeUndefined();
    records.put(keys.heartbeat(host("h1"), incarnation(2)), heartbeat());
    agent.changes();
    expect(agent.written(keys.hostMode(host("h1")))).toMatchObject({ mode: "active", incarnation: 2 });
  });
});

import { describe, expect, test } from "vitest";
import { type Agent, hostWith, web as run, seen } from "../../test/support/agent-rig.ts";
import { agentOf, doors, moveOf, one, ownerOf, part, switched, waiting } from "../../test/support/moving-rig.ts";
import { epoch, held, host, member, move, status, vm, vmId } from "../../test/support/records.ts";
import { limits } from "../core/limits.ts";
import type { IntentId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import { defaultPolicy } from "../model/policy.ts";
import { type Intent, systemActor, type VmStatus } from "../model/records.ts";

const web = vmId("web");

describe("the source", () => {
  const out = (more: Partial<VmMove> = {}) => move("web", "h1", "h2", { epoch: epoch(1), live: waiting, ...more });
  const source = (more: Partial<VmMove> = {}) => hostWith(1).host("h2").put(keys.vmMove(web), out(more));

  /** Its target says so. */
  function goesOnThere(agent: Agent, phase: VmStatus["phase"] = "running"): void {
    agent.records.put(keys.vmStatus(web), status("h2", 1, 2, phase));
    agent.changes();
  }

  test("[S15] a copy that could not be sent whole is killed too, once its target goes on, and not before", () => {
    const records = source({ live: switched }).put(keys.owner(web), held("h2", 1, 2));
    const agent = agentOf(records, part(run(1), "handed"));
    agent.ends("switch-over", { kind: "refused", code: "move-hand-over-failed", params: {} });
    expect(agent.take("kill")).toBeUndefined();
    goesOnThere(agent);
    expect(agent.take("kill")?.run).toEqual(run(1));
  });

  test("[S15] copies to the doors, hands over in one transaction, kills its copy, and says that it has quit", () => {
    const agent = agentOf(source(), seen(run(1)));
    expect(agent.take("migrate-out")?.request).toMatchObject({ to: "h2", doors, as: { epoch: 2, incarnation: 1 } });
    expect(ownerOf(agent)).toBeUndefined();
    const [op] = agent.state.ops.keys();
    agent.tell({ kind: "op-ended", op: op ?? -1, end: { kind: "done" } });
    expect(ownerOf(agent)).toMatchObject({ kind: "held", host: "h2", incarnation: 1, epoch: 2 });
    expect(moveOf(agent)?.live).toEqual(switched);
    agent.settles();
    expect(agent.take("kill")).toBeUndefined();
    agent.ends("switch-over");
    expect(agent.take("kill")).toBeUndefined();
    goesOnThere(agent, "starting");
    expect(agent.take("kill")).toBeUndefined();
    goesOnThere(agent);
    agent.ends("kill");
    const removed = agent.effects.flatMap((effect) => (effect.kind === "commit" ? effect.transaction.writes : []));
    expect(removed).toContainEqual({ kind: "delete", key: keys.vmMove(web) });
  });

  const key = keys.intent("i1" as IntentId);

  function resets(agent: Agent): void {
    const intent = { schema: 1, id: "i1", actor: systemActor, kind: "reset-vm", vm: web, epoch: 1 };
    agent.records.put(key, { ...intent, answer: { kind: "open" }, at: 0 });
    agent.changes();
  }

  test("a reset that comes while the guest is copied is refused by the names of VM and target, and the copying goes on", () => {
    const agent = agentOf(source().put(keys.member(host("h2")), { ...member("h2"), name: "east" }), seen(run(1)));
    resets(agent);
    const params = { vm: "web", host: "east" };
    expect(agent.written(key)).toMatchObject({ answer: { kind: "refused", code: "vm-between-hosts", params } });
    expect(agent.take("reset")).toBeUndefined();
    expect(moveOf(agent)?.answer).toBeUndefined();
  });

  test("a reset of a guest that is let go on, of a move that is gone already, names no target", () => {
    const agent = agentOf(source(), seen(run(1)));
    agent.take("migrate-out");
    agent.records.remove(keys.vmMove(web));
    agent.changes();
    expect(agent.take("cancel-out")?.run).toEqual(run(1));
    resets(agent);
    const answer = { kind: "refused", code: "vm-not-running", params: { vm: "web" } };
    expect((agent.written(key) as Intent | undefined)?.answer).toEqual({ ...answer, at: expect.anything() });
    expect(agent.take("reset")).toBeUndefined();
  });

  test("tells how the copying goes in the VM's status, now and then, and nothing of it afterwards", () => {
    const agent = agentOf(source(), seen(run(1)));
    const out = agent.take("migrate-out");
    const guest = "stopped" as const;
    const told = { mibPerSecond: 80, remainingMiB: 40, expectedDowntimeMs: 300, link: "10.0.1.2", guest };
    const hear = (percent: number): void =>
      agent.tell({ kind: "move", event: { kind: "progress", run: run(1), progress: { ...told, percent } } });
    const copying = () => (agent.written(keys.vmStatus(web)) as VmStatus | undefined)?.copying;
    agent.settles();
    hear(20);
    expect(copying()).toEqual({ ...told, percent: 20 });
    agent.settles();
    hear(40);
    expect(copying()).toBeUndefined();
    agent.wait(limits.agentWakeMs);
    expect(copying()).toEqual({ ...told, percent: 40 });
    agent.settles();
    agent.wait(limits.agentWakeMs);
    hear(100);
    expect(copying()).toBeUndefined();
    agent.tell({ kind: "op-ended", op: out?.op ?? -1, end: { kind: "refused", code: "move-broke-off", params: {} } });
    agent.lists(seen(run(1)));
    expect(agent.written(keys.vmStatus(web))).not.toHaveProperty("copying");
  });

  test("[FC1] says for how long the guest stood still, once it has left", () => {
    const agent = agentOf(source(), seen(run(1)));
    const out = agent.take("migrate-out");
    const progress = { percent: 100, mibPerSecond: 80, remainingMiB: 0, expectedDowntimeMs: 200, link: "10.0.1.2" };
    agent.tell({ kind: "move", event: { kind: "progress", run: run(1), progress: { ...progress, guest: "stopped" } } });
    agent.wait(40);
    agent.tell({ kind: "op-ended", op: out?.op ?? -1, end: { kind: "done" } });
    agent.settles();
    agent.wait(5);
    agent.ends("switch-over");
    goesOnThere(agent);
    agent.ends("kill");
    const events = agent.effects.flatMap((effect) => (effect.kind === "commit" ? effect.events : []));
    expect(events).toContainEqual(
      expect.objectContaining({ type: "vm-left", params: { vm: "web", to: "h2", pauseMs: 245 } }),
    );
  });

  test("keeps to the policy's bandwidth and pause, and asks for a certificate where the doors do", () => {
    const records = source({ live: { ...waiting, tls: false } });
    const migration = { ...defaultPolicy.migration, bandwidthMiBps: 40, downtimeMs: 900 };
    const agent = agentOf(records.put(keys.policy, { ...defaultPolicy, migration }), seen(run(1)));
    expect(agent.take("migrate-out")?.request).toMatchObject({ bandwidthMiBps: 40, downtimeMs: 900, tls: false });
  });

  test("[HM2] a guest that stands is not waited for: the move has failed, and says why", () => {
    const agent = agentOf(source(), seen(run(1), "paused"));
    expect(agent.take("migrate-out")).toBeUndefined();
    expect(moveOf(agent)?.answer).toMatchObject({ kind: "failed", code: "move-guest-stands" });
  });

  test("[S15] a guest that cannot be let go on is tried again now and then", () => {
    const agent = agentOf(source({ answer: { kind: "failed", code: "x", params: {} } }), part(run(1), "leaving"));
    agent.settles();
    agent.ends("cancel-out", { kind: "refused", code: "vm-image-locked", params: {} });
    expect([...agent.state.locals.values()][0]?.moving?.stands).toBe("vm-image-locked");
    agent.settles();
    agent.lists(part(run(1), "leaving"));
    agent.wait(limits.moveStepRetryMs);
    expect(agent.take("cancel-out")).toBeUndefined();
    agent.wait(limits.moveStuckRetryMs);
    agent.ends("cancel-out");
    expect(agent.phaseOf(run(1))).toBe("running");
  });

  test("[S15] does not hand over what it copied for another move", () => {
    const agent = agentOf(source(), seen(run(1)));
    const begun = agent.take("migrate-out");
    agent.records.put(keys.vmMove(web), out({ reason: { rule: "HM1", code: "again", params: {} } }));
    agent.tell({ kind: "op-ended", op: begun?.op ?? -1, end: { kind: "done" } });
    expect(ownerOf(agent)).toBeUndefined();
    expect(agent.take("cancel-out")).toBeDefined();
  });

  test("[S15, S13] a new agent writes that the move has failed before it lets the guest go on", () => {
    const agent = agentOf(source(), part(run(1), "leaving"));
    expect(moveOf(agent)?.answer).toMatchObject({ kind: "failed", code: "move-interrupted" });
    expect(agent.take("cancel-out")).toBeUndefined();
    agent.settles();
    expect(agent.take("cancel-out")?.run).toEqual(run(1));
    expect(ownerOf(agent)).toBeUndefined();
  });

  test("[S15] a move that is called off is let go on at once, also while the guest is copied", () => {
    const agent = agentOf(source(), seen(run(1)));
    agent.take("migrate-out");
    agent.records.put(keys.vmMove(web), out({ answer: { kind: "failed", code: "move-cancelled", params: {} } }));
    agent.changes();
    expect(agent.take("cancel-out")?.run).toEqual(run(1));
  });

  test("[S15] a VM that is not wanted any more is called off first, then stopped", () => {
    const agent = agentOf(source(), seen(run(1)));
    agent.take("migrate-out");
    agent.records.put(keys.vm(web), vm("web", { requested: "stopped" }));
    agent.changes();
    expect(moveOf(agent)?.answer).toMatchObject({ kind: "failed", code: "move-not-wanted" });
    expect(agent.take("stop")).toBeUndefined();
  });

  test("[HM2] a VM that is locked meanwhile is called off, before its copying begins and before it changes hands", () => {
    const locked = vm("web", { lock: { kind: "backup", at: 0 as VmMove["at"] } });
    const before = agentOf(source().put(keys.vm(web), locked), seen(run(1)));
    expect(before.take("migrate-out")).toBeUndefined();
    expect(moveOf(before)?.answer).toMatchObject({ kind: "failed", code: "move-vm-locked" });
    const agent = agentOf(source(), seen(run(1)));
    const begun = agent.take("migrate-out");
    agent.records.put(keys.vm(web), locked);
    agent.tell({ kind: "op-ended", op: begun?.op ?? -1, end: { kind: "done" } });
    expect(ownerOf(agent)).toBeUndefined();
    expect(moveOf(agent)?.answer).toMatchObject({ kind: "failed", code: "move-vm-locked" });
  });

  test("[S15] nothing is handed to a target that is silent while this host hears itself", () => {
    const copied = (heard: readonly string[]) => {
      const agent = agentOf(source(), seen(run(1)));
      const begun = agent.take("migrate-out");
      agent.settles();
      const hears = (...hosts: readonly string[]) => {
        const heartbeats = hosts.map((name) => ({ host: host(name), incarnation: one, revision: 1 as never }));
        const touched = { heartbeats, tick: false, usages: false, others: false, vms: new Set<never>(), events: [] };
        agent.tell({ kind: "changed", touched });
      };
      hears("h1", "h2");
      agent.wait(limits.aliveMs + 1);
      hears(...heard);
      agent.tell({ kind: "op-ended", op: begun?.op ?? -1, end: { kind: "done" } });
      return { owner: ownerOf(agent), answer: moveOf(agent)?.answer };
    };
    expect(copied(["h1", "h2"]).owner).toMatchObject({ host: "h2" });
    expect(copied([]).owner).toMatchObject({ host: "h2" });
    const silent = copied(["h1"]);
    expect(silent.owner).toBeUndefined();
    expect(silent.answer).toMatchObject({ kind: "failed", code: "move-target-silent" });
  });

  test("[HM2] a VM that is locked before it was stopped for its move is not stopped", () => {
    const { live: _, ...stopFirst } = out();
    const locked = vm("web", { lock: { kind: "backup", at: 0 as VmMove["at"] } });
    const agent = agentOf(source().put(keys.vmMove(web), stopFirst).put(keys.vm(web), locked), seen(run(1)));
    expect(agent.take("stop")).toBeUndefined();
    expect(moveOf(agent)?.answer).toMatchObject({ kind: "failed", code: "move-vm-locked" });
  });

  test("[S15] what an earlier agent copied for an earlier move does not fail the one that is asked for now", () => {
    const agent = agentOf(source({ live: { kind: "asked" } }), part(run(1), "leaving"));
    expect(moveOf(agent)).toBeUndefined();
    expect(agent.take("cancel-out")?.run).toEqual(run(1));
  });

  test("[S15] a copy that was handed over and does not end is told of once, and killed again", () => {
    const agent = agentOf(source({ live: switched }).put(keys.owner(web), held("h2", 1, 2)), part(run(1), "handed"));
    agent.ends("switch-over");
    goesOnThere(agent);
    const told = () =>
      agent.effects.flatMap((effect) => (effect.kind === "commit" ? effect.events.map(({ type }) => type) : []));
    for (let i = 0; i < 3; i++) {
      agent.ends("kill", { kind: "unknown", cause: "test" });
      agent.lists(part(run(1), "handed"));
    }
    expect(told().filter((type) => type === "old-copy-does-not-end")).toHaveLength(1);
    expect(agent.take("kill")).toBeDefined();
  });

  test("[S15] its copy is not killed for bearing an epoch that is another's: it is handed over", () => {
    const records = source({ live: switched }).put(keys.owner(web), held("h2", 1, 2));
    const agent = agentOf(records, part(run(1), "leaving"));
    expect(agent.take("kill")).toBeUndefined();
    expect(agent.take("switch-over")?.run).toEqual(run(1));
  });

  test("[S15] what is given back is taken over in its new epoch, and starts no second time", () => {
    const failed = { kind: "failed", code: "move-target-ended", params: {} } as const;
    const { live: _, ...rest } = out({ answer: failed });
    const records = source()
      .put(keys.vmMove(web), rest)
      .put(keys.owner(web), held("h1", 1, 3));
    const agent = agentOf(records, part(run(1), "handed"));
    expect(agent.take("start")).toBeUndefined();
    expect(agent.take("adopt")).toMatchObject({ run: run(1), as: run(3) });
  });
});

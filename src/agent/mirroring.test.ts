import { describe, expect, test } from "vitest";
import { Agent, web as runOf, seen } from "../../test/support/agent-rig.ts";
import { facts, held, host, incarnation, pool, Records, vm, vmId } from "../../test/support/records.ts";
import { limits } from "../core/limits.ts";
import type { PoolId, VolumeId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { HostFacts } from "../model/records.ts";
import type { Replica, ReplicaState } from "../model/replication-records.ts";
import { noteWhole } from "./copy-tries.ts";

const web = vmId("web");
const run = runOf(1);
const disk = { volume: "web-0" as VolumeId, pool: "local" as PoolId, sizeMiB: 64, format: "raw" as const };
const doors = [{ address: "10.0.0.2", port: 49_216 }];
const key = keys.replica(web, disk.volume, host("h2"));

/** h1 runs `web`, whose writes are copied to h2, which receives them. */
function cluster(state: ReplicaState): Records {
  const records = new Records().host("h1").host("h2");
  for (const [i, name] of ["h1", "h2"].entries()) {
    const links = [{ kind: "availability", address: `10.0.0.${i + 1}`, subnet: "10.0.0.0/24" }];
    records.put(keys.member(host(name)), { schema: 1, id: name, name, role: "host", links, joinedAt: 0 });
  }
  const known = vm("web");
  const receiver = { incarnation: incarnation(1), epoch: run.epoch, doors };
  return records
    .put(keys.pool("local" as PoolId), pool("local", "local-dir"))
    .put(keys.vm(web), { ...known, spec: { ...known.spec, disks: [disk] } })
    .put(keys.owner(web), held("h1", 1, 1))
    .put(keys.group("office" as never), {
      ...{ schema: 1, name: "office", vms: [web], source: "h1", target: "h2", paused: [], createdAt: 0 },
      mode: { kind: "synchronous", boundMs: 2_000 },
    })
    .put(key, { schema: 1, vm: web, volume: disk.volume, host: "h2", epoch: run.epoch, state, receiver });
}

function agentWith(state: ReplicaState, attached = true): Agent {
  const agent = new Agent(cluster(state));
  agent.lists();
  agent.take("list");
  agent.tell({ kind: "listed", runs: [seen(run)], attached: attached ? [run] : [] });
  return agent;
}

const stateIn = (agent: Agent): string | undefined => (agent.written(key) as Replica | undefined)?.state.kind;
const stale: ReplicaState = { kind: "stale", cause: "silent", whole: true, at: 0 as never };

describe("the host whose VM is copied", () => {
  test("[S16, S17] a write has waited: recorded first, seen second, and only then it goes on alone", () => {
    const agent = agentWith({ kind: "in-sync" });
    agent.tell({ kind: "replica", event: { kind: "waits", run, detail: "" } });
    expect([stateIn(agent), agent.take("go-on-alone")]).toEqual(["stale", undefined]);
    for (let sent = agent.take("commit"); sent !== undefined; sent = agent.take("commit"))
      agent.tell({ kind: "commit-ended", id: sent.id, end: { kind: "unknown", cause: "no answer" } });
    expect(agent.take("go-on-alone")).toBeUndefined();
    agent.records.put(key, { ...agent.records.view.replicas.get(key)?.value, state: stale });
    agent.wait(limits.tickMs);
    expect(agent.take("go-on-alone")?.run).toEqual(run);
  });

  test("[S16] what a guest writes as it is shut down waits for its copy no longer than before", () => {
    const agent = agentWith({ kind: "in-sync" });
    agent.take("resync");
    agent.records.put(keys.vm(web), { ...agent.records.view.vms.get(web)?.value, requested: "stopped" });
    agent.wait(limits.tickMs);
    expect(agent.take("stop")?.run).toEqual(run);
    agent.tell({ kind: "replica", event: { kind: "waits", run, detail: "" } });
    expect([stateIn(agent), agent.take("go-on-alone")]).toEqual(["stale", undefined]);
    for (let sent = agent.take("commit"); sent !== undefined; sent = agent.take("commit"))
      agent.tell({ kind: "commit-ended", id: sent.id, end: { kind: "unknown", cause: "no answer" } });
    agent.records.put(key, { ...agent.records.view.replicas.get(key)?.value, state: stale });
    agent.wait(limits.tickMs);
    expect(agent.take("go-on-alone")?.run).toEqual(run);
    // Nothing else is begun for it.
    for (const kind of ["attach", "resync", "reach", "detach"] as const)
      expect([kind, agent.take(kind)]).toEqual([kind, undefined]);
  });

  test("[S18, S24] a copy that may have gone on elsewhere is let go as the branch that it is, and not brought up to date", () => {
    const agent = agentWith({ kind: "diverged", at: 0 as WallMs, kept: true });
    agent.tell({ kind: "replica", event: { kind: "waits", run, detail: "" } });
    expect([stateIn(agent), agent.take("go-on-alone"), agent.take("resync")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(agent.take("detach")?.run).toEqual(run);
  });

  test("[S16] an agent that finds a relay says again what it was told to do", () => {
    expect(agentWith(stale).take("go-on-alone")).toBeDefined();
    expect(agentWith({ kind: "copying" }).take("resync")?.doors).toEqual(doors);
    const counted = agentWith({ kind: "in-sync" });
    // To it that changes nothing; to this agent, that it knows.
    expect(counted.take("resync")?.doors).toEqual(doors);
    expect([counted.take("go-on-alone"), counted.take("attach")]).toEqual([undefined, undefined]);
  });

  test("[S17] in sync only after the driver's word, and not where a write has waited since", () => {
    const agent = agentWith({ kind: "copying" });
    agent.ends("resync");
    agent.tell({ kind: "replica", event: { kind: "copied", run } });
    expect(stateIn(agent)).toBeUndefined();
    agent.tell({ kind: "replica", event: { kind: "waits", run, detail: "" } });
    agent.ends("confirm");
    expect(stateIn(agent)).toBe("stale");
    const calm = agentWith({ kind: "copying" });
    calm.ends("resync");
    calm.tell({ kind: "replica", event: { kind: "copied", run } });
    calm.ends("confirm");
    expect(stateIn(calm)).toBe("in-sync");
  });

  test("[S17] nothing is sent to a copy that was left behind before it is recorded that it is being copied", () => {
    const agent = agentWith(stale);
    agent.ends("go-on-alone");
    agent.wait(limits.replicaRetryMs);
    expect([stateIn(agent), agent.take("resync")]).toEqual([undefined, undefined]);
    agent.ends("reach");
    // S20: what it holds is a point first.
    expect([stateIn(agent), agent.take("resync")]).toEqual([undefined, undefined]);
    const kept = agent.take("take-point");
    expect(kept?.request).toMatchObject({ to: "h2", origin: "resync" });
    const end = { kind: "taken", at: 5 as WallMs, consistency: "crash", stoodMs: 0 } as const;
    agent.tell({ kind: "point-taken", op: kept?.op ?? 0, end });
    expect([stateIn(agent), agent.take("resync")]).toEqual(["copying", undefined]);
    agent.settles();
    expect(agent.take("resync")).toBeDefined();
  });

  test("[S18, S21] another image lies there: its copy is given up on record, let go, and copied as a whole", () => {
    const agent = agentWith({ kind: "copying" });
    agent.ends("resync", { kind: "refused", code: "replica-copy-other", params: { vm: web } });
    expect([stateIn(agent), agent.take("detach")]).toEqual(["stale", undefined]);
    agent.settles();
    agent.wait(limits.replicaRetryMs);
    expect(agent.take("resync")).toBeUndefined();
    agent.ends("detach");
    agent.wait(limits.replicaRetryMs);
    expect([stateIn(agent), agent.take("resync")]).toEqual(["copying", undefined]);
    agent.settles();
    agent.wait(limits.replicaRetryMs);
    expect(agent.take("attach")?.request.isEqual).not.toBe(true);
  });

  test("[S14] nothing is attached before it is recorded, nor while an earlier run's relay is there", () => {
    const agent = agentWith({ kind: "in-sync" }, false);
    expect([stateIn(agent), agent.take("attach")]).toEqual(["stale", undefined]);
    const begun = agentWith({ kind: "copying" }, false);
    expect(begun.take("attach")?.request).toMatchObject({ to: "h2", doors, tls: true, waitMs: 2_000 });
    const left = new Agent(cluster({ kind: "copying" }));
    left.lists();
    left.take("list");
    left.tell({ kind: "listed", runs: [seen(run)], attached: [runOf(0)] });
    expect(left.take("attach")).toBeUndefined();
    left.ends("detach");
    expect(left.take("attach")).toBeDefined();
  });

  test("[S17] as long as its driver does not begin to copy, the facts of the host say why", () => {
    const agent = agentWith({ kind: "copying" }, false);
    const { schema: _, incarnation: __, accel: ___, at: ____, ...reading } = facts();
    agent.tell({ kind: "read", reading });
    agent.settles();
    agent.ends("attach", { kind: "refused", code: "replica-no-certificate", params: { vm: web } });
    const said = () => (agent.written(keys.hostFacts(host("h1"))) as HostFacts | undefined)?.copiesRefused;
    const first = [{ vm: web, code: "replica-no-certificate", params: { vm: "web" } }];
    expect(said()).toEqual(first);
    agent.settles();
    // The same cause in other words is no news.
    agent.wait(limits.replicaRetryMs);
    const params = { vm: web, detail: "another" };
    agent.ends("attach", { kind: "refused", code: "replica-no-certificate", params });
    expect(agent.written(keys.hostFacts(host("h1")))).toBeUndefined();
    // Nobody wants it copied as long as its group is paused.
    const [group] = [...agent.records.view.groups.values()];
    agent.records.put(keys.group("office" as never), { ...group?.value, paused: ["asked"] });
    agent.changes();
    expect([agent.written(keys.hostFacts(host("h1"))) !== undefined, said()]).toEqual([true, undefined]);
    agent.settles();
    agent.records.put(keys.group("office" as never), { ...group?.value });
    agent.changes();
    expect(said()).toEqual(first);
    agent.settles();
    agent.wait(limits.replicaRetryMs);
    agent.ends("attach");
    expect([agent.written(keys.hostFacts(host("h1"))) !== undefined, said()]).toEqual([true, undefined]);
  });

  test("[S17] what its driver says of a VM, whose id is all that it knows, is told under the VM's name", () => {
    const agent = agentWith({ kind: "copying" }, false);
    const known = agent.records.view.vms.get(web)?.value;
    agent.records.put(keys.vm(web), { ...known, name: "office-mail" });
    agent.changes();
    const { schema: _, incarnation: __, accel: ___, at: ____, ...reading } = facts();
    agent.tell({ kind: "read", reading });
    agent.settles();
    agent.ends("attach", { kind: "refused", code: "replica-no-certificate", params: { vm: web } });
    const said = agent.written(keys.hostFacts(host("h1"))) as HostFacts | undefined;
    const params = { vm: "office-mail" };
    expect(said?.copiesRefused).toEqual([{ vm: web, code: "replica-no-certificate", params }]);
  });

  test("[S16] what a copy lacks is written as that only once its guest goes on without it", () => {
    const agent = agentWith(stale);
    const tells = (remainingMiB: number): unknown => {
      const progress = { percent: 100, remainingMiB, mibPerSecond: 0 };
      agent.tell({ kind: "replica", event: { kind: "progress", run, progress } });
      return (agent.written(keys.vmCopying(web)) as { remainingMiB: number } | undefined)?.remainingMiB;
    };
    // Of the copying before it.
    expect(tells(0)).toBeUndefined();
    agent.ends("go-on-alone");
    agent.wait(limits.replicaProgressMs);
    expect(agent.written(keys.vmCopying(web))).toBeUndefined();
    expect(tells(2.5)).toBe(2.5);
  });

  test("[S16, S17] a group is paused: its copy is recorded as left behind, the relay stays, and only what was written is sent later", () => {
    const records = cluster({ kind: "in-sync" });
    const [group] = [...records.view.groups.values()];
    records.put(keys.group("office" as never), { ...group?.value, paused: ["asked"] });
    const agent = new Agent(records);
    agent.lists();
    agent.take("list");
    agent.tell({ kind: "listed", runs: [seen(run)], attached: [run] });
    expect([stateIn(agent), agent.take("go-on-alone")]).toEqual(["stale", undefined]);
    agent.settles();
    agent.ends("go-on-alone");
    agent.wait(limits.replicaRetryMs);
    const told = agent.effects.flatMap((effect) => (effect.kind === "commit" ? effect.events : []));
    expect(told.map(({ type }) => type)).not.toContain("replica-left-behind");
    const after = ["detach", "reach", "resync", "attach"] as const;
    expect(after.map((kind) => agent.take(kind))).toEqual(after.map(() => undefined));
    records.put(keys.group("office" as never), { ...group?.value });
    agent.changes();
    agent.ends("reach");
    expect(agent.take("take-point")).toBeDefined();
  });

  test("[S17, S20] a host that answered before a pause is asked again after it, and that it does not is told", () => {
    const records = cluster(stale);
    const [group] = [...records.view.groups.values()];
    const agent = new Agent(records);
    agent.lists();
    agent.take("list");
    agent.tell({ kind: "listed", runs: [seen(run)], attached: [run] });
    agent.ends("go-on-alone");
    agent.wait(limits.replicaRetryMs);
    agent.ends("reach");
    const kept = agent.take("take-point");
    records.put(keys.group("office" as never), { ...group?.value, paused: ["asked"] });
    agent.changes();
    agent.tell({ kind: "point-taken", op: kept?.op ?? 0, end: { kind: "unknown", cause: "it is off" } });
    agent.settles();
    const leftTold = (): number =>
      agent.effects
        .flatMap((effect) => (effect.kind === "commit" ? effect.events : []))
        .filter(({ type }) => type === "replica-left-behind").length;
    expect(leftTold()).toBe(0);
    records.put(keys.group("office" as never), { ...group?.value });
    agent.wait(limits.replicaRetryMs);
    expect([stateIn(agent), agent.take("take-point"), leftTold()]).toEqual([undefined, undefined, 0]);
    agent.ends("reach", { kind: "refused", code: "replica-resync-ended", params: { vm: web, detail: "" } });
    expect([stateIn(agent), leftTold()]).toEqual([undefined, 1]);
  });

  test("[S16] a relay that was to let go, and may have, is never told to send again: it is only detached", () => {
    const records = cluster(stale);
    const [group] = [...records.view.groups.values()];
    records.put(keys.group("office" as never), { ...group?.value, mode: { kind: "asynchronous", everyS: 5 } });
    const agent = new Agent(records);
    agent.lists();
    agent.take("list");
    agent.tell({ kind: "listed", runs: [seen(run)], attached: [run] });
    agent.ends("detach", { kind: "unknown", cause: "QEMU does not answer" });
    records.put(keys.group("office" as never), { ...group?.value });
    agent.wait(limits.replicaRetryMs);
    expect([agent.take("reach"), agent.take("resync")]).toEqual([undefined, undefined]);
    agent.ends("detach");
    expect([...agent.state.replicas.mirrors]).toEqual([]);
  });

  test("[S17] left behind each time it is said once; again only once it has been in sync", () => {
    const agent = agentWith(stale);
    let told = 0;
    const left = (): void => {
      agent.ends("go-on-alone");
      const events = agent.effects.flatMap((effect) => (effect.kind === "commit" ? effect.events : []));
      told += events.filter(({ type }) => type === "replica-left-behind").length;
      agent.settles();
    };
    const leftAnew = (): void => {
      // Another relay holds: it is told again to let the guest go on.
      agent.tell({ kind: "replica", event: { kind: "holds", run } });
      left();
    };
    left();
    expect(told).toBe(1);
    leftAnew();
    leftAnew();
    expect(told).toBe(1);
    const [first] = agent.state.replicas.mirrors.values();
    if (first === undefined) throw new Error("It has no mirror");
    agent.state = noteWhole(agent.state, first.run);
    leftAnew();
    expect(told).toBe(2);
  });
});

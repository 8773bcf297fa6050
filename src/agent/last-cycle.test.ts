import { expect, test } from "vitest";
import { Agent, web as runOf, seen } from "../../test/support/agent-rig.ts";
import { fence, held, host, incarnation, move, pool, Records, vm, vmId } from "../../test/support/records.ts";
import { limits } from "../core/limits.ts";
import type { PoolId, VolumeId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { SealedCycle } from "../model/replication-cycle.ts";
import type { Replica } from "../model/replication-records.ts";
import type { CycleEnd } from "../ports/replication-cycles.ts";

const web = vmId("web");
const run = runOf(1);
const disk = { volume: "web-0" as VolumeId, pool: "local" as PoolId, sizeMiB: 64, format: "raw" as const };
const doors = [{ address: "10.0.0.2", port: 49_216 }];
const key = keys.replica(web, disk.volume, host("h2"));
const cycle = (sequence: number): SealedCycle => ({
  ...{ chain: "aaaaaaaaaaaa", sequence, at: 1_000 as WallMs, point: `a-${sequence}` },
});
const sealed = (sequence: number): CycleEnd => ({ kind: "sealed", cycle: cycle(sequence), sentMiB: 1, whole: false });
const broken: CycleEnd = { kind: "broken", code: "cycle-broken", params: { vm: web, detail: "silent" } };

/** h1 runs `web` and others, which are copied to h2 in cycles, and somebody wants `web` there. */
function agentThatLetsGo(others: readonly string[] = []): Agent {
  const records = new Records().host("h1").host("h2");
  for (const [i, name] of ["h1", "h2"].entries()) {
    const links = [{ kind: "availability", address: `10.0.0.${i + 1}`, subnet: "10.0.0.0/24" }];
    records.put(keys.member(host(name)), { schema: 1, id: name, name, role: "host", links, joinedAt: 0 });
  }
  const ids = ["web", ...others].map(vmId);
  records.put(keys.pool("local" as PoolId), pool("local", "local-dir")).put(keys.group("office" as never), {
    ...{ schema: 1, name: "office", vms: ids, source: "h1", target: "h2", paused: [], createdAt: 0 },
    mode: { kind: "asynchronous", everyS: 3_600, lossS: 60 },
  });
  const receiver = { incarnation: incarnation(1), epoch: run.epoch, doors, isAsLeft: false };
  for (const name of ["web", ...others]) {
    const [id, known, volume] = [vmId(name), vm(name), `${name}-0` as VolumeId];
    const about = { schema: 1, vm: id, volume, host: "h2", epoch: run.epoch, receiver };
    records
      .put(keys.vm(id), { ...known, spec: { ...known.spec, disks: [{ ...disk, volume }] } })
      .put(keys.owner(id), held("h1", 1, run.epoch))
      .put(keys.replica(id, volume, host("h2")), { ...about, state: { kind: "sealed", ...cycle(1) } });
  }
  records.put(keys.vmMove(web), { ...move("web", "h1", "h2", { epoch: run.epoch }), kind: "relocate" });
  const agent = new Agent(records);
  agent.lists();
  agent.take("list");
  agent.tell({ kind: "listed", runs: ids.map((id) => seen({ ...run, vm: id })), attached: [] });
  return agent;
}

function cycles(agent: Agent, end: CycleEnd): void {
  const asked = agent.take("cycle");
  if (asked === undefined) throw new Error("it begins no cycle");
  agent.tell({ kind: "cycled", op: asked.op, end });
  agent.settles();
  agent.wait(1);
}

const kinds = (agent: Agent) =>
  agent.effects.map(({ kind }) => kind).filter((kind) => ["halt", "stop", "kill", "cycle"].includes(kind));

test("[S25] most of it is sent while the guest runs, the rest once it stands still; only then it ends, and its copy has everything", () => {
  const agent = agentThatLetsGo();
  expect(kinds(agent)).toEqual(["cycle"]);
  cycles(agent, sealed(2));
  expect(kinds(agent)).toEqual(["halt"]);
  agent.ends("halt");
  expect(kinds(agent)).toEqual(["cycle"]);
  cycles(agent, sealed(3));
  expect(kinds(agent)).toEqual(["stop"]);
  agent.ends("stop");
  expect((agent.written(key) as Replica | undefined)?.state).toMatchObject({
    kind: "sealed",
    sequence: 3,
    whole: true,
  });
});

test("[S25] a guest whose copy is not reached is not stopped for it", () => {
  const agent = agentThatLetsGo();
  for (let tries = 0; tries < 3; tries++) {
    cycles(agent, broken);
    agent.wait(limits.lastCycleMs);
  }
  expect(agent.records.view.moves.get(web)?.value.answer).toMatchObject({
    kind: "failed",
    code: "move-copy-not-reached",
  });
  expect(kinds(agent)).not.toContain("halt");
});

test("[S25] one that stands still ends also where its copy does not get the rest, and nothing is said of that", () => {
  const agent = agentThatLetsGo();
  cycles(agent, sealed(2));
  agent.ends("halt");
  for (let tries = 0; tries < 2; tries++) {
    cycles(agent, broken);
    agent.wait(10_000);
  }
  cycles(agent, broken);
  agent.ends("stop");
  expect((agent.written(key) as Replica | undefined)?.state).toBeUndefined();
});

test("[S25] one of which nobody knows whether it stands still is ended, whatever is wanted by then", () => {
  const agent = agentThatLetsGo();
  cycles(agent, sealed(2));
  agent.records.remove(keys.vmMove(web));
  agent.ends("halt", { kind: "unknown", cause: "its monitor" });
  expect(kinds(agent)).toEqual(["stop"]);
});

test("[S25] one that is wanted stopped meanwhile waits for no copy", () => {
  const agent = agentThatLetsGo();
  agent.take("cycle");
  agent.records.put(keys.vm(web), { ...agent.records.view.vms.get(web)?.value, requested: "stopped" });
  agent.changes();
  expect(kinds(agent)).toEqual(["stop"]);
});

test("[HM4] nor does one whose host goes down", () => {
  const agent = agentThatLetsGo();
  agent.take("cycle");
  const mode = { schema: 1, mode: "shutdown", next: "power-off", incarnation: 1, by: { name: "root" }, at: 0 };
  agent.records.put(keys.hostMode(host("h1")), mode);
  agent.changes();
  expect(kinds(agent)).toEqual(["stop"]);
});

test("[S25] one that could not be told to shut down was not touched, and is asked again", () => {
  const agent = agentThatLetsGo();
  cycles(agent, sealed(2));
  agent.ends("halt", { kind: "refused", code: "vm-unresponsive", params: { vm: web } });
  expect(kinds(agent)).toEqual(["cycle"]);
  cycles(agent, sealed(3));
  expect(kinds(agent)).toEqual(["halt"]);
});

test("[S25] one that stands still by itself stays where it is", () => {
  const agent = agentThatLetsGo();
  agent.take("cycle");
  agent.tell({ kind: "vm", event: { kind: "paused", run, by: "storage-error" } });
  expect(kinds(agent)).toEqual([]);
  expect(agent.written(keys.vmMove(web))).toMatchObject({ answer: { code: "move-copy-not-reached" } });
});

test("[S25] it waits for nobody's turn", () => {
  const agent = agentThatLetsGo(["a", "b", "c", "d", "e"]);
  const begun = agent.effects.flatMap((effect) => (effect.kind === "cycle" ? [effect.run.vm] : []));
  expect(begun).toEqual([web, ...["a", "b", "c", "d"].map(vmId)]);
});

/** h1 was fenced, with its power perhaps about to go, and lives on as its next life. */
function livesOn(agent: Agent, device: "begun" | "not-needed", state: "running" | "paused"): void {
  const { records } = agent;
  records.host("h1", 2).put(keys.fence(host("h1"), incarnation(1)), fence({ device, proofs: [] }));
  agent.changes();
  agent.beats(2);
  agent.take("list");
  agent.tell({ kind: "listed", runs: [seen(run, state)], attached: [] });
}

test("[S11, S25] one that an earlier life of its host halted is not ended while the power may go, and never goes on", () => {
  const agent = agentThatLetsGo();
  cycles(agent, sealed(2));
  agent.ends("halt");
  agent.take("cycle");
  livesOn(agent, "begun", "paused");
  agent.wait(limits.lastCycleMs);
  expect(kinds(agent)).toEqual([]);
  agent.records.put(keys.fence(host("h1"), incarnation(1)), fence({ device: "not-needed", proofs: [] }));
  agent.changes();
  agent.settles();
  agent.ends("adopt");
  expect(kinds(agent)).toEqual(["stop"]);
});

test("[S11, S25] the cycles of a run that was claimed back wait until those under its earlier name are ended", () => {
  const agent = agentThatLetsGo();
  agent.records.remove(keys.vmMove(web));
  const cycled = agent.take("cycle");
  livesOn(agent, "not-needed", "running");
  agent.settles();
  agent.ends("adopt");
  const receiver = { incarnation: incarnation(1), epoch: 2, doors, isAsLeft: false };
  const about = { schema: 1, vm: web, volume: disk.volume, host: "h2", epoch: 2, receiver };
  agent.records.put(key, { ...about, state: { kind: "copying" } });
  agent.changes();
  agent.wait(limits.tickMs);
  expect(kinds(agent)).toEqual([]);
  agent.tell({ kind: "cycled", op: cycled?.op ?? 0, end: broken });
  agent.ends("end-cycles");
  agent.wait(limits.tickMs);
  const begun = agent.effects.flatMap((effect) => (effect.kind === "cycle" ? [effect.run] : []));
  expect(begun).toEqual([{ ...run, incarnation: 2, epoch: 2 }]);
});

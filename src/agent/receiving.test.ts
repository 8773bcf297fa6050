import { expect, test } from "vitest";
import { Agent, web as runOf } from "../../test/support/agent-rig.ts";
import { facts, held, host, incarnation, pool, Records, vm, vmId } from "../../test/support/records.ts";
import { limits } from "../core/limits.ts";
import type { PoolId, VolumeId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { HostFacts } from "../model/records.ts";
import type { SealedCycle } from "../model/replication-cycle.ts";
import type { Replica } from "../model/replication-records.ts";
import type { ReceiveEnd } from "../ports/replication.ts";

const web = vmId("web");
const run = runOf(4);
const disk = { volume: "web-0" as VolumeId, pool: "local" as PoolId, sizeMiB: 64, format: "raw" as const };
const doors = [{ address: "10.0.0.1", port: 49_216 }];
const key = keys.replica(web, disk.volume, host("h1"));
const cycle = (chain: string, sequence: number): SealedCycle => ({
  ...{ chain, sequence, at: 1_000 as WallMs, point: `${chain}-${sequence}` },
});
const [old, fresh] = [cycle("aaaaaaaaaaaa", 7), cycle("bbbbbbbbbbbb", 1)];

/** h2 runs `web`, whose disk is copied to h1 in cycles; the record says that it is at `old`. */
function agentThatReceives(lastCycle: SealedCycle | null): Agent {
  return answered({ kind: "ready", doors, isAsLeft: false, lastCycle });
}

function answered(end: ReceiveEnd): Agent {
  const { agent, asked } = asks({ kind: "sealed", ...old });
  expect(asked.request.group).toEqual({ group: "office", name: "web" });
  agent.tell({ kind: "received", op: asked.op, end });
  return agent;
}

function asks(state: Replica["state"]) {
  const records = new Records().host("h1").host("h2");
  for (const [i, name] of ["h1", "h2"].entries()) {
    const links = [{ kind: "availability", address: `10.0.0.${i + 1}`, subnet: "10.0.0.0/24" }];
    records.put(keys.member(host(name)), { schema: 1, id: name, name, role: "host", links, joinedAt: 0 });
  }
  const known = vm("web");
  records
    .put(keys.pool("local" as PoolId), pool("local", "local-dir"))
    .put(keys.vm(web), { ...known, spec: { ...known.spec, disks: [disk] } })
    .put(keys.owner(web), held("h2", 1, run.epoch))
    .put(keys.group("office" as never), {
      ...{ schema: 1, name: "office", vms: [web], source: "h2", target: "h1", paused: [], createdAt: 0 },
      mode: { kind: "asynchronous", everyS: 5, lossS: 60 },
    });
  record(records, state);
  const agent = new Agent(records);
  agent.lists();
  // The first was asked before its heart beat.
  agent.lists();
  const asked = agent.take("receive");
  if (asked === undefined) throw new Error("it does not receive");
  return { agent, asked };
}

function record(records: Records, state: Replica["state"]): void {
  const receiver = { incarnation: incarnation(1), epoch: run.epoch, doors, isAsLeft: false };
  const about = { schema: 1, vm: web, volume: disk.volume, host: "h1", epoch: run.epoch };
  records.put(key, { ...about, state, receiver });
}

const stateIn = (agent: Agent) => (agent.written(key) as Replica | undefined)?.state;

test("[S21, S25] a cycle that the driver has given up does not stay on record", () => {
  expect(stateIn(agentThatReceives(null))).toEqual({ kind: "copying" });
});

test("[S25] what lies here stays on record, and what was sealed since the driver was asked", () => {
  expect(stateIn(agentThatReceives(old))).toBeUndefined();
  const agent = agentThatReceives(null);
  agent.settles();
  record(agent.records, { kind: "sealed", ...fresh });
  agent.changes();
  agent.wait(limits.tickMs);
  expect(stateIn(agent)).toBeUndefined();
});

test("[S21] why its driver takes no copies is told once for each cause, and tried again", () => {
  const refused = (code: string): ReceiveEnd => ({ kind: "refused", code, params: { group: "office" } });
  const agent = answered(refused("group-folder-foreign"));
  const told = () => {
    const codes = agent.effects
      .flatMap((one) => (one.kind === "commit" ? one.events : []))
      .map(({ reason }) => reason?.code);
    agent.answerAll();
    return codes;
  };
  const again = (end: ReceiveEnd) => {
    agent.wait(limits.replicaRetryMs);
    const asked = agent.take("receive");
    if (asked === undefined) throw new Error("it does not try again");
    agent.tell({ kind: "received", op: asked.op, end });
    return told();
  };
  expect(told()).toEqual(["group-folder-foreign"]);
  expect(again(refused("group-folder-foreign"))).toEqual([]);
  expect(again({ kind: "unknown", cause: "no answer" })).toEqual([]);
  expect(again(refused("group-folder-foreign"))).toEqual([]);
  expect(again(refused("pool-full"))).toEqual(["pool-full"]);
});

test("[S21] as long as its driver takes no copies, the facts of the host say why", () => {
  const agent = answered({ kind: "refused", code: "pool-full", params: { pool: "local" } });
  const { schema: _, incarnation: __, accel: ___, at: ____, ...reading } = facts();
  agent.tell({ kind: "read", reading });
  const key = keys.hostFacts(host("h1"));
  const said = () => (agent.written(key) as HostFacts | undefined)?.copiesRefused;
  expect(said()).toEqual([{ vm: web, code: "pool-full", params: { pool: "local" } }]);
  agent.settles();
  agent.wait(limits.replicaRetryMs);
  const asked = agent.take("receive");
  agent.tell({ kind: "received", op: asked?.op ?? 0, end: { kind: "ready", doors, isAsLeft: false, lastCycle: null } });
  expect([agent.written(key) !== undefined, said()]).toEqual([true, undefined]);
});

test("[S25] a schedule that comes later counts from then on: the driver keeps all points, and the agent thins them out", () => {
  const { agent, asked } = asks({ kind: "copying" });
  expect(asked.request.keepCycles).toBe(limits.cyclesKept);
  agent.tell({ kind: "received", op: asked.op, end: { kind: "ready", doors, isAsLeft: false, lastCycle: null } });
  agent.settles();
  const key = keys.group("office" as never);
  const group = agent.records.view.groups.get("office" as never)?.value;
  agent.records.put(key, {
    ...group,
    points: { everyMs: 10_000, keep: [{ everyMs: 10_000, count: 6 }], consistency: "crash", test: null },
  });
  agent.changes();
  agent.wait(limits.replicaLookMs);
  // The first one may take long, and would begin anew.
  expect(agent.take("receive")).toBeUndefined();
  record(agent.records, { kind: "sealed", ...fresh });
  agent.changes();
  agent.wait(limits.tickMs);
  const again = agent.take("receive");
  expect(again?.request.keepCycles).toBeUndefined();
  expect(again?.inCycles).toBe(true);
  agent.tell({
    kind: "received",
    op: again?.op ?? 0,
    end: { kind: "ready", doors, isAsLeft: false, lastCycle: fresh },
  });
  agent.settles();
  agent.wait(limits.replicaLookMs);
  expect(agent.take("receive")).toBeUndefined();
});

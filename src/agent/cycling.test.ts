import { describe, expect, test } from "vitest";
import { Agent, web as runOf, seen } from "../../test/support/agent-rig.ts";
import { facts, held, host, incarnation, pool, Records, vm, vmId } from "../../test/support/records.ts";
import { planDropPoint } from "../core/requests/points.ts";
import type { Epoch, PoolId, VolumeId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { Replica } from "../model/replication-records.ts";

const web = vmId("web");
const run = runOf(2);
const disk = { volume: "web-0" as VolumeId, pool: "local" as PoolId, sizeMiB: 64, format: "raw" as const };
const doors = [{ address: "10.0.0.2", port: 49_216 }];
const key = keys.replica(web, disk.volume, host("h2"));
const end = { kind: "taken", at: 5 as WallMs, consistency: "crash", stoodMs: 0 } as const;

/** `web` went on at h1 with a loss; h2, its host before, is up again and has `freeMiB` beside what it held of it. */
function afterTheLoss(freeMiB: number): Records {
  const receiver = { incarnation: incarnation(1), epoch: run.epoch, doors };
  const known = vm("web");
  const state = { kind: "diverged", at: 70 as WallMs, kept: true } as const;
  return room(new Records().host("h1").host("h2"), freeMiB)
    .put(keys.member(host("h2")), { schema: 1, id: "h2", name: "h2", role: "host", links: [], joinedAt: 0 })
    .put(keys.pool("local" as PoolId), pool("local", "local-dir"))
    .put(keys.vm(web), { ...known, spec: { ...known.spec, disks: [disk] } })
    .put(keys.owner(web), held("h1", 1, 2))
    .put(keys.group("office" as never), {
      ...{ schema: 1, name: "office", vms: [web], source: "h2", target: "h1", paused: [], createdAt: 0 },
      mode: { kind: "asynchronous", everyS: 5, lossS: 60 },
    })
    .put(key, { schema: 1, vm: web, volume: disk.volume, host: "h2", epoch: 1 as Epoch, state, receiver });
}

function room(records: Records, freeMiB: number): Records {
  const pools = [{ pool: "local" as PoolId, capacityMiB: 1_000, freeMiB, unfit: null }];
  return records.put(keys.hostFacts(host("h2")), facts({ pools }));
}

function agentOf(records: Records): Agent {
  const agent = new Agent(records);
  agent.lists();
  agent.tell({ kind: "listed", runs: [seen(run)], attached: [] });
  return agent;
}

/** Until the branch is on record. */
function keepsBranch(agent: Agent): string {
  const kept = agent.take("take-point");
  expect([kept?.request.origin, stateOf(agent.records), agent.take("cycle")]).toEqual([
    "branch-kept",
    "diverged",
    undefined,
  ]);
  agent.tell({ kind: "point-taken", op: kept?.op ?? 0, end });
  agent.settles();
  return kept?.request.id ?? "";
}

const stateOf = (records: Records): Replica["state"]["kind"] | undefined =>
  records.view.replicas.get(key)?.value.state.kind;

describe("cycles to a host that has what nobody else has", () => {
  test("[S18, S20, S25] begin by themselves once that is kept as a branch", () => {
    const agent = agentOf(afterTheLoss(64));
    const branch = keepsBranch(agent);
    expect(agent.records.view.points.get(keys.point(web, branch))?.value.origin).toBe("branch-kept");
    expect(stateOf(agent.records)).toBe("copying");
    expect(agent.take("cycle")?.run).toEqual(run);
  });

  test("[S18, S25] wait where a copy has no room beside the branch, and for nobody but whoever makes it or deletes it", () => {
    const agent = agentOf(afterTheLoss(63));
    const branch = keepsBranch(agent);
    expect([stateOf(agent.records), agent.take("take-point")]).toEqual(["diverged", undefined]);
    room(agent.records, 64);
    agent.changes();
    agent.settles();
    expect(stateOf(agent.records)).toBe("copying");

    const other = agentOf(afterTheLoss(63));
    keepsBranch(other);
    other.records.remove(keys.point(web, branch));
    other.changes();
    other.settles();
    expect([stateOf(other.records), other.take("cycle")?.run]).toEqual(["copying", run]);
  });

  test("[S18, S20] another agent finds the branch, and makes no second one of the same", () => {
    const records = afterTheLoss(63);
    const branch = keepsBranch(agentOf(records));
    const next = agentOf(records);
    next.settles();
    expect([stateOf(records), next.take("take-point"), records.view.points.size]).toEqual(["diverged", undefined, 1]);
    room(records, 64);
    next.changes();
    next.settles();
    expect(stateOf(records)).toBe("copying");
    expect(records.view.points.has(keys.point(web, branch))).toBe(true);
  });

  test("[S18, S20] once somebody had the branch deleted another agent makes none of it anew, and copies once it is gone", () => {
    const records = afterTheLoss(63);
    const branch = keepsBranch(agentOf(records));
    const stored = records.view.points.get(keys.point(web, branch));
    deleteBranch(records, branch);
    const next = agentOf(records);
    next.settles();
    // As long as it lies there the room is taken.
    expect([stateOf(records), next.take("take-point")]).toEqual(["diverged", undefined]);
    records.remove(keys.point(web, stored?.value.id ?? ""));
    next.changes();
    next.settles();
    expect([stateOf(records), next.take("take-point"), next.take("cycle")?.run]).toEqual(["copying", undefined, run]);
  });
});

function deleteBranch(records: Records, branch: string): void {
  const actor = { name: "root", role: "admin", requestId: "" } as const;
  const request = { vm: "web", point: branch, accept: true };
  const planned = planDropPoint(records.view, request, "intent:1" as never, { actor, at: 80 as WallMs });
  if (planned.kind === "refused") throw new Error(`Cannot delete the branch: ${planned.code}`);
  for (const write of planned.transaction.writes)
    if (write.kind === "put") records.put(write.key, JSON.parse(write.text) as object);
}

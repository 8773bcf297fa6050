import { describe, expect, test } from "vitest";
import { Agent, web as runOf, seen } from "../../test/support/agent-rig.ts";
import { heartbeat, held, host, incarnation, pool, Records, vm, vmId } from "../../test/support/records.ts";
import { limits, withoutDeadline } from "../core/limits.ts";
import type { Epoch, PoolId, VolumeId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { Replica, ReplicaState } from "../model/replication-records.ts";
import type { AloneNote, AloneNotes, FoundNotes } from "../ports/alone-notes.ts";
import { copiesHere } from "./copies-here.ts";

const web = vmId("web");
const run = runOf(1);
const disk = { volume: "web-0" as VolumeId, pool: "local" as PoolId, sizeMiB: 64, format: "raw" as const };
const doors = [{ address: "10.0.0.2", port: 49_216 }];
const key = keys.replica(web, disk.volume, host("h2"));
const byHost: ReplicaState = { kind: "in-sync", byHost: true };
const stale: ReplicaState = { kind: "stale", cause: "silent", whole: true, at: 0 as WallMs };
const noted = (epoch: number): AloneNote => ({ run: { ...run, epoch: epoch as Epoch }, at: 5 as WallMs });

type Noted = FoundNotes & Pick<AloneNotes, "mayNote">;
const found = (notes: readonly AloneNote[], more: Partial<Noted> = {}): Noted => ({
  notes,
  unreadable: [],
  mayNote: true,
  ...more,
});

/** Two hosts vote; h1 runs `web`, whose writes are copied to h2. `alone`: what is noted at h1. */
function agentWith(state: ReplicaState, alone: Noted = found([])): Agent {
  const records = new Records().host("h1").host("h2");
  for (const [i, name] of ["h1", "h2"].entries()) {
    const links = [{ kind: "availability", address: `10.0.0.${i + 1}`, subnet: "10.0.0.0/24" }];
    records.put(keys.member(host(name)), { schema: 1, id: name, name, role: "host", links, joinedAt: 0 });
    records.put(keys.heartbeat(host(name), incarnation(1)), heartbeat(withoutDeadline));
  }
  const known = vm("web");
  records
    .put(keys.pool("local" as PoolId), pool("local", "local-dir"))
    .put(keys.vm(web), { ...known, spec: { ...known.spec, disks: [disk] } })
    .put(keys.owner(web), held("h1", 1, 1))
    .put(keys.group("office" as never), {
      ...{ schema: 1, name: "office", vms: [web], source: "h1", target: "h2", paused: [], createdAt: 0 },
      mode: { kind: "synchronous", boundMs: 2_000 },
    });
  setState(records, state);
  const agent = new Agent(records);
  agent.lists();
  agent.take("list");
  agent.tell({ kind: "listed", runs: [seen(run)], attached: [run], alone });
  return agent;
}

function setState(records: Records, state: ReplicaState): void {
  const receiver = { incarnation: incarnation(1), epoch: run.epoch, doors };
  records.put(key, { schema: 1, vm: web, volume: disk.volume, host: "h2", epoch: run.epoch, state, receiver });
}

const waits = (agent: Agent): void => agent.tell({ kind: "replica", event: { kind: "waits", run, detail: "" } });
const stateIn = (agent: Agent) => (agent.written(key) as Replica | undefined)?.state;

test("[S23] how far a copy was before its guest goes on without it is not told as what only this host has", () => {
  const agent = agentWith(byHost);
  const tells = (remainingMiB: number): void => {
    const progress = { percent: 100, remainingMiB, mibPerSecond: 0 };
    agent.tell({ kind: "replica", event: { kind: "progress", run, progress } });
  };
  const atRisk = () => copiesHere(agent.state).map(({ kind, atRiskMiB }) => [kind, atRiskMiB]);
  agent.ends("resync");
  tells(0);
  waits(agent);
  agent.ends("note-alone");
  expect(atRisk()).toEqual([["alone", null]]);
  agent.ends("go-on-alone");
  expect(atRisk()).toEqual([["alone", null]]);
  tells(2.5);
  expect(atRisk()).toEqual([["alone", 2.5]]);
});

describe("a guest whose copy is away, and no store that decides", () => {
  test("[S16, S23] is noted on the disk first, and only then goes on; what was noted is recorded as soon as it can be", () => {
    const agent = agentWith(byHost);
    agent.ends("resync");
    waits(agent);
    expect(agent.take("go-on-alone")).toBeUndefined();
    const note = agent.take("note-alone");
    expect(note?.note.run).toEqual(run);
    agent.tell({ kind: "op-ended", op: note?.op ?? 0, end: { kind: "unknown", cause: "its disk" } });
    expect([agent.take("go-on-alone"), agent.take("note-alone")]).toEqual([undefined, undefined]);
    agent.wait(limits.replicaPromptRetryMs);
    agent.ends("note-alone");
    agent.ends("go-on-alone");
    expect(stateIn(agent)).toMatchObject({ kind: "stale", whole: true });
    expect(agent.take("forget-alone")).toBeUndefined();
    setState(agent.records, stale);
    agent.changes();
    expect(agent.take("forget-alone")?.note.run).toEqual(run);
  });

  test("[S23] waits where the records do not say that this may be, or where a host takes over by itself", () => {
    for (const agent of [
      agentWith({ kind: "in-sync" }),
      agentWith({ kind: "copying" }),
      agentWith(byHost, found([], { mayNote: false })),
    ]) {
      waits(agent);
      expect([agent.take("note-alone"), agent.take("go-on-alone")]).toEqual([undefined, undefined]);
    }
  });

  test("[S17, S23] an agent that finds the note records it before anything is sent to the copy again", () => {
    const agent = agentWith(byHost, found([noted(1)]));
    expect(agent.take("resync")).toBeUndefined();
    expect(stateIn(agent)).toMatchObject({ kind: "stale", whole: true, at: 5 });
  });

  test.each([
    ["though nothing may be noted any more", found([noted(1)], { mayNote: false })],
    ["that it cannot read", found([], { unreadable: [{ vm: web, at: 5 as WallMs }] })],
    ["of which it cannot even read that they are there", found([], { unreadable: "all" })],
  ])("[S17, S23] so does one that finds notes %s", (_, alone) => {
    const agent = agentWith(byHost, alone);
    expect(agent.take("resync")).toBeUndefined();
    expect(stateIn(agent)).toMatchObject({ kind: "stale", whole: true });
    setState(agent.records, stale);
    agent.changes();
    expect(agent.take("forget-alone")?.note.run).toEqual(run);
  });

  test("[S23] what it cannot read says nothing of a copy that nobody may go on without by a note", () => {
    const agent = agentWith({ kind: "in-sync" }, found([], { unreadable: [{ vm: web, at: 5 as WallMs }] }));
    expect(agent.take("resync")).toBeDefined();
    expect(agent.take("forget-alone")?.note.run.vm).toEqual(web);
    expect(stateIn(agent)).toBeUndefined();
  });

  test("[S23] a note of an earlier run says nothing of this one", () => {
    const agent = agentWith(byHost, found([noted(0)]));
    expect(agent.take("resync")).toBeDefined();
    expect(agent.take("forget-alone")?.note).toEqual(noted(0));
  });

  test.each([
    [[], { kind: "in-sync" }],
    [[noted(1)], { kind: "stale", cause: "silent", whole: true, at: 5 }],
  ] as const)("[S18, S23] with the end of a run its host says what its copies are worth", (notes, said) => {
    const agent = agentWith(byHost, found(notes));
    agent.effects = [];
    agent.records.put(keys.vm(web), { ...agent.records.view.vms.get(web)?.value, requested: "stopped" });
    agent.tell({ kind: "vm", event: { kind: "exited", run, exit: "quit" } as never });
    agent.changes();
    for (const kind of ["kill", "stop"] as const) if (agent.effects.some((one) => one.kind === kind)) agent.ends(kind);
    agent.changes();
    expect(stateIn(agent)).toEqual(said);
  });
});

test("[S16, S23] what no record says of a run here is told by its agent, for as long as its relay and its note say so", () => {
  const agent = agentWith(byHost);
  agent.ends("resync");
  const here = () => copiesHere(agent.state).map(({ kind, since, atRiskMiB }) => [kind, since, atRiskMiB]);
  expect(here()).toEqual([]);
  waits(agent);
  expect(here()).toEqual([["waits", null, null]]);
  agent.ends("note-alone");
  agent.ends("go-on-alone");
  const progress = { percent: 90, mibPerSecond: 0, remainingMiB: 2.26 };
  agent.tell({ kind: "replica", event: { kind: "progress", run, progress } });
  expect(here()).toEqual([["alone", 0, 2.3]]);
  setState(agent.records, stale);
  agent.changes();
  agent.ends("forget-alone");
  expect(here()).toEqual([]);
});

import { describe, expect, test } from "vitest";
import { Agent, hostWith, web as runOf, seen } from "../../test/support/agent-rig.ts";
import { heartbeat, held, host, incarnation, pool, type Records, vm, vmId } from "../../test/support/records.ts";
import { withoutDeadline } from "../core/limits.ts";
import type { PoolId, VolumeId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";

const web = vmId("web");
const run = runOf(1);
const { deadlineMs, marginMs } = withoutDeadline;
const endless = (records: Records) =>
  records.put(keys.heartbeat(host("h1"), incarnation(1)), heartbeat({ deadlineMs, marginMs }));

function placed(records: Records): Agent {
  const agent = new Agent(records);
  agent.lists();
  agent.lists();
  agent.records.put(keys.owner(web), held("h1", 1, 1));
  agent.changes();
  return agent;
}

describe("where two members vote", () => {
  test("[S23] a start waits until something later than its owner record is committed", () => {
    const agent = placed(endless(hostWith(null)));
    expect(agent.take("start")).toBeUndefined();
    expect(agent.written(keys.owner(web))).toEqual(held("h1", 1, 1));
    for (let commit = agent.take("commit"); commit !== undefined; commit = agent.take("commit"))
      agent.tell({ kind: "commit-ended", id: commit.id, end: { kind: "unknown", cause: "no answer" } });
    agent.changes();
    expect(agent.take("start"), "the other one may know nothing of it yet").toBeUndefined();
    agent.records.put(keys.owner(web), held("h1", 1, 1));
    agent.wait(10_000);
    agent.changes();
    expect(agent.take("start")?.request.run).toEqual(run);
  });

  test("[S23] a guest goes on alone only after the stale record was committed a second time, and so each time", () => {
    const agent = copied();
    for (let time = 0; time < 2; time++) {
      agent.records.put(key, { ...replica, state: { kind: "in-sync" } });
      agent.wait(10_000);
      agent.changes();
      agent.effects = [];
      agent.records.put(key, stale);
      agent.changes();
      expect(agent.take("go-on-alone"), "nobody but this host may know of it").toBeUndefined();
      expect(agent.written(key)).toMatchObject({ state: { kind: "stale" } });
      agent.settles();
      agent.wait(10_000);
      // Of unknown end: it is asked again, and another time of its own begins with the next record.
      agent.ends("go-on-alone", { kind: "unknown", cause: "no answer" });
    }
  });
});

test("where a majority of more votes, one commit is enough", () => {
  expect(placed(hostWith(null)).take("start")?.request.run).toEqual(run);
});

const disk = { volume: "web-0" as VolumeId, pool: "local" as PoolId, sizeMiB: 64, format: "raw" as const };
const key = keys.replica(web, disk.volume, host("h2"));
const receiver = { incarnation: 1, epoch: 1, doors: [{ address: "10.0.0.2", port: 49_216 }] };
const replica = { schema: 1, vm: web, volume: disk.volume, host: "h2", epoch: 1, receiver };
const stale = { ...replica, state: { kind: "stale", cause: "silent", whole: true, at: 0 } };

/** h1 runs `web`, which is copied to h2 through a relay. */
function copied(): Agent {
  const records = endless(hostWith(1).host("h2"));
  const known = vm("web");
  records
    .put(keys.pool("local" as PoolId), pool("local", "local-dir"))
    .put(keys.vm(web), { ...known, spec: { ...known.spec, disks: [disk] } })
    .put(keys.group("office" as never), {
      ...{ schema: 1, name: "office", vms: [web], source: "h1", target: "h2", paused: [], createdAt: 0 },
      mode: { kind: "synchronous", boundMs: 2_000 },
    })
    .put(key, { ...replica, state: { kind: "in-sync" } });
  const agent = new Agent(records);
  agent.lists();
  agent.take("list");
  agent.tell({ kind: "listed", runs: [seen(run)], attached: [run] });
  agent.ends("resync");
  return agent;
}

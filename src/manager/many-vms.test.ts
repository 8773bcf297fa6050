import { describe, expect, test } from "vitest";
import { ManagerRig } from "../../test/support/manager-rig.ts";
import { fence, held, host, incarnation, pool, Records, vm, vmId } from "../../test/support/records.ts";
import { limits } from "../core/limits.ts";
import type { PoolId, VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { heartbeatOf } from "../model/view.ts";

/** Three hosts with room for all, and so many VMs that are wanted and run nowhere. */
function wanted(count: number, memoryForVmsMiB = 1_000_000): Records {
  const records = new Records().put(keys.pool("shared" as PoolId), pool("shared", "replicated"));
  for (const name of ["h1", "h2", "h3"]) records.host(name, 1, { memoryForVmsMiB });
  for (let n = 0; n < count; n++) records.put(keys.vm(vmId(`v${1_000 + n}`)), vm(`v${1_000 + n}`));
  return records;
}

/** Every host beats once more, so that this process has heard them itself. */
function beat(records: Records): void {
  for (const [id, registration] of records.view.hosts) {
    const n = registration.value.incarnation;
    const before = heartbeatOf(records.view, id, n)?.value;
    if (before !== undefined) records.put(keys.heartbeat(id, n), { ...before, seq: before.seq + 1 });
  }
}

function commits(leader: ManagerRig) {
  return leader.effects.flatMap((effect) => (effect.kind === "commit" ? [effect] : []));
}

const placedIn = (leader: ManagerRig): VmId[] =>
  commits(leader).flatMap(({ transaction }) =>
    transaction.writes.flatMap(({ key }) => (key.startsWith("/owner/") ? [key.split("/")[2] as VmId] : [])),
  );

/** Commits whatever is asked for, one after the other, for some rounds; tells `each` of every commit in its order. */
function commitAll(leader: ManagerRig, records: Records, each: (asked: ReturnType<typeof commits>[number]) => void) {
  const queue = commits(leader);
  for (let rounds = 0; rounds < 12; rounds++) {
    for (let asked = queue.shift(); asked !== undefined; asked = queue.shift()) {
      each(asked);
      expect(leader.state.pending.size).toBeLessThanOrEqual(limits.decisionsInFlightMax + 1);
      for (const write of asked.transaction.writes)
        if (write.kind === "put") records.put(write.key, JSON.parse(write.text));
      leader.tell({ kind: "commit-ended", id: asked.id, end: leader.committed() });
      queue.push(...commits(leader));
    }
    beat(records);
    leader.wait(250);
    queue.push(...commits(leader));
  }
}

describe("many VMs at once", () => {
  test("[S8] no more transactions are asked for than leave a fence its turn; the rest follows as they end", () => {
    const records = wanted(150);
    const leader = new ManagerRig(records);
    beat(records);
    leader.leads();
    expect(placedIn(leader).length).toBeGreaterThan(limits.decisionsInFlightMax - 5);
    const owners: string[] = [];
    commitAll(leader, records, ({ transaction }) => {
      for (const { key } of transaction.writes) if (key.startsWith("/owner/")) owners.push(key);
    });
    expect([owners.length, new Set(owners).size]).toEqual([150, 150]);
  });

  test("[S10] what a lost host held has its turn before what has never run", () => {
    const records = wanted(150)
      .put(keys.vm(vmId("zzz")), vm("zzz"))
      .put(keys.owner(vmId("zzz")), held("h1", 1, 4));
    records.put(keys.fence(host("h1"), incarnation(1)), fence());
    const leader = new ManagerRig(records);
    beat(records);
    leader.leads();
    expect(placedIn(leader)[0]).toBe("vm:zzz");
  });

  test("VMs that fit nowhere are told a few at a time, each once", () => {
    const records = wanted(150, 0);
    const leader = new ManagerRig(records);
    beat(records);
    leader.leads();
    const told: string[] = [];
    commitAll(leader, records, ({ events }) => {
      for (const { type, subjects } of events) if (type === "vm-nowhere") told.push(subjects.vm ?? "");
    });
    expect([told.length, new Set(told).size]).toEqual([150, 150]);
  });

  test("changes that follow each other closely are decided upon together, the first at once", () => {
    const records = wanted(2 * limits.vmsPerGapMs, 0);
    const leader = new ManagerRig(records);
    beat(records);
    leader.leads();
    const { decidedAt } = leader.state;
    const touched = { heartbeats: [], tick: false, others: true, usages: false, vms: new Set<VmId>(), events: [] };
    leader.tell({ kind: "changed", touched });
    expect(leader.effects).toEqual([{ kind: "wake-at", at: decidedAt + 2 }]);
    leader.wait(250);
    expect(leader.state.decidedAt).toBe(decidedAt + 250);
  });
});

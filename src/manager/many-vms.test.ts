import { describe, expect, test } from "vitest";
import { ManagerRig } from "../../test/support/manager-rig.ts";
import { fence, held, host, incarnation, plan, pool, Records, status, vm, vmId } from "../../test/support/records.ts";
import { limits } from "../core/limits.ts";
import type { PoolId, TaskId, VmId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { systemActor, type Task } from "../model/records.ts";
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

describe("what is said once while it lasts", () => {
  const told = (leader: ManagerRig, type: string): number =>
    commits(leader).filter(({ events }) => events.some((one) => one.type === type)).length;

  /** How often it is said in 30 s, in each of which something comes up to be placed. */
  function sayings(records: Records, type: string, each: (second: number) => void): number {
    const leader = new ManagerRig(records);
    beat(records);
    leader.leads();
    let count = told(leader, type);
    const answer = (): void => {
      for (const one of commits(leader)) {
        for (const write of one.transaction.writes)
          if (write.kind === "put") records.put(write.key, JSON.parse(write.text));
        leader.tell({ kind: "commit-ended", id: one.id, end: leader.committed() });
        count += told(leader, type);
      }
    };
    answer();
    for (let second = 0; second < 30; second++) {
      each(second);
      beat(records);
      for (let quarter = 0; quarter < 4; quarter++) {
        leader.wait(250);
        count += told(leader, type);
        answer();
      }
    }
    return count;
  }

  test("[PL4] that figures are missing, however often something is placed", () => {
    const records = wanted(1);
    records.put(keys.policy, { schema: 1, hostReserveMiB: 0, scheduler: { mode: "dynamic" } });
    const next = (second: number): void => {
      if (second % 5 === 0) records.put(keys.vm(vmId(`w${second}`)), vm(`w${second}`));
    };
    expect(sayings(records, "scheduler-falls-back", next)).toBe(1);
  });

  test("[HM3] that a VM cannot leave, also where its host is not heard now and then", () => {
    const records = wanted(0, 0)
      .put(keys.vm(vmId("web")), vm("web"))
      .put(keys.owner(vmId("web")), held("h1", 1, 4))
      .put(keys.vmStatus(vmId("web")), status("h1", 1, 4, "running"))
      .put(keys.maintenance(host("h1")), { schema: 1, by: systemActor, reason: "", at: 0 });
    // Between two looks it is restarted in place.
    const flaps = (second: number): void => {
      const phase = second % 3 === 0 ? "starting" : "running";
      records.put(keys.vmStatus(vmId("web")), status("h1", 1, 4, phase));
    };
    expect(sayings(records, "vm-cannot-leave", flaps)).toBe(1);
  });

  test("[HM1] why a VM starts nowhere, and again to whoever orders its start meanwhile", () => {
    const records = wanted(1, 1);
    const at = 0 as Task["at"];
    const task = { schema: 1, kind: "start-vm", vm: vmId("v1000"), actor: systemActor, percent: 0, at, to: null };
    const orders = (second: number): void => {
      if (second === 5) records.put(keys.task("first" as TaskId), { ...task, id: "first", end: null });
      if (second === 10) records.put(keys.task("second" as TaskId), { ...task, id: "second", end: null });
      const end = { kind: "failed", code: "superseded", params: {}, at };
      if (second === 15) records.put(keys.task("first" as TaskId), { ...task, id: "first", end });
    };
    expect(sayings(records, "vm-nowhere", () => {})).toBe(1);
    expect(sayings(records, "vm-nowhere", orders)).toBe(3);
  });

  test("[PL5] no VM that could be moved for the balance is told of as given up", () => {
    const records = wanted(0);
    const autoRebalance = { enabled: true, threshold: 0.01, method: "bruteforce", margin: 0, holdMs: 1 };
    records.put(keys.policy, { schema: 1, hostReserveMiB: 0, scheduler: { mode: "static", autoRebalance } });
    for (const name of ["a", "b", "c"]) {
      records.put(keys.vm(vmId(name)), vm(name)).put(keys.owner(vmId(name)), held("h1", 1, 4));
      records.put(keys.vmStatus(vmId(name)), status("h1", 1, 4, "running"));
      const failedMoves = { count: 9, to: host("h2"), code: "vm-did-not-stop" };
      records.put(keys.vmPlan(vmId(name)), plan({ failedMoves }));
    }
    expect(sayings(records, "vm-move-given-up", () => {})).toBe(0);
  });
});

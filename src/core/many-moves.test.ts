import { describe, expect, test } from "vitest";
import { knowledge, none, written } from "../../test/support/decision-rig.ts";
import {
  fence,
  held,
  host,
  incarnation,
  move,
  plan,
  pool,
  Records,
  status,
  vm,
  vmId,
} from "../../test/support/records.ts";
import { onHosts, ruleId, together } from "../../test/support/rules.ts";
import type { PoolId, TaskId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { defaultPolicy } from "../model/policy.ts";
import { systemActor } from "../model/records.ts";
import { decideTasks } from "./decide-tasks.ts";
import { decideVms } from "./decide-vms.ts";
import type { Decided } from "./decision.ts";
import { limits } from "./limits.ts";

const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `v${100 + n}`);

/** So many VMs run on h1; h2 and h3 have room for all of them. */
function running(count: number): Records {
  const records = new Records().put(keys.pool("shared" as PoolId), pool("shared", "replicated"));
  for (const name of ["h1", "h2", "h3"]) records.host(name, 1, { memoryForVmsMiB: 1_000_000 });
  for (const name of names(count)) {
    records.put(keys.vm(vmId(name)), vm(name)).put(keys.owner(vmId(name)), held("h1", 1, 4));
    records.put(keys.vmStatus(vmId(name)), status("h1", 1, 4, "running"));
  }
  return records;
}

const decide = (records: Records, busy: ReadonlySet<string> = none): Decided =>
  decideVms(records.view, knowledge(records), [], busy);
const order = (name: string, to: string) => ({
  schema: 1,
  vm: vmId(name),
  order: { kind: "relocate", to: host(to) },
  actor: systemActor,
  at: 0,
});
const moved = ({ decisions }: Decided): string[] =>
  decisions.flatMap(({ transaction }) =>
    transaction.writes.flatMap(({ kind, key }) => (kind === "put" && key.endsWith("/move/") ? [key] : [])),
  );

describe("many at once", () => {
  test("[S8] orders, ends of moves and returns keep to what one round may ask for; the rest is looked at later", () => {
    const orders = running(100);
    const ended = running(100);
    const returned = running(100);
    for (const name of names(100)) {
      orders.put(keys.vmOrder(vmId(name)), order(name, "h2"));
      ended.put(keys.vmMove(vmId(name)), move(name, "h2", "h1"));
      returned.put(keys.vmPlan(vmId(name)), plan({ returnTo: host("h1") }));
    }
    for (const records of [orders, ended, returned]) {
      const decided = decide(records);
      expect(decided.decisions).toHaveLength(limits.decisionsInFlightMax);
      expect(decided.partial).toBe(true);
      expect(decide(records, new Set(names(60))).decisions).toHaveLength(limits.decisionsInFlightMax - 60);
    }
  });

  test("[S8] tasks have what the others leave them", () => {
    const records = running(0);
    for (const name of names(9)) {
      const task = { schema: 1, id: `task-${name}`, actor: systemActor, kind: "start-vm", vm: vmId(name), to: null };
      records.put(keys.task(task.id as TaskId), { ...task, percent: 0, end: null, at: 0 });
    }
    for (const room of [20, 5, 0, -3])
      expect(decideTasks(records.view, knowledge(records), [], room)).toHaveLength(Math.max(0, Math.min(9, room)));
  });

  test("[S10] what a lost host held is recovered before any order is carried out", () => {
    const records = running(3);
    for (const name of names(100).slice(3)) records.put(keys.vm(vmId(name)), vm(name, { requested: "stopped" }));
    for (const name of names(100).slice(3)) records.put(keys.vmOrder(vmId(name)), order(name, "h2"));
    records.put(keys.fence(host("h1"), incarnation(1)), fence());
    const { decisions } = decide(records);
    expect(decisions.slice(0, 3).map(({ subject }) => subject)).toEqual(names(3).map(vmId));
    for (const name of names(3)) expect(written({ decisions } as Decided, keys.owner(vmId(name)))).toBeDefined();
  });
});

describe("VMs that nobody ordered away", () => {
  test("[HM2] leave a host a few at a time, and the next ones as the first have gone", () => {
    const records = running(10);
    for (const name of names(10)) records.put(keys.rule(ruleId(name)), onHosts(name, name, "h2:2 h1:1"));
    const first = decide(records);
    expect(moved(first)).toHaveLength(defaultPolicy.movesPerHostMax);
    for (const { transaction } of first.decisions)
      for (const write of transaction.writes) if (write.kind === "put") records.put(write.key, JSON.parse(write.text));
    expect(moved(decide(records))).toEqual([]);
    // Two have let theirs go and are placed.
    for (const name of names(2)) records.put(keys.owner(vmId(name)), held("h2", 1, 5));
    expect(moved(decide(records))).toHaveLength(2);
  });

  test("[HM3] a host in maintenance is emptied without that bound: a person asked for it", () => {
    const records = running(10).put(keys.maintenance(host("h1")), { schema: 1, by: systemActor, reason: "", at: 0 });
    expect(moved(decide(records))).toHaveLength(10);
  });
});

describe("a VM that left a host for its maintenance", () => {
  const web = "v100";
  const back = (records: Records): string[] => moved(decide(records));
  const away = (): Records => {
    const records = running(2).put(keys.owner(vmId(web)), held("h3", 1, 4));
    records.put(keys.vmStatus(vmId(web)), status("h3", 1, 4, "running"));
    return records.put(keys.vmPlan(vmId(web)), plan({ returnTo: host("h1") }));
  };

  test("[HM3] goes back where nothing speaks against it", () => {
    expect(back(away())).toEqual([keys.vmMove(vmId(web))]);
  });

  test("[HM3, PL2] stays where a rule has it by now, without forgetting where it came from", () => {
    const records = away().put(keys.rule(ruleId("home")), onHosts("home", web, "h3:2 h1:1"));
    expect(decide(records).decisions).toEqual([]);
  });

  test("[HM3, PL2] stays with what it belongs together with", () => {
    const records = away().put(keys.owner(vmId("v101")), held("h3", 1, 4));
    records.put(keys.vmStatus(vmId("v101")), status("h3", 1, 4, "running"));
    records.put(keys.rule(ruleId("site")), together("site", `${web} v101`));
    expect(decide(records).decisions).toEqual([]);
  });

  test("[HM3] remembers the first host that it left, however it came on", () => {
    const records = away().put(keys.maintenance(host("h3")), { schema: 1, by: systemActor, reason: "", at: 0 });
    const released = { schema: 1, kind: "released", host: host("h3"), epoch: 4, failed: null, failedHosts: [] };
    records
      .put(keys.owner(vmId(web)), released)
      .put(keys.maintenance(host("h1")), records.view.maintenances.get(host("h3"))?.value ?? {});
    const decided = decide(records);
    expect(written(decided, keys.vmMove(vmId(web)))).toMatchObject({ from: "h3", to: "h2" });
    expect(written(decided, keys.vmPlan(vmId(web)))).toBeUndefined();
  });
});

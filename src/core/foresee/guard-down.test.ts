import { describe, expect, test } from "vitest";
import {
  facts,
  fence,
  heartbeat,
  held,
  host,
  incarnation,
  pool,
  Records,
  status,
  vm,
  vmId,
} from "../../../test/support/records.ts";
import type { PoolId, RuleId, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { systemActor } from "../../model/records.ts";
import { planSetVm } from "../requests/change-vm.ts";
import type { Planned } from "../requests/plan.ts";
import { planAddRule, planRemoveRule, planSetRule } from "../requests/rules.ts";
import { guardEdit } from "./guard.ts";

const asked = { actor: systemActor, at: 0 as WallMs };
const all = ["h1", "h2", "h3"];
const loc = vmId("loc");

/** Three hosts with room for everything, and a VM whose disk lies in the pool that h3 has for itself: it is wanted, and down. */
function cluster(): Records {
  const records = new Records().put(keys.policy, { schema: 1, hostReserveMiB: 512 });
  records.put(keys.pool("own" as PoolId), pool("own", "local-dir"));
  records.put(keys.pool("shared" as PoolId), pool("shared", "replicated"));
  const pools = ["own", "shared"].map((name) => ({
    pool: name as PoolId,
    capacityMiB: 9_000,
    freeMiB: 9_000,
    unfit: null,
  }));
  for (const name of all)
    records.host(name).put(keys.hostFacts(host(name)), facts({ memoryMiB: 2_048, memoryForVmsMiB: 1_536, pools }));
  records.put(keys.vm(loc), vm("loc", { memoryMiB: 100, pool: "own" }));
  return records.put(keys.owner(loc), {
    ...{ schema: 1, kind: "released", host: "h3", epoch: 3, failed: null, failedHosts: [] },
  });
}

/** Keeps loc off its only host. */
function withNoth3(records: Records): Records {
  return records.put(keys.rule("noth3" as RuleId), {
    ...{ schema: 1, id: "noth3", enabled: true, comment: "", createdAt: 0, kind: "host-affinity", strict: true },
    ...{ vms: [loc], hosts: ["h1", "h2"].map((name) => ({ host: name, priority: 0 })) },
  });
}

/** A VM that finds another host wherever it is. */
function withWeb(records: Records, on: string, memoryMiB = 600): Records {
  const web = vmId("web");
  records.put(keys.vm(web), vm("web", { memoryMiB })).put(keys.owner(web), held(on, 1, 1));
  return records.put(keys.vmStatus(web), status(on, 1, 1, "running"));
}

function guarded({ view }: Records, planned: Planned, up = all) {
  return guardEdit(view, planned, { edit: "test", accept: false, up: new Set(up.map(host)) }, asked);
}

describe("[FC2] a VM that is wanted and down, and may start by an edit", () => {
  test("the rule that keeps it down is removed without a word of acceptance; what its start costs is told beside it", () => {
    const records = withNoth3(cluster());
    const { planned, note } = guarded(records, planRemoveRule(records.view, "noth3", asked));
    expect(planned.kind).toBe("plan");
    expect(note).toMatchObject({
      rule: "FC2",
      code: "start-bears-less",
      params: { before: 1, after: 0, losing: "h3", vm: "loc", starts: "loc on h3" },
    });
    const off = planSetRule(records.view, { rule: "noth3", enabled: false }, asked);
    expect(guarded(records, off)).toMatchObject({ planned: { kind: "plan" }, note: { code: "start-bears-less" } });
  });

  test("nobody wants it: it does not start, and nothing is told", () => {
    const records = withNoth3(cluster());
    records.put(keys.vm(loc), vm("loc", { memoryMiB: 100, pool: "own", requested: "stopped" }));
    const { planned, note } = guarded(records, planRemoveRule(records.view, "noth3", asked));
    expect([planned.kind, note]).toEqual(["plan", null]);
  });

  test("held by a life of its host that is over, it is down as well", () => {
    const records = withNoth3(cluster()).put(keys.owner(loc), held("h3", 1, 3));
    const back = { schema: 1, incarnation: 2, nonce: "n2", machine: "h3", registeredAt: 0 };
    records.put(keys.host(host("h3")), back).put(keys.heartbeat(host("h3"), incarnation(2)), heartbeat());
    records.put(keys.fence(host("h3"), incarnation(1)), fence());
    const { planned, note } = guarded(records, planRemoveRule(records.view, "noth3", asked));
    expect([planned.kind, note?.code, note?.params["starts"]]).toEqual(["plan", "start-bears-less", "loc on h3"]);
  });

  test("what the same edit takes from a VM that runs is refused as ever, before it moves and after", () => {
    const records = withWeb(withNoth3(cluster()), "h1");
    const pinned = (on: string) => {
      const hosts = [{ host: on, priority: 0 }];
      return planSetRule(records.view, { rule: "noth3", vms: ["web"], hosts }, asked);
    };
    expect(guarded(records, pinned("h1")).planned).toMatchObject({
      ...{ kind: "refused", code: "edit-bears-less", params: { losing: "h1", vm: "web" } },
    });
    const refused = guarded(records, pinned("h2"));
    expect(refused).toMatchObject({ planned: { code: "edit-then-bears-less", params: { losing: "h2", vm: "web" } } });
    expect([refused.note, refused.planned.kind === "refused" && refused.planned.params["more"]]).toEqual([null, 0]);
    const accepted = guardEdit(
      records.view,
      pinned("h2"),
      { edit: "test", accept: true, up: new Set(all.map(host)) },
      asked,
    );
    expect(accepted).toMatchObject({
      planned: { kind: "plan" },
      note: { code: "start-strands-vms", params: { vms: "loc" } },
    });
  });

  test("too large for its host until now, it takes the room that another VM would have had: its start alone does", () => {
    const records = withWeb(cluster(), "h1", 1_300);
    records.put(keys.hostFacts(host("h2")), facts({ memoryMiB: 1_800, memoryForVmsMiB: 1_288 }));
    records.put(keys.vm(loc), vm("loc", { memoryMiB: 1_600, pool: "own" }));
    const smaller = planSetVm(records.view, { vm: "loc", memoryMiB: 300 }, asked);
    expect(guarded(records, smaller)).toMatchObject({
      planned: { kind: "plan" },
      note: { params: { starts: "loc on h3" } },
    });
    // One that nobody wants does not start, so that nothing is told of a start: it is judged as if it ran.
    records.put(keys.vm(loc), vm("loc", { memoryMiB: 1_600, pool: "own", requested: "stopped" }));
    expect(guarded(records, planSetVm(records.view, { vm: "loc", memoryMiB: 300 }, asked)).planned.kind).toBe(
      "refused",
    );
  });
});

describe("[FC2] a VM that is stranded with its host, wherever it is", () => {
  test("goes to another host by a preference: it takes its risk along, and no more is lost than before", () => {
    const records = withWeb(cluster(), "h1");
    records.put(keys.owner(loc), held("h2", 1, 3)).put(keys.vmStatus(loc), status("h2", 1, 3, "running"));
    const near = { rule: "near", vms: ["loc"], enabled: true, comment: "", kind: "host-affinity" as const };
    const hosts = [{ host: "h1", priority: 0 }];
    const edit = planAddRule(records.view, { ...near, hosts, strict: false }, asked);
    expect(guarded(records, edit)).toMatchObject({ planned: { kind: "plan" }, note: null });
    // The same for one that was not stranded: it is.
    const pinned = { ...near, rule: "pinned", vms: ["web"], hosts: [{ host: "h2", priority: 0 }], strict: true };
    const refused = guarded(records, planAddRule(records.view, pinned, asked)).planned;
    expect(refused).toMatchObject({
      kind: "refused",
      code: "edit-then-strands-vms",
      params: { losing: "h2", vms: "web" },
    });
  });
});

describe("[FC2] a VM that is down and waits for its host", () => {
  const only = (records: Records, hosts: readonly string[]): Planned => {
    const wanted = hosts.map((name) => ({ host: name, priority: 0 }));
    const rule = { rule: "noth3", vms: ["loc"], enabled: true, comment: "", hosts: wanted, strict: true };
    return planAddRule(records.view, { ...rule, kind: "host-affinity" }, asked);
  };

  test("an edit that forbids it that host says so, whether the host is silent, fenced or in maintenance", () => {
    const would = { kind: "refused", code: "edit-vm-starts-nowhere", params: { vm: "loc", host: "h3", more: 0 } };
    const records = cluster();
    expect(guarded(records, only(records, ["h1", "h2"]), ["h1", "h2"]).planned).toMatchObject(would);
    expect(guarded(records, only(records, ["h2", "h3"]), ["h1", "h2"]).planned.kind).toBe("plan");
    const held3 = cluster()
      .put(keys.owner(loc), held("h3", 1, 3))
      .put(keys.fence(host("h3"), incarnation(1)), fence());
    expect(guarded(held3, only(held3, ["h1", "h2"]), ["h1", "h2"]).planned).toMatchObject(would);
    const left = cluster().put(keys.maintenance(host("h3")), { schema: 1, by: systemActor, reason: "", at: 0 });
    expect(guarded(left, only(left, ["h1", "h2"])).planned).toMatchObject(would);
  });

  test("one that could start nowhere before is none that the edit keeps down", () => {
    const records = withNoth3(cluster());
    const hosts = [{ host: "h1", priority: 0 }];
    const edit = planSetRule(records.view, { rule: "noth3", hosts }, asked);
    expect(guarded(records, edit, ["h1", "h2"]).planned.kind).toBe("plan");
  });
});

import { describe, expect, test } from "vitest";
import { facts, held, host, member, pool, Records, status, vm, vmId } from "../../../test/support/records.ts";
import type { PoolId, RuleId, TaskId, VmId, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { systemActor } from "../../model/records.ts";
import { planSetPolicy } from "../requests/change-policy.ts";
import { planSetVm } from "../requests/change-vm.ts";
import type { Planned } from "../requests/plan.ts";
import { planStartVm } from "../requests/power.ts";
import { planAddRule, planRemoveRule } from "../requests/rules.ts";
import { guardEdit, whatStartBreaks } from "./guard.ts";

const asked = { actor: systemActor, at: 0 as WallMs };
const up = new Set(["h1", "h2", "h3"].map(host));

/** Three hosts of 1536 MiB for VMs, each with one of 600: any one may be lost. */
function cluster(): Records {
  const records = new Records().put(keys.policy, { schema: 1, hostReserveMiB: 512 });
  records.put(keys.pool("shared" as PoolId), pool("shared", "replicated"));
  for (const name of ["h1", "h2", "h3"]) {
    records.host(name).put(keys.hostFacts(host(name)), facts({ memoryMiB: 2_048, memoryForVmsMiB: 1_536 }));
    const id = vmId(`on-${name}`);
    records.put(keys.vm(id), vm(`on-${name}`, { memoryMiB: 600 })).put(keys.owner(id), held(name, 1, 1));
    records.put(keys.vmStatus(id), status(name, 1, 1, "running"));
  }
  return records.put(keys.vm(vmId("spare")), vm("spare", { memoryMiB: 100, requested: "stopped" }));
}

function guarded({ view }: Records, planned: Planned, accept = false): Planned {
  return guardEdit(view, planned, { edit: "test", accept, up }, asked).planned;
}

function onlyOn(records: Records, strict: boolean, ...hosts: readonly string[]): Planned {
  const wanted = hosts.map((name) => ({ host: name, priority: 0 }));
  const rule = { rule: "pinned", vms: ["on-h1"], enabled: true, comment: "", hosts: wanted, strict };
  return planAddRule(records.view, { ...rule, kind: "host-affinity" }, asked);
}

describe("[FC2] an edit that would break what the cluster bears", () => {
  test("a strict rule that leaves a VM without a second host is refused, and nothing would be written", () => {
    const records = cluster();
    expect(guarded(records, onlyOn(records, true, "h1"))).toMatchObject({
      kind: "refused",
      code: "edit-bears-less",
      params: { before: 1, after: 0, losing: "h1", vm: "on-h1", more: 0 },
    });
    expect(guarded(records, onlyOn(records, false, "h1")).kind).toBe("plan");
    expect(guarded(records, onlyOn(records, true, "h1", "h2")).kind).toBe("plan");
  });

  test("a strict rule that first has the VM moved: what counts is where it is then, and which move it is", () => {
    const records = cluster();
    const edit = onlyOn(records, true, "h2");
    expect(guarded(records, edit)).toMatchObject({
      kind: "refused",
      code: "edit-then-bears-less",
      params: { before: 1, after: 0, losing: "h2", vm: "on-h1", moves: "on-h1 from h1 to h2", starts: "", more: 0 },
    });
    const accepted = guarded(records, edit, true);
    expect(accepted.kind === "plan" && accepted.events.map(({ type }) => type)).toEqual([
      "rule-added",
      "edit-accepted",
    ]);
    // With a second host to go to it may.
    expect(guarded(records, onlyOn(records, true, "h2", "h3")).kind).toBe("plan");
    expect(guarded(records, onlyOn(records, false, "h2")).kind).toBe("plan");
    // Disarmed it does not go yet, and would as soon as somebody arms the cluster.
    records.put(keys.disarm, { schema: 1, mode: "freeze", by: systemActor, at: 0 });
    expect(guarded(records, onlyOn(records, true, "h2"))).toMatchObject({ code: "edit-then-bears-less" });
  });

  test("what would move without it as well is no fault of the edit", () => {
    const records = cluster();
    const pinned = {
      ...{ schema: 1, id: "pinned", enabled: true, comment: "", createdAt: 0, kind: "host-affinity", strict: true },
      ...{ vms: [vmId("on-h1")], hosts: [{ host: "h2", priority: 0 }] },
    };
    records.put(keys.rule("pinned" as RuleId), pinned);
    const beside = { rule: "beside", vms: ["on-h3"], enabled: true, comment: "", strict: false };
    const hosts = [{ host: "h3", priority: 0 }];
    expect(
      guarded(records, planAddRule(records.view, { ...beside, kind: "host-affinity", hosts }, asked)).kind,
      "on-h1 is on its way to h2 anyway",
    ).toBe("plan");
  });

  test("nobody is there who could carry anything out: nothing is foreseen", () => {
    const records = cluster();
    const edit = onlyOn(records, true, "h2");
    expect(guardEdit(records.view, edit, { edit: "test", accept: false, up: new Set() }, asked).planned.kind).toBe(
      "plan",
    );
  });

  test("a VM that is at risk already hides nothing: each host that may be lost is looked at, VM by VM", () => {
    const records = cluster();
    // Its disk lies on h2 alone: of three hosts none may be lost any more.
    records.put(keys.pool("own" as PoolId), pool("own", "local-dir"));
    const loc = vmId("loc");
    records.put(keys.vm(loc), vm("loc", { memoryMiB: 50, pool: "own" }));
    records.put(keys.owner(loc), { ...held("h2", 1, 1), liesOn: host("h2") });
    records.put(keys.vmStatus(loc), status("h2", 1, 1, "running"));
    expect(guarded(records, onlyOn(records, true, "h1"))).toMatchObject({
      kind: "refused",
      code: "edit-strands-vms",
      params: { losing: "h1", vms: "on-h1", more: 0 },
    });
    expect(guarded(records, onlyOn(records, false, "h1")).kind).toBe("plan");
    // Neither h1 nor h3 could be lost with that much kept for the hosts; h2 was at risk for loc alone.
    const planned = guarded(records, planSetPolicy(records.view, { hostReserveMiB: 1_024 }, asked), true);
    const reason = planned.kind === "plan" ? planned.events.find(({ type }) => type === "edit-accepted") : undefined;
    expect([reason?.reason, ...(reason?.alternatives ?? []).map(({ why }) => why)]).toMatchObject([
      { code: "edit-strands-vms", params: { losing: "h1", vms: "on-h1" } },
      { code: "edit-strands-vms", params: { losing: "h2", vms: "on-h2" } },
      { code: "edit-strands-vms", params: { losing: "h3", vms: "on-h3" } },
    ]);
  });

  test("accepted, it is carried out, and the record says what was accepted and by whom", () => {
    const records = cluster();
    const planned = guarded(records, onlyOn(records, true, "h1"), true);
    if (planned.kind !== "plan") throw new Error(planned.code);
    expect(planned.events.map(({ type }) => type)).toEqual(["rule-added", "edit-accepted"]);
    expect(planned.events[1]).toMatchObject({
      params: { edit: "test", breaks: 1 },
      reason: { rule: "FC2", code: "edit-bears-less" },
      actor: systemActor,
    });
    const harmless = guarded(records, onlyOn(records, false, "h1"), true);
    expect(harmless.kind === "plan" && harmless.events.map(({ type }) => type)).toEqual(["rule-added"]);
  });

  test("memory that is kept for the hosts is missing to the VMs; one with a figure of its own keeps it", () => {
    const records = cluster();
    const plan = () => planSetPolicy(records.view, { hostReserveMiB: 1_024 }, asked);
    expect(guarded(records, plan())).toMatchObject({ code: "edit-bears-less", params: { before: 1, after: 0 } });
    for (const name of ["h1", "h2", "h3"])
      records.put(keys.hostFacts(host(name)), facts({ memoryMiB: 2_048, memoryForVmsMiB: 1_400 }));
    expect(guarded(records, plan()).kind).toBe("plan");
  });

  test("facts that were read before the last change of the reserve say themselves whose figure it is", () => {
    const records = cluster();
    const say = (memoryIsConfigured: boolean) => {
      for (const name of ["h1", "h2", "h3"])
        records.put(
          keys.hostFacts(host(name)),
          facts({ memoryMiB: 2_048, memoryForVmsMiB: 1_536, memoryIsConfigured }),
        );
    };
    const plan = () => planSetPolicy(records.view, { hostReserveMiB: 1_024 }, asked);
    // By chance what the reserve leaves.
    say(true);
    expect(guarded(records, plan()).kind).toBe("plan");
    records.put(keys.policy, { schema: 1, hostReserveMiB: 500 });
    say(false);
    expect(guarded(records, plan())).toMatchObject({ code: "edit-bears-less", params: { before: 1, after: 0 } });
  });

  test("[S15] links for moves of which two hosts have none in common: which hosts, and how many pairs beside them", () => {
    const records = cluster();
    const link = (kind: "migration" | "management", net: number, id: number) => {
      return { kind, address: `10.0.${net}.${id}`, subnet: `10.0.${net}.0/24` };
    };
    for (const id of [1, 2, 3]) {
      const links = [link("management", 1, id), ...(id < 3 ? [link("migration", 2, id)] : [])];
      records.put(keys.member(host(`h${id}`)), member(`h${id}`, { links }));
    }
    const only = (...links: string[]) => planSetPolicy(records.view, { migration: { links } }, asked);
    expect(guarded(records, only("migration"))).toMatchObject({
      code: "edit-no-link-for-moves",
      params: { host: "h1", other: "h3", pairs: 1, more: 0 },
    });
    expect(guarded(records, only("migration"), true).kind).toBe("plan");
    expect(guarded(records, only("migration", "management")).kind).toBe("plan");
  });

  test("that fewer losses are asked for breaks nothing", () => {
    const records = cluster();
    const plan = planSetPolicy(records.view, { wantedHostLosses: 0 }, asked);
    expect(guarded(records, plan).kind).toBe("plan");
  });

  test("a VM that would fit nowhere any more, though nobody runs it", () => {
    const records = cluster();
    const grown = (memoryMiB: number) => planSetVm(records.view, { vm: "spare", memoryMiB }, asked);
    expect(guarded(records, grown(1_000))).toMatchObject({ code: "edit-vm-fits-nowhere", params: { vm: "spare" } });
    expect(guarded(records, grown(900)).kind).toBe("plan");
    expect(grown(9_000)).toMatchObject({ code: "vm-memory-too-large" });
    expect(planSetVm(records.view, { vm: "on-h1", memoryMiB: 700 }, asked)).toMatchObject({
      code: "vm-size-while-held",
    });
  });

  test("a stopped VM's new size is judged with it started, in its old size and in its new one", () => {
    const records = cluster();
    const edit = (more: object) => planSetVm(records.view, { vm: "spare", ...more }, asked);
    // There is room for it beside any of them.
    expect(guarded(records, edit({ memoryMiB: 936 }))).toMatchObject({ kind: "plan" });
    for (const name of ["h2", "h3"])
      records.put(keys.hostFacts(host(name)), facts({ memoryMiB: 1_812, memoryForVmsMiB: 1_300 }));
    expect(guarded(records, edit({ memoryMiB: 650 })).kind).toBe("plan");
    const refused = guarded(records, edit({ memoryMiB: 750 }));
    expect(refused).toMatchObject({ code: "edit-then-bears-less", params: { before: 1, after: 0, losing: "h1" } });
    expect(refused).toMatchObject({ params: { starts: "spare on h1", vm: "spare", moves: "" } });
    expect(guarded(records, edit({ memoryMiB: 750 }), true).kind).toBe("plan");
    expect(guarded(records, edit({ memoryMiB: 750, requested: "started" }))).toMatchObject({
      code: "edit-then-bears-less",
    });
    // One that nobody manages is nobody's business here.
    expect(guarded(records, edit({ memoryMiB: 750, requested: "ignored" })).kind).toBe("plan");
    // With it started the cluster bears as little in its old size.
    records.put(keys.vm(vmId("spare")), vm("spare", { memoryMiB: 740, requested: "disabled" }));
    expect(guarded(records, edit({ memoryMiB: 750 })).kind).toBe("plan");
  });

  test("a stopped VM's new processor is judged as a new size is", () => {
    const records = cluster();
    for (const name of ["h1", "h2", "h3"]) {
      const models = { Westmere: [], EPYC: name === "h1" ? [] : ["svm"] };
      const guestCpu = { vendor: "GenuineIntel", flags: [], models };
      records.put(keys.hostFacts(host(name)), facts({ memoryMiB: 2_048, memoryForVmsMiB: 1_536, guestCpu }));
    }
    const edit = (cpuModel: string) => planSetVm(records.view, { vm: "spare", cpuModel }, asked);
    expect(guarded(records, edit("Westmere")).kind).toBe("plan");
    expect(guarded(records, edit("EPYC"))).toMatchObject({
      code: "edit-then-bears-less",
      params: { losing: "h1", vm: "spare", starts: "spare on h1" },
    });
    expect(guarded(records, edit("EPYC"), true).kind).toBe("plan");
  });

  test("a start is never refused for it; whoever orders it is told what it costs", () => {
    const records = cluster();
    for (const name of ["h2", "h3"])
      records.put(keys.hostFacts(host(name)), facts({ memoryMiB: 1_812, memoryForVmsMiB: 1_300 }));
    const { view } = records.put(keys.vm(vmId("spare")), vm("spare", { memoryMiB: 750, requested: "stopped" }));
    expect(guarded(records, planSetVm(view, { vm: "spare", requested: "started" }, asked)).kind).toBe("plan");
    const start = planStartVm(view, "spare", "task:1" as TaskId, asked);
    if (start.kind !== "plan") throw new Error(start.code);
    expect(whatStartBreaks(view, start.transaction, up, asked.at)).toMatchObject({
      rule: "FC2",
      code: "start-bears-less",
      params: { before: 1, after: 0, losing: "h1", vm: "spare", starts: "spare on h1" },
    });
    expect(whatStartBreaks(view, start.transaction, new Set(), asked.at)).toBeUndefined();
    records.put(keys.vm(vmId("spare")), vm("spare", { memoryMiB: 600, requested: "stopped" }));
    const small = planStartVm(view, "spare", "task:1" as TaskId, asked);
    if (small.kind !== "plan") throw new Error(small.code);
    expect(whatStartBreaks(view, small.transaction, up, asked.at)).toBeUndefined();
  });

  test("a rule less breaks nothing", () => {
    const records = cluster();
    const rule = {
      schema: 1,
      id: "pinned",
      enabled: true,
      comment: "",
      createdAt: 0,
      kind: "host-affinity",
      strict: true,
    };
    const vms: VmId[] = [vmId("on-h1")];
    records.put(keys.rule("pinned" as RuleId), { ...rule, vms, hosts: [{ host: "h1", priority: 0 }] });
    expect(guarded(records, planRemoveRule(records.view, "pinned", asked)).kind).toBe("plan");
  });
});

import { expect, test } from "vitest";
import { hostWith } from "../../test/support/agent-rig.ts";
import { cluster, judge, knowledge, none, written } from "../../test/support/decision-rig.ts";
import { asked, newTaskId } from "../../test/support/planned.ts";
import { fence, host, incarnation, plan, status, vm, vmId } from "../../test/support/records.ts";
import { onHosts, ruleId } from "../../test/support/rules.ts";
import { decideFences } from "../core/decide-fences.ts";
import { decideLosses } from "../core/decide-losses.ts";
import { decideVms } from "../core/decide-vms.ts";
import { planMaintenance } from "../core/requests/change-host.ts";
import { planMoveVm } from "../core/requests/move.ts";
import { planStartVm } from "../core/requests/power.ts";
import { keys } from "../model/keys.ts";
import { whyEnding } from "./ending.ts";

const newer = { schema: 2 };

test.each([keys.maintenance, keys.hostMode])(
  "[PL1] no VM is placed on a host whose record is of a newer version",
  (key) => {
    const records = cluster("replicated", null);
    const place = () => written(decideVms(records.view, knowledge(records), [], none), keys.owner(vmId("web")));
    records.put(key(host("h1")), newer).put(key(host("h2")), newer);
    expect(place()).toMatchObject({ host: "h3" });
    records.put(key(host("h3")), newer);
    expect(place()).toBeUndefined();
  },
);

test("[HM6] losses of a newer version are not written over", () => {
  const records = cluster("replicated").put(keys.fence(host("h1"), incarnation(1)), fence());
  expect(decideLosses(records.view, knowledge(records), [])).toHaveLength(1);
  records.put(keys.hostLosses(host("h1")), newer);
  expect(decideLosses(records.view, knowledge(records), [])).toEqual([]);
});

test("[HM5] what disarms the cluster in words of a newer version keeps agents from stopping VMs", () => {
  const records = hostWith(1).put(keys.vm(vmId("web")), vm("web", { requested: "stopped" }));
  expect(whyEnding(records.view, vmId("web"), host("h1"))).toBe("unwanted");
  records.put(keys.disarm, newer);
  expect(whyEnding(records.view, vmId("web"), host("h1"))).toBeUndefined();
});

test("[PL2] nothing that runs follows the rules while one of them, or the policy, is of a newer version", () => {
  for (const key of [keys.rule(ruleId("other")), keys.policy]) {
    const records = cluster("replicated").put(keys.vmStatus(vmId("web")), status("h1", 1, 4, "running"));
    records.put(keys.rule(ruleId("home")), onHosts("home", "web", "h2:2 h1:1"));
    const moved = () => written(decideVms(records.view, knowledge(records), [], none), keys.vmMove(vmId("web")));
    expect(moved()).toMatchObject({ to: "h2" });
    records.put(key, newer);
    expect(moved()).toBeUndefined();
  }
});

test("[HM5] what disarms the cluster in words of a newer version keeps managers from fencing, placing and moving", () => {
  const lost = cluster("replicated");
  const known = knowledge(lost, { h1: 60_000 });
  const free = cluster("replicated", null);
  expect(decideFences(lost.view, known, judge).decisions).toHaveLength(1);
  expect(decideVms(free.view, knowledge(free), [], none).decisions).toHaveLength(1);
  for (const records of [lost, free]) records.put(keys.disarm, newer);
  expect(decideFences(lost.view, known, judge).decisions).toEqual([]);
  const decided = decideVms(free.view, knowledge(free), [], none);
  expect(decided.decisions).toEqual([]);
  expect(decided.partial, "what was said before still holds").toBe(true);
});

test("[HM5] what disarms the cluster in words of a newer version refuses requests by its name", () => {
  const { view } = cluster("replicated").put(keys.disarm, newer);
  const up = () => "up" as const;
  const plans = [
    planStartVm(view, "web", newTaskId, asked),
    planMoveVm(view, { vm: "web", to: "h2", kind: "migrate" }, newTaskId, asked, up),
    planMaintenance(view, { host: "h1", reason: "" }, asked),
  ];
  for (const planned of plans)
    expect(planned).toMatchObject({ code: "record-unreadable", params: { key: keys.disarm } });
});

test("[HM4] VMs of a host whose announcement is of a newer version are not moved off it", () => {
  const free = { schema: 1, kind: "released", host: host("h1"), epoch: 4, failed: null, failedHosts: [] };
  const records = cluster("replicated").put(keys.owner(vmId("web")), free);
  expect(written(decideVms(records.view, knowledge(records), [], none), keys.owner(vmId("web")))).toMatchObject({
    host: "h1",
  });
  records.put(keys.hostMode(host("h1")), newer);
  const { decisions, notices } = decideVms(records.view, knowledge(records), [], none);
  expect(decisions).toEqual([]);
  expect(notices.map(({ event }) => [event.type, event.reason?.code])).toEqual([
    ["vm-nowhere", "host-record-unreadable"],
  ]);
});

test("[HM3] nothing returns to its host while a rule, or the policy, is of a newer version", () => {
  for (const key of [keys.rule(ruleId("other")), keys.policy]) {
    const records = cluster("replicated").put(keys.vmStatus(vmId("web")), status("h1", 1, 4, "running"));
    records.put(keys.vmPlan(vmId("web")), plan({ returnTo: host("h2") }));
    const moved = () => written(decideVms(records.view, knowledge(records), [], none), keys.vmMove(vmId("web")));
    expect(moved()).toMatchObject({ to: "h2" });
    records.put(key, newer);
    expect(moved()).toBeUndefined();
  }
});

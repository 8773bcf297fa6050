import { expect, test } from "vitest";
import { hostWith } from "../../test/support/agent-rig.ts";
import { cluster, knowledge, none, written } from "../../test/support/decision-rig.ts";
import { fence, host, incarnation, status, vm, vmId } from "../../test/support/records.ts";
import { onHosts, ruleId } from "../../test/support/rules.ts";
import { decideLosses } from "../core/decide-losses.ts";
import { decideVms } from "../core/decide-vms.ts";
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

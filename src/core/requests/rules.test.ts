import { expect, test } from "vitest";
import { host, member, Records, vm, vmId } from "../../../test/support/records.ts";
import { apart, onHosts, ruleId, together } from "../../../test/support/rules.ts";
import type { WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { render } from "../../model/messages/index.ts";
import type { Rule } from "../../model/rules.ts";
import { planDeleteVm } from "./change-vm.ts";
import type { Asked, Planned } from "./plan.ts";
import { type AddRuleRequest, planAddRule, planRemoveRule, planSetRule, ruleLimits } from "./rules.ts";

const asked: Asked = { actor: { name: "root", role: "admin", requestId: "request-1" }, at: 1 as WallMs };

/** Three hosts, a witness, VMs a to e that are stopped, and these rules. */
function cluster(...rules: Rule[]): Records {
  const records = new Records().host("h1").host("h2").host("h3");
  records.put(keys.member(host("w1")), member("w1", { role: "witness" }));
  for (const name of ["a", "b", "c", "d", "e"]) records.put(keys.vm(vmId(name)), vm(name, { requested: "stopped" }));
  for (const rule of rules) records.put(keys.rule(rule.id), rule);
  return records;
}

const plain = { enabled: true, comment: "" };
function keep(affinity: "together" | "apart", rule: string, ...vms: string[]): AddRuleRequest {
  return { ...plain, rule, vms, kind: "vm-affinity", affinity };
}
function on(hosts: Record<string, number>, rule: string, ...vms: string[]): AddRuleRequest {
  const ranked = Object.entries(hosts).map(([name, priority]) => ({ host: name, priority }));
  return { ...plain, rule, vms, kind: "host-affinity", hosts: ranked, strict: true };
}

function codeOf(planned: Planned): string {
  return planned.kind === "refused" ? planned.code : "planned";
}

function written(planned: Planned, key: string): unknown {
  if (planned.kind !== "plan") throw new Error(`refused: ${planned.code}`);
  const write = planned.transaction.writes.find((one) => one.key === key);
  return write?.kind === "put" ? JSON.parse(write.text) : write?.kind;
}

test("a rule is added with ids for names, and everything that it was checked against is compared", () => {
  const { view } = cluster();
  const planned = planAddRule(view, on({ h1: 2, h2: 1 }, "near", "a", "vm:b"), asked);
  expect(written(planned, keys.rule(ruleId("near")))).toEqual({
    ...{
      schema: 1,
      id: "near",
      kind: "host-affinity",
      vms: ["vm:a", "vm:b"],
      enabled: true,
      comment: "",
      createdAt: 1,
    },
    ...{
      hosts: [
        { host: "h1", priority: 2 },
        { host: "h2", priority: 1 },
      ],
      strict: true,
    },
  });
  const compares = planned.kind === "plan" ? planned.transaction.compares : [];
  expect(compares).toEqual([
    { kind: "absent", key: keys.rule(ruleId("near")) },
    { kind: "absent", key: keys.lastRuleEdit },
    { kind: "absent", key: keys.lastVmDeletion },
    { kind: "revision", key: keys.member(host("h1")), revision: view.members.get(host("h1"))?.revision },
    { kind: "revision", key: keys.member(host("h2")), revision: view.members.get(host("h2"))?.revision },
  ]);
  expect(written(planned, keys.lastRuleEdit)).toEqual({ schema: 1, requestId: "request-1" });
});

test.each<[string, AddRuleRequest]>([
  ["rule-name-taken", keep("together", "t", "d", "e")],
  ["vm-unknown", keep("together", "n", "d", "nix")],
  ["rule-vm-twice", keep("together", "n", "d", "vm:d")],
  ["rule-would-be-empty", keep("together", "n")],
  ["host-unknown", on({ h9: 0 }, "n", "d")],
  ["rule-host-is-witness", on({ h1: 0, w1: 0 }, "n", "d")],
  ["rule-without-hosts", on({}, "n", "d")],
  ["rule-needs-two-vms", keep("apart", "n", "d")],
  ["rule-more-vms-than-hosts", keep("apart", "n", "a", "c", "d", "e")],
  ["rule-together-and-apart", keep("apart", "n", "a", "b")],
  ["rule-together-and-apart", keep("together", "n", "c", "d")],
  ["rule-vm-in-two-host-rules", on({ h1: 0 }, "n", "e")],
  ["rule-priorities-beside-vm-rule", on({ h1: 1, h2: 2 }, "n", "a")],
  ["rule-team-in-two-host-rules", keep("together", "n", "b", "e")],
  ["rule-too-few-hosts-to-be-apart", on({ h1: 0 }, "n", "c", "d")],
])("[AF6] %s: refused, and told in words", (code, request) => {
  const rules = [together("t", "a b"), apart("p", "c d"), onHosts("h", "e", "h2"), onHosts("g", "b", "h1 h2")];
  const planned = planAddRule(cluster(...rules).view, request, asked);
  expect(codeOf(planned)).toBe(code);
  const { cause, effect, remedy } = planned.kind === "refused" ? render(code, planned.params) : render("", {});
  for (const text of [cause, effect, remedy]) expect(text).not.toMatch(/\?|\{|undefined|vm:/u);
});

test("[AF6] a chain of existing rules counts: what closes it is refused with the whole chain", () => {
  const { view } = cluster(together("t1", "a b"), together("t2", "c d"), apart("p", "a d"));
  expect(planAddRule(view, keep("together", "t3", "b", "c"), asked)).toEqual({
    kind: "refused",
    code: "rule-together-and-apart",
    params: { together: "t1, t2, t3", apart: "p", vm: "a", other: "d" },
  });
});

test("[AF6] a rule that is off may say what it likes, until it is enabled", () => {
  const records = cluster(together("t", "a b"));
  const off: AddRuleRequest = { ...keep("apart", "p", "a", "b"), enabled: false };
  const planned = planAddRule(records.view, off, asked);
  records.put(keys.rule(ruleId("p")), written(planned, keys.rule(ruleId("p"))) as object);
  expect(codeOf(planSetRule(records.view, { rule: "p", comment: "later" }, asked))).toBe("planned");
  expect(codeOf(planSetRule(records.view, { rule: "p", enabled: true }, asked))).toBe("rule-together-and-apart");
  expect(codeOf(planSetRule(records.view, { rule: "p", enabled: true, vms: ["a", "c"] }, asked))).toBe("planned");
});

test("set changes what is named and keeps the rest", () => {
  const { view } = cluster(together("t", "a b c"), onHosts("h", "d", "h1:2 h2:1"));
  const rule = (request: Parameters<typeof planSetRule>[1]) =>
    written(planSetRule(view, request, asked), keys.rule(ruleId(request.rule)));
  expect(rule({ rule: "t", addVms: ["e"], removeVms: ["a", "vm:b"] })).toMatchObject({ vms: ["vm:c", "vm:e"] });
  expect(rule({ rule: "t", affinity: "apart", comment: "x" })).toMatchObject({ affinity: "apart", comment: "x" });
  expect(rule({ rule: "t", enabled: false })).toMatchObject({ enabled: false, vms: ["vm:a", "vm:b", "vm:c"] });
  expect(rule({ rule: "h", hosts: [{ host: "h3", priority: 5 }] })).toMatchObject({
    hosts: [{ host: "h3", priority: 5 }],
    strict: false,
  });
  expect(rule({ rule: "h", strict: true })).toMatchObject({ strict: true, hosts: [{ priority: 2 }, { priority: 1 }] });
});

test.each<[string, Parameters<typeof planSetRule>[1]]>([
  ["rule-unknown", { rule: "nix", enabled: true }],
  ["rule-nothing-to-change", { rule: "t", enabled: true, vms: ["a", "b"] }],
  ["rule-vm-twice", { rule: "t", addVms: ["a"] }],
  ["rule-vm-not-in-rule", { rule: "t", removeVms: ["c"] }],
  ["vm-unknown", { rule: "t", removeVms: ["nix"] }],
  ["rule-vms-contradict", { rule: "t", vms: ["a"], addVms: ["c"] }],
  ["rule-vms-contradict", { rule: "t", addVms: ["a"], removeVms: ["a"] }],
  ["rule-would-be-empty", { rule: "h", removeVms: ["d"] }],
  ["rule-needs-two-vms", { rule: "t", removeVms: ["a"] }],
  ["rule-setting-of-other-kind", { rule: "t", strict: true }],
  ["rule-setting-of-other-kind", { rule: "t", hosts: [{ host: "h1", priority: 0 }] }],
  ["rule-setting-of-other-kind", { rule: "h", affinity: "apart" }],
  ["host-unknown", { rule: "h", hosts: [{ host: "h9", priority: 0 }] }],
])("[AF6] %s: %j", (code, request) => {
  expect(codeOf(planSetRule(cluster(together("t", "a b"), onHosts("h", "d", "h1")).view, request, asked))).toBe(code);
});

test("[AF6] what failed before may be mended step by step, but nothing may fail anew", () => {
  // As two daemons of different versions, or a restored store, may leave it.
  const { view } = cluster(onHosts("h", "a b", "h1"), onHosts("g", "a b", "h2"), together("t", "d e"));
  expect(codeOf(planSetRule(view, { rule: "h", removeVms: ["a"] }, asked))).toBe("planned");
  expect(codeOf(planSetRule(view, { rule: "t", addVms: ["a"] }, asked))).toBe("rule-team-in-two-host-rules");
  expect(codeOf(planRemoveRule(view, "g", asked))).toBe("planned");
});

test("[AF6] a removal, too, leaves no other rule without a way to be followed", () => {
  const { view } = cluster(apart("p", "a b c"), onHosts("h", "a b", "h1"), onHosts("g", "c", "h1 h2 h3"));
  const planned = planRemoveRule(view, "g", asked);
  expect(planned).toMatchObject({ code: "rule-too-few-hosts-to-be-apart", params: { rule: "p", hosts: "h1" } });
  expect(codeOf(planRemoveRule(view, "p", asked))).toBe("planned");
});

test("[AF6] strict rules that pass the checks but leave VMs that are apart no way are refused, and named", () => {
  const strict = (id: string, vms: string, hosts: string) => onHosts(id, vms, hosts, true);
  const { view } = cluster(
    strict("h", "a", "h1 h2"),
    strict("g", "b c", "h1 h2"),
    strict("f", "d", "h3"),
    together("t", "d e"),
  );
  const planned = planAddRule(view, keep("apart", "p", "a", "b", "e"), asked);
  expect(codeOf(planned)).toBe("planned");
  const records = cluster(
    strict("h", "a", "h1"),
    strict("g", "b", "h1"),
    strict("f", "e", "h2 h3"),
    together("t", "d e"),
  );
  expect(planAddRule(records.view, keep("apart", "p", "a", "b", "e"), asked)).toEqual({
    kind: "refused",
    code: "rule-vms-crowd-on-hosts",
    params: { rule: "p", vms: "a, b", hosts: "h1" },
  });
  // Where it stands already, other edits go on, and the one that mends it does.
  records.put(keys.rule(ruleId("p")), apart("p", "a b e"));
  expect(codeOf(planAddRule(records.view, on({ h1: 0 }, "c", "c"), asked))).toBe("planned");
  expect(codeOf(planSetRule(records.view, { rule: "g", strict: false }, asked))).toBe("planned");
});

test("a rule that cannot be read is neither absent nor overwritten", () => {
  const records = cluster().put(keys.rule(ruleId("new")), { schema: 2, kind: "zone-affinity" });
  expect(codeOf(planAddRule(records.view, keep("together", "new", "a", "b"), asked))).toBe("rule-unreadable");
  expect(codeOf(planRemoveRule(records.view, "new", asked))).toBe("rule-unreadable");
});

test("a VM is in no more rules than one deletion can write", () => {
  const pairs = Array.from({ length: ruleLimits.rulesPerVm }, (_, i) => together(`t${i}`, "a b"));
  const { view } = cluster(...pairs);
  expect(codeOf(planAddRule(view, keep("apart", "p", "a", "c"), asked))).toBe("vm-in-too-many-rules");
  expect(codeOf(planAddRule(view, keep("apart", "p", "d", "c"), asked))).toBe("planned");
  const planned = planDeleteVm(view, "a", asked);
  expect(planned.kind === "plan" && planned.transaction.writes.length).toBeLessThan(100);
});

test("[AF6] a deleted VM leaves its rules, and those that become empty go with it", () => {
  const records = cluster(together("t", "a b"), onHosts("h", "a", "h1"), { ...apart("p", "a c"), enabled: false });
  const planned = planDeleteVm(records.view, "a", asked);
  expect(written(planned, keys.rule(ruleId("t")))).toMatchObject({ vms: ["vm:b"] });
  expect(written(planned, keys.rule(ruleId("p")))).toMatchObject({ vms: ["vm:c"] });
  expect(written(planned, keys.rule(ruleId("h")))).toBe("delete");
  const events = planned.kind === "plan" ? planned.events.map(({ type, params }) => [type, params["rules"]]) : [];
  expect(events).toEqual([
    ["vm-deleted", undefined],
    ["vm-left-rules", "p, t"],
    ["rules-emptied", "h"],
  ]);
});

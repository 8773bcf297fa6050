import { expect, test } from "vitest";
import { host, member, Records, vm, vmId } from "../../../test/support/records.ts";
import { apart, hostSet, onHosts, ruleId, together } from "../../../test/support/rules.ts";
import { keys } from "../../model/keys.ts";
import type { Rule } from "../../model/rules.ts";
import { compileRules, ruleBook } from "./rule-book.ts";

const hosts = hostSet("h1 h2 h3 h4");
const book = (...rules: Rule[]) => compileRules(rules, hosts);
const names = (vms: ReadonlySet<string>) => [...vms].map((id) => id.slice("vm:".length)).sort();

test("[AF5] classes: priority, -1 elsewhere where not strict, nowhere else where strict, 0 without a rule", () => {
  const { classOf, rulesOf } = book(onHosts("soft", "w", "h1:2 h2:1"), onHosts("hard", "x", "h1", true));
  const classes = (name: string) => ["h1", "h2", "h3"].map((id) => classOf(vmId(name), host(id)));
  expect(classes("w")).toEqual([2, 1, -1]);
  expect(classes("x")).toEqual([0, undefined, undefined]);
  expect(classes("y")).toEqual([0, 0, 0]);
  expect([rulesOf(vmId("w")), rulesOf(vmId("y"))]).toEqual([["soft"], []]);
});

test("[AF4] chains of together-rules are merged in full, whatever their order", () => {
  // The known failure of a single pass in order of the lowest VM: {101,105}, {102,103}, {103,105}.
  const { together: mates } = book(together("a", "101 105"), together("b", "102 103"), together("c", "103 105"));
  for (const one of ["101", "102", "103", "105"]) {
    expect(names(mates(vmId(one)))).toEqual(["101", "102", "103", "105"].filter((other) => other !== one));
  }
});

test("[AF4] what one VM of a team is kept apart from, all are, and the other way round", () => {
  const rules = [together("t", "a b c"), together("s", "x y"), apart("p", "a x"), apart("q", "b z")];
  const { apart: foes, rulesOf } = book(...rules);
  for (const one of ["a", "b", "c"]) expect(names(foes(vmId(one)))).toEqual(["x", "y", "z"]);
  for (const one of ["x", "y"]) expect(names(foes(vmId(one)))).toEqual(["a", "b", "c"]);
  expect(names(foes(vmId("z")))).toEqual(["a", "b", "c"]);
  expect(rulesOf(vmId("c"))).toEqual(["p", "q", "t"]);
  expect(rulesOf(vmId("y"))).toEqual(["p", "s"]);
});

test("[AF4] a team has the rule for hosts that one of its VMs has", () => {
  const { classOf, rulesOf } = book(together("t", "a b"), together("u", "b c"), onHosts("h", "c", "h2 h3", true));
  for (const one of ["a", "b", "c"]) {
    expect(["h1", "h2", "h3"].map((id) => classOf(vmId(one), host(id)))).toEqual([undefined, 0, 0]);
    expect(rulesOf(vmId(one))).toEqual(["h", "t", "u"]);
  }
});

test("[AF1] rules that fail are told and bind nobody; the others hold", () => {
  const made = book(onHosts("a", "w", "h1", true), onHosts("b", "w", "h2", true), apart("p", "w x"));
  expect([...made.failing.keys()]).toEqual(["a", "b"]);
  expect(made.classOf(vmId("w"), host("h3"))).toBe(0);
  expect(names(made.apart(vmId("w")))).toEqual(["x"]);
});

function view(...rules: Rule[]): Records {
  const records = new Records()
    .host("h1")
    .host("h2")
    .put(keys.member(host("w1")), member("w1", { role: "witness" }));
  for (const name of ["web", "db", "mail"]) records.put(keys.vm(vmId(name)), vm(name));
  for (const rule of rules) records.put(keys.rule(rule.id), rule);
  return records;
}

test("[AF2] the view's book counts hosts, not witnesses, and names VMs as people do", () => {
  const { failing } = ruleBook(view(apart("p", "web db mail")).view);
  expect(failing.get(ruleId("p"))).toMatchObject([{ rule: "AF2", params: { vms: 3, hosts: 2 } }]);
  const clash = ruleBook(view(together("t", "web db"), apart("p", "web db")).view).failing.get(ruleId("p"));
  expect(clash).toMatchObject([{ params: { vm: "web", other: "db", together: "t", apart: "p" } }]);
});

test("the book is kept until a rule, a member or a name in a reason changes", () => {
  const records = view(together("t", "web db"));
  const first = ruleBook(records.view);
  records.put(keys.vm(vmId("web")), vm("web", { requested: "stopped" }));
  expect(ruleBook(records.view)).toBe(first);
  expect(ruleBook({ ...records.view })).toBe(first);
  records.put(keys.rule(ruleId("p")), apart("p", "web db"));
  const second = ruleBook(records.view);
  expect(second.failing.size).toBe(2);
  records.put(keys.vm(vmId("web")), { ...vm("web"), name: "www" });
  expect(ruleBook(records.view).failing.get(ruleId("p"))).toMatchObject([{ params: { vm: "www" } }]);
  records.put(keys.rule(ruleId("t")), { ...together("t", "web db"), enabled: false });
  expect(ruleBook(records.view).failing.size).toBe(0);
  records.put(keys.rule(ruleId("p")), apart("p", "web db mail")).host("h3");
  expect(ruleBook(records.view).failing.size).toBe(0);
});

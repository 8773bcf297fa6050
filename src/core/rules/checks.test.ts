import { expect, test } from "vitest";
import { apart, hostSet, onHosts, together } from "../../../test/support/rules.ts";
import { render } from "../../model/messages/index.ts";
import type { Rule } from "../../model/rules.ts";
import { checkRules } from "./checks.ts";

const three = hostSet("h1 h2 h3");

/** `rule: code`, one line for each reason. */
function found(rules: readonly Rule[], hosts = three): string[] {
  return [...checkRules(rules, hosts)].flatMap(([id, reasons]) => reasons.map(({ code }) => `${id}: ${code}`)).sort();
}

/** What the first reason of a rule says, with ids for names. */
function said(rules: readonly Rule[], id: string, hosts = three): string {
  const reason = [...checkRules(rules, hosts)].find(([rule]) => rule === id)?.[1][0];
  return reason === undefined ? "" : `${reason.rule} ${render(reason.code, reason.params).cause}`;
}

test("[AF1] a VM in two rules for hosts: all of them are left out, others are not", () => {
  const rules = [
    onHosts("a", "web db", "h1"),
    onHosts("b", "web", "h2"),
    onHosts("c", "web", "h3"),
    onHosts("d", "x", "h1"),
  ];
  expect(found(rules)).toEqual(["a", "b", "c"].map((id) => `${id}: rule-vm-in-two-host-rules`));
  expect(said(rules, "c")).toBe("AF1 Rules a and c both say on which hosts VM vm:web runs.");
  expect(said(rules, "a")).toBe("AF1 Rules a and b both say on which hosts VM vm:web runs.");
});

test.each([
  ["together", together("a", "web")],
  ["apart", apart("a", "web")],
  ["a VM named twice", apart("a", "web web")],
])("[AF2] a rule among VMs needs two: %s", (_, rule) => {
  expect(found([rule])).toEqual(["a: rule-needs-two-vms"]);
});

test("[AF2] no more VMs can be apart than the cluster has hosts", () => {
  expect(found([apart("a", "w x y")])).toEqual([]);
  expect(found([apart("a", "w x y z")])).toEqual(["a: rule-more-vms-than-hosts"]);
  expect(said([apart("a", "w x y z")], "a")).toBe(
    "AF2 Rule a keeps 4 VMs apart, each on a host of its own; the cluster has 3 hosts.",
  );
});

test("[AF3] together and apart: both sides are left out", () => {
  const rules = [together("t", "w x y"), apart("a", "x y"), apart("b", "w z")];
  expect(found(rules)).toEqual(["a: rule-together-and-apart", "t: rule-together-and-apart"]);
});

test("[AF3] together by a chain and apart: the whole chain is left out, and named", () => {
  const rules = [together("t1", "v w"), together("t2", "w x"), together("t3", "x y"), apart("a", "v y")];
  expect(found(rules)).toEqual(["a", "t1", "t2", "t3"].map((id) => `${id}: rule-together-and-apart`));
  expect(said(rules, "t2")).toBe(
    "AF3 VMs vm:v and vm:y have to be on one host by t1, t2, t3, and not on one host by a.",
  );
});

test("[AF3] one VM of a chain may be apart from others", () => {
  expect(found([together("t1", "v w"), together("t2", "w x"), apart("a", "x z"), apart("b", "v z")])).toEqual([]);
});

test.each([
  ["together", together("t", "w x")],
  ["apart", apart("t", "w x")],
])("[AF1] hosts of different priority for a VM that has a rule among VMs: %s", (_, rule) => {
  const ranked = onHosts("h", "w z", "h1:2 h2:1");
  expect(found([ranked, rule])).toEqual(["h: rule-priorities-beside-vm-rule", "t: rule-priorities-beside-vm-rule"]);
  expect(found([onHosts("h", "w z", "h1:2 h2:2"), rule])).toEqual([]);
  expect(found([onHosts("h", "z", "h1:2 h2:1"), rule])).toEqual([]);
});

test("[AF1] a team in two rules for hosts, by a chain: all are left out, each with a reason that names it", () => {
  const rules = [
    together("t1", "v w"),
    together("t2", "w x"),
    onHosts("a", "v", "h1 h2"),
    onHosts("b", "x", "h2 h3"),
    onHosts("c", "w", "h1"),
    onHosts("d", "z", "h1"),
  ];
  expect(found(rules)).toEqual(["a", "b", "c", "t1", "t2"].map((id) => `${id}: rule-team-in-two-host-rules`));
  expect(said(rules, "b")).toBe(
    "AF1 By t1, t2, VMs vm:v and vm:x have to be on one host; rule a says on which hosts vm:v runs, and rule b on which hosts vm:x runs.",
  );
  expect(found([together("t1", "v w"), onHosts("a", "v w", "h1 h2")])).toEqual([]);
});

test("[AF2] VMs that are apart and tied to too few hosts: strict or not, all rules are left out", () => {
  const rules = [apart("a", "w x y z"), onHosts("p", "w x", "h1 h2"), onHosts("q", "y", "h2", true)];
  expect(found(rules, hostSet("h1 h2 h3 h4"))).toEqual(
    ["a", "p", "q"].map((id) => `${id}: rule-too-few-hosts-to-be-apart`),
  );
  expect(said(rules, "q", hostSet("h1 h2 h3 h4"))).toBe(
    "AF2 Rule a keeps 3 VMs apart (vm:w, vm:x, vm:y) that other rules (p, q) tie to fewer hosts: h1, h2.",
  );
  expect(found([apart("a", "w x y"), onHosts("p", "w x", "h1 h2")])).toEqual([]);
});

test("[AF2] a host that the cluster does not have is no place to be apart on", () => {
  const rules = [apart("a", "w x"), onHosts("p", "w x", "h1 gone")];
  expect(found(rules)).toEqual(["a", "p"].map((id) => `${id}: rule-too-few-hosts-to-be-apart`));
});

test("[AF1, AF2, AF3] every check sees the whole set: a rule that fails one still counts in the others", () => {
  const rules = [together("t", "w"), onHosts("a", "w", "h1:1 h2:2"), onHosts("b", "w", "h1")];
  expect(found(rules)).toEqual([
    "a: rule-priorities-beside-vm-rule",
    "a: rule-team-in-two-host-rules",
    "a: rule-vm-in-two-host-rules",
    "b: rule-team-in-two-host-rules",
    "b: rule-vm-in-two-host-rules",
    "t: rule-needs-two-vms",
    "t: rule-priorities-beside-vm-rule",
    "t: rule-team-in-two-host-rules",
  ]);
});

test("[AF1, AF2, AF3] a rule that is off counts nowhere", () => {
  const off = (rule: Rule): Rule => ({ ...rule, enabled: false });
  const rules = [
    off(onHosts("a", "web", "h1")),
    onHosts("b", "web", "h2"),
    off(together("t", "w x")),
    apart("p", "w x"),
  ];
  expect(found([...rules, off(apart("q", "w x y z"))])).toEqual([]);
});

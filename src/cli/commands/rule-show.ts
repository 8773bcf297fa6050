import type { RuleSummary } from "../../api/contract/rule.ts";
import { render } from "../../model/messages/index.ts";
import { fields, moment, table } from "../text.ts";

/** What a rule says, in the words of its options. */
function saysOf(rule: RuleSummary): string {
  if (rule.kind === "vm-affinity") return rule.affinity;
  const hosts = rule.hosts.map(({ name, priority }) => (priority === 0 ? name : `${name}:${priority}`));
  return `${rule.strict ? "only on" : "preferably on"} ${hosts.join(", ")}`;
}

function stateOf(rule: RuleSummary): string {
  if (!rule.enabled) return "disabled";
  return rule.failing.length === 0 ? "in force" : "FAILING";
}

function vmsOf(rule: RuleSummary, most: number): string {
  const names = rule.vms.map(({ name }) => name);
  return names.length <= most ? names.join(", ") : `${names.slice(0, most).join(", ")}, … (${names.length} in all)`;
}

export function rulesText(rules: readonly RuleSummary[]): string {
  const rows = rules.map((rule) => [rule.id, stateOf(rule), saysOf(rule), vmsOf(rule, 6), rule.comment]);
  return table(["RULE", "STATE", "SAYS", "VMS", "COMMENT"], rows) + failingText(rules);
}

export function ruleText(rule: RuleSummary): string {
  const pairs: [string, string][] = [
    ["Rule", rule.id],
    ["State", stateOf(rule)],
    ["Says", saysOf(rule)],
    ["VMs", vmsOf(rule, Number.POSITIVE_INFINITY)],
    ["Comment", rule.comment || "-"],
    ["Since", moment(rule.createdAt)],
  ];
  return fields(pairs) + failingText([rule]);
}

/** Each reason once, with what to do: it stands beside every rule that it stops. */
function failingText(rules: readonly RuleSummary[]): string {
  const said = new Map<string, string>();
  for (const { failing } of rules) {
    for (const { code, params, rule } of failing) {
      const { cause, effect, remedy } = render(code, params);
      said.set(`${code} ${cause}`, `${cause} [${rule}]\n        ${effect ?? ""}\n        ${remedy ?? ""}\n`);
    }
  }
  return said.size === 0 ? "" : `\nNot followed\n${[...said.values()].map((text) => `FAIL    ${text}`).join("")}`;
}

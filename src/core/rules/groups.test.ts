import { expect, test } from "vitest";
import { host, vmId } from "../../../test/support/records.ts";
import { hostSet } from "../../../test/support/rules.ts";
import type { WallMs } from "../../model/ids.ts";
import { ruleSchema } from "../../model/rules.ts";
import { type LegacyGroup, rulesFromGroups } from "./groups.ts";
import { compileRules } from "./rule-book.ts";

const at = 5 as WallMs;

function group(name: string, more: Partial<LegacyGroup> = {}): LegacyGroup {
  return { name, hosts: [{ host: host("h1"), priority: 0 }], restricted: false, nofailback: false, vms: [], ...more };
}

test("[AF5] a group in use becomes a rule: restricted is strict, priorities stay", () => {
  const hosts = [
    { host: host("h2"), priority: 2 },
    { host: host("h3"), priority: 0 },
  ];
  const { rules, failback } = rulesFromGroups(
    [
      group("two", { hosts, nofailback: true, vms: [vmId("b"), vmId("a")] }),
      group("one", { restricted: true, vms: [vmId("c")] }),
      group("idle", { restricted: true }),
    ],
    at,
  );
  expect(rules.map(({ id, vms, strict }) => [id, vms, strict])).toEqual([
    ["ha-group-one", ["vm:c"], true],
    ["ha-group-two", ["vm:a", "vm:b"], false],
  ]);
  for (const rule of rules) expect(ruleSchema.parse(rule)).toEqual(rule);
  const { classOf, failing } = compileRules(rules, hostSet("h1 h2 h3"));
  expect(failing.size).toBe(0);
  expect(["h1", "h2", "h3"].map((on) => classOf(vmId("a"), host(on)))).toEqual([-1, 2, 0]);
  expect(["h1", "h2", "h3"].map((on) => classOf(vmId("c"), host(on)))).toEqual([0, undefined, undefined]);
  expect([...failback]).toEqual([
    ["vm:c", true],
    ["vm:b", false],
    ["vm:a", false],
  ]);
});

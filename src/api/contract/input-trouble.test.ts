import { expect, test } from "vitest";
import type { z } from "zod";
import { render } from "../../model/messages/index.ts";
import { inputTrouble } from "./input-trouble.ts";
import { policyContract } from "./policy.ts";
import { ruleContract } from "./rule.ts";
import { vmContract, vmCreateSchema } from "./vm.ts";

const fits = { name: "web", cpus: 1, memoryMiB: 80, disks: [{ pool: "shared", sizeMiB: 8 }], kernel: null };
const set = vmContract.set["~orpc"].inputSchema as unknown as z.ZodType;
const add = ruleContract.add["~orpc"].inputSchema as unknown as z.ZodType;
const policy = policyContract.set["~orpc"].inputSchema as unknown as z.ZodType;

function troubleOf(schema: z.ZodType, input: unknown): object {
  const issue = schema.safeParse(input).error?.issues[0];
  if (issue === undefined) throw new Error("it fits");
  const trouble = inputTrouble(issue, input);
  const said = Object.values(render(trouble.code, trouble.params)).join(" ");
  // Own words, all blanks filled, nothing of the parser's.
  expect(said).not.toMatch(/\?|\{|undefined|Invalid|expected|received|NaN/u);
  return { code: trouble.code, ...trouble.params };
}

test.each<[string, object, object]>([
  ["a missing field", { ...fits, name: undefined }, { code: "input-missing", field: "name" }],
  ["a number as text", { ...fits, memoryMiB: "80" }, { code: "input-not-a-number", field: "memoryMiB" }],
  ["half a CPU", { ...fits, cpus: 1.5 }, { code: "input-not-a-whole-number", field: "cpus" }],
  ["too little", { ...fits, memoryMiB: 1 }, { code: "input-too-small", field: "memoryMiB", least: 16 }],
  ["too much", { ...fits, cpus: 513 }, { code: "input-too-large", field: "cpus", most: 512 }],
  ["not a number at all", { ...fits, cpus: Number.NaN }, { code: "input-not-a-number", field: "cpus" }],
  ["text for a list", { ...fits, networks: "lan" }, { code: "input-not-a-list", field: "networks" }],
  ["too many", { ...fits, networks: Array(9).fill("lan") }, { code: "input-too-many", field: "networks", most: 8 }],
  ["empty text", { ...fits, networks: [""] }, { code: "input-text-too-short", field: "networks.0", least: 1 }],
  ["long text", { ...fits, networks: ["x".repeat(201)] }, { code: "input-text-too-long", most: 200 }],
  ["a name with blanks", { ...fits, name: "A B" }, { code: "vm-name-malformed", field: "name" }],
  ["a CPU model with blanks", { ...fits, cpuModel: "A B" }, { code: "cpu-model-malformed", field: "cpuModel" }],
  ["an unknown field", { ...fits, memory: 80 }, { code: "input-field-unknown", field: "memory" }],
  ["one inside", { ...fits, disks: [{ pool: "a", sizeMiB: 1, x: 1 }] }, { field: "disks.0.x" }],
  [
    "a format that is none",
    { ...fits, disks: [{ pool: "a", sizeMiB: 1, format: "vdi" }] },
    { code: "input-not-a-choice", field: "disks.0.format", choices: "raw, qcow2" },
  ],
  [
    "a relative path",
    { ...fits, kernel: { path: "vmlinuz", initrd: "/i", append: "" } },
    { code: "input-wrong-beginning", field: "kernel.path", prefix: "/" },
  ],
])("%s", (_, input, trouble) => {
  expect(troubleOf(vmCreateSchema, input)).toMatchObject(trouble);
});

test("a malformed name is named itself, with what a name may be", () => {
  const rule = { kind: "host-affinity", vms: ["web"], hosts: [{ host: "h2" }] };
  const trouble = { code: "rule-name-malformed", field: "rule", value: "x" };
  expect(troubleOf(add, { ...rule, rule: "x" })).toEqual(trouble);
  expect(render(trouble.code, trouble)).toMatchObject({
    cause: "“x” is no name for a rule.",
    remedy: "Give 2 to 63 letters, digits, hyphens or underscores, the first of them a letter.",
  });
  expect(troubleOf(vmCreateSchema, { ...fits, name: "A".repeat(200) })).toMatchObject({ value: `${"A".repeat(80)}…` });
});

test("input that is no object at all, and what other procedures ask for", () => {
  expect(troubleOf(vmCreateSchema, "web")).toEqual({ code: "input-not-fields", field: "input" });
  expect(troubleOf(set, { vm: "web", failback: "on" })).toMatchObject({ code: "input-not-on-or-off" });
  expect(troubleOf(set, { vm: "web", requested: "off" })).toMatchObject({
    code: "input-not-a-choice",
    choices: "started, stopped, disabled, ignored, enabled",
  });
  expect(troubleOf(set, { vm: "web", requestId: "x" })).toMatchObject({ code: "request-id-malformed" });
  expect(troubleOf(policy, { scheduler: { modus: "static" } })).toEqual({
    code: "input-field-unknown",
    field: "scheduler.modus",
  });
});

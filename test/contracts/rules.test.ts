import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { z } from "zod";
import { type Client, connectClient } from "../../src/api/client/index.ts";
import { contract } from "../../src/api/contract/index.ts";
import type { RuleId, VmId } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import { type ApiHost, failure, startApiHost, webSpec } from "../support/api-host.ts";
import { begin, outputOf } from "../support/cli-run.ts";
import { vm, vmId } from "../support/records.ts";
import { onHosts, together } from "../support/rules.ts";

let api: ApiHost;
let client: Client;
beforeEach(async () => {
  api = await startApiHost();
  client = connectClient(api.socket);
  for (const name of ["web", "db", "mail"]) await api.put(keys.vm(vmId(name)), vm(name, { requested: "stopped" }));
});
afterEach(async () => {
  await api.close();
});

const apartRule = { rule: "keep-apart", kind: "vm-affinity" as const, affinity: "apart" as const, vms: ["web", "db"] };

describe("the contract", () => {
  test("add, list, show, set and remove, with names and ids", async () => {
    const { rule } = await client.rule.add({ ...apartRule, comment: "power" });
    expect(rule).toMatchObject({ id: "keep-apart", affinity: "apart", enabled: true, comment: "power", failing: [] });
    expect(rule.vms).toEqual([
      { id: "vm:db", name: "db" },
      { id: "vm:web", name: "web" },
    ]);
    const hosts = [{ host: "h2" }, { host: "h1", priority: 3 }];
    await client.rule.add({ rule: "near", kind: "host-affinity", vms: ["mail"], hosts });
    expect((await client.rule.list({})).rules).toMatchObject([
      { id: "keep-apart" },
      {
        id: "near",
        strict: false,
        hosts: [
          { name: "h1", priority: 3 },
          { name: "h2", priority: 0 },
        ],
      },
    ]);
    expect(await client.rule.set({ rule: "near", strict: true, enabled: false })).toMatchObject({
      rule: { strict: true, enabled: false },
    });
    expect(await client.rule.remove({ rule: "near" })).toEqual({ id: "near", bearsLess: null });
    expect(await failure(client.rule.show({ rule: "near" }))).toMatchObject({
      code: "rule-unknown",
      params: { known: "keep-apart" },
    });
  });

  test("[AF6] what cannot hold is refused with its reason, and nothing is written", async () => {
    await client.rule.add(apartRule);
    const before = api.view().revision;
    const again = { ...apartRule, rule: "mates", affinity: "together" } as const;
    expect(await failure(client.rule.add(again))).toEqual({
      kind: "refused",
      code: "rule-together-and-apart",
      params: { together: "mates", apart: "keep-apart", vm: "web", other: "db" },
    });
    expect(await failure(client.rule.add({ ...apartRule, rule: "x y" }))).toMatchObject({
      code: "rule-name-malformed",
      params: { field: "rule" },
    });
    expect(await failure(client.rule.add({ ...apartRule, rule: "nn", strict: true } as never))).toMatchObject({
      code: "input-field-unknown",
    });
    expect(api.view().revision).toBe(before);
  });

  test("[AF6] of two edits at once that contradict each other one is refused, and repeating one is harmless", async () => {
    const edits = [
      client.rule.add({ ...apartRule, requestId: "request-0001" }),
      client.rule.add({ ...apartRule, rule: "mates", affinity: "together", requestId: "request-0002" }),
    ];
    const ends = await Promise.all(edits.map(failure));
    expect(ends).toContainEqual(expect.objectContaining({ kind: "refused", code: "rule-together-and-apart" }));
    expect(ends).toContainEqual(expect.objectContaining({ rule: expect.anything() }));
    const [kept] = api.view().rules.keys();
    const requestId = kept === "mates" ? "request-0002" : "request-0001";
    const same = {
      ...apartRule,
      rule: kept ?? "",
      requestId,
      affinity: kept === "mates" ? "together" : "apart",
    } as const;
    expect(await client.rule.add(same)).toMatchObject({ rule: { id: kept } });
    expect(api.view().rules.size).toBe(1);
  });

  test("[AF6] a VM that is deleted leaves its rules in the same transaction", async () => {
    await client.rule.add({ ...apartRule, vms: ["web", "db"], enabled: false });
    await client.rule.add({ rule: "only-web", kind: "host-affinity", vms: ["web"], hosts: [{ host: "h1" }] });
    await client.vm.delete({ vm: "web" });
    expect((await client.rule.list({})).rules).toMatchObject([{ id: "keep-apart", vms: [{ name: "db" }] }]);
    const types = (await client.event.list({ limit: 10 })).events.map((event) => event.type);
    expect(types.slice(-3)).toEqual(["vm-deleted", "vm-left-rules", "rules-emptied"]);
    expect(await client.vm.create(webSpec)).toMatchObject({ name: "web" });
    await client.vm.delete({ vm: "web" });
  });

  test("[AF1] a rule that fails is told by name, in the listing and in the cluster's status", async () => {
    for (const [id, on] of [
      ["first", "h1"],
      ["second", "h2"],
    ] as const) {
      await api.put(keys.rule(id as RuleId), onHosts(id, "web", on));
    }
    const params = { rule: "first", other: "second", vm: "web" };
    expect((await client.rule.show({ rule: "first" })).rule.failing).toEqual([
      { rule: "AF1", code: "rule-vm-in-two-host-rules", params },
    ]);
    expect((await client.cluster.status()).checks).toMatchObject([
      { id: "rule-vm-in-two-host-rules", subject: "first", level: "warn", params },
    ]);
    expect((await client.rule.show({ rule: "second" })).rule.failing).toMatchObject([{ params }]);
  });

  test("[AF4] the rules of a VM are also those of its team", async () => {
    await api.put(keys.rule("mates" as RuleId), together("mates", "web db"));
    await api.put(keys.rule("others" as RuleId), onHosts("others", "mail", "h1"));
    await client.rule.add({ rule: "near", kind: "host-affinity", vms: ["db"], hosts: [{ host: "h1" }] });
    expect((await client.rule.list({ vm: "web" })).rules.map((rule) => rule.id)).toEqual(["mates", "near"]);
    expect(await failure(client.rule.list({ vm: "nix" }))).toMatchObject({ code: "vm-unknown" });
  });

  test("a rule of many VMs is one transaction, whatever the store's limit for compares", async () => {
    const names = Array.from({ length: 300 }, (_, i) => `n${i}`);
    await Promise.all(names.map((name) => api.put(keys.vm(`vm:${name}` as VmId), vm(name, { requested: "stopped" }))));
    const added = await client.rule.add({ rule: "many", kind: "host-affinity", vms: names, hosts: [{ host: "h1" }] });
    expect(added.rule.vms).toHaveLength(300);
  });
});

const holdfast = (...line: readonly string[]) => begin(line, { HOLDFAST_SOCKET: api.socket }).ended;

describe("the command", () => {
  test("add, list, show, set and remove", async () => {
    const added = await holdfast("rule", "add", "near", "--vm", "web", "db", "--host", "h1:2", "h2:1");
    expect([added.code, added.err]).toEqual([0, ""]);
    expect(added.out).toMatch(/^Rule near was added\.\nRule +near\nState +in force\nSays +preferably on h1:2, h2:1\n/u);
    expect((await holdfast("rule", "add", "far", "--apart", "--vm", "mail", "--vm", "web")).err).toContain(
      "Code:    rule-priorities-beside-vm-rule",
    );
    await holdfast("rule", "set", "near", "--host", "h1", "h2", "--strict", "--comment", "fast disks");
    expect(await holdfast("rule", "add", "far", "--apart", "--vm", "mail", "--vm", "web")).toMatchObject({ code: 0 });
    const listed = await holdfast("rule", "list");
    expect(listed.out).toMatch(
      /far +in force +apart +mail, web\nnear +in force +only on h1, h2 +db, web +fast disks\n/u,
    );
    expect((await holdfast("rule", "show", "far")).out).toMatch(/VMs +mail, web\n/u);
    expect((await holdfast("rule", "set", "near", "--no-strict", "--disable")).out).toMatch(
      /State +disabled\nSays +preferably on h1, h2\n/u,
    );
    expect((await holdfast("rule", "set", "near", "--remove-vm", "db", "--enable")).out).toMatch(/VMs +web\n/u);
    expect(await holdfast("rule", "remove", "near")).toMatchObject({ code: 0, out: "Rule near was removed.\n" });
    expect((await holdfast("log")).out).toContain("Rule far was added: apart, for mail, web.");
  });

  test("each --json is exactly what the contract describes", async () => {
    const lines: [string[], z.ZodType][] = [
      [["add", "near", "--vm", "web", "--host", "h1"], outputOf(contract.rule.add)],
      [["add", "far", "--vm", "web", "db", "--apart"], outputOf(contract.rule.add)],
      [["list", "--vm", "web"], outputOf(contract.rule.list)],
      [["show", "near"], outputOf(contract.rule.show)],
      [["set", "near", "--host", "h1:1"], outputOf(contract.rule.set)],
      [["remove", "near"], outputOf(contract.rule.remove)],
    ];
    for (const [line, schema] of lines) {
      const { code, out, err } = await holdfast("rule", ...line, "--json");
      expect([line, code, err]).toEqual([line, 0, ""]);
      const printed: unknown = JSON.parse(out);
      expect(schema.parse(printed), line.join(" ")).toEqual(printed);
    }
  });

  test("[AF1] a failing rule is listed with cause, effect and remedy, once", async () => {
    await api.put(keys.rule("first" as RuleId), onHosts("first", "web db", "h1:1 h2:2"));
    await api.put(keys.rule("mates" as RuleId), together("mates", "web mail"));
    const { out } = await holdfast("rule", "list");
    expect(out).toMatch(/first +FAILING/u);
    expect(out.match(/Rule first prefers some hosts to others for VM web, and rule mates/gu)).toHaveLength(1);
    expect(out).toContain("Give all hosts of first the same priority");
    expect((await holdfast("cluster", "status")).out).toContain("WARN    Rule first prefers some hosts");
  });

  test.each<[number, string, string[]]>([
    [1, "rule-unknown", ["show", "nix"]],
    [1, "rule-unknown", ["remove", "nix"]],
    [1, "vm-unknown", ["add", "r1", "--apart", "--vm", "web", "nix"]],
    [1, "host-unknown", ["add", "r1", "--vm", "web", "--host", "nix"]],
    [1, "rule-needs-two-vms", ["add", "r1", "--together", "--vm", "web"]],
    [1, "rule-more-vms-than-hosts", ["add", "r1", "--apart", "--vm", "web", "db", "mail"]],
    [1, "rule-name-malformed", ["add", "1r", "--together", "--vm", "web", "db"]],
    [2, "option-missing", ["add", "r1", "--together"]],
    [2, "option-missing", ["add", "r1", "--vm", "web"]],
    [2, "options-contradict", ["add", "r1", "--vm", "web", "--together", "--apart"]],
    [2, "options-contradict", ["add", "r1", "--vm", "web", "--together", "--host", "h1"]],
    [2, "options-belong-together", ["add", "r1", "--vm", "web", "db", "--apart", "--strict"]],
    [2, "option-needs-host", ["add", "r1", "--vm", "web", "--host", "h1:first"]],
    [2, "options-contradict", ["set", "r1", "--enable", "--disable"]],
  ])("exit %i, %s: %j", async (code, name, line) => {
    const { code: ended, out, err } = await holdfast("rule", ...line);
    expect([ended, out]).toEqual([code, ""]);
    expect(err).toMatch(/^Cause: {3}.+\nEffect: {2}.+\nRemedy: {2}.+\nCode: {4}.+\n$/u);
    expect(err).toContain(`Code:    ${name}\n`);
    expect(err).not.toMatch(/\?|\{|undefined/u);
  });
});

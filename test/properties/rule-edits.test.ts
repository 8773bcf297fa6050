import fc from "fast-check";
import { expect, test } from "vitest";
import { planDeleteVm } from "../../src/core/requests/change-vm.ts";
import type { Asked, Planned } from "../../src/core/requests/plan.ts";
import { planAddRule, planRemoveRule, planSetRule } from "../../src/core/requests/rules.ts";
import { ruleBook } from "../../src/core/rules/rule-book.ts";
import type { Revision, WallMs } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { Transaction } from "../../src/model/transaction.ts";
import { applyChanges, type ClusterView } from "../../src/model/view.ts";
import { Records, vm, vmId } from "../support/records.ts";

const asked: Asked = { actor: { name: "root", role: "admin", requestId: "request-1" }, at: 1 as WallMs };
const vmNames = ["a", "b", "c", "d"];
const ruleNames = ["r1", "r2", "r3"];

/** An admin's wish, planned on whatever view it is given. */
type Wish = (view: ClusterView) => Planned;
const rule = fc.constantFrom(...ruleNames);
const someVms = fc.subarray(vmNames, { minLength: 1, maxLength: 3 });
const someHosts = fc
  .subarray(["h1", "h2", "h3"], { minLength: 1 })
  .map((hosts) => hosts.map((host) => ({ host, priority: 0 })));
const wish: fc.Arbitrary<Wish> = fc.oneof(
  fc
    .record({
      rule,
      vms: someVms,
      affinity: fc.constantFrom("together" as const, "apart" as const),
      enabled: fc.boolean(),
    })
    .map(
      (one): Wish =>
        (view) =>
          planAddRule(view, { ...one, kind: "vm-affinity", comment: "" }, asked),
    ),
  fc.record({ rule, vms: someVms, hosts: someHosts, strict: fc.boolean() }).map(
    (one): Wish =>
      (view) =>
        planAddRule(view, { ...one, kind: "host-affinity", enabled: true, comment: "" }, asked),
  ),
  fc.record({ rule, enabled: fc.boolean(), addVms: fc.subarray(vmNames), removeVms: fc.subarray(vmNames) }).map(
    (one): Wish =>
      (view) =>
        planSetRule(view, one, asked),
  ),
  rule.map(
    (one): Wish =>
      (view) =>
        planRemoveRule(view, one, asked),
  ),
  fc.constantFrom(...vmNames).map(
    (one): Wish =>
      (view) =>
        planDeleteVm(view, one, asked),
  ),
);

/** A store that answers as etcd does: all compares hold, or nothing happens. */
class Store {
  readonly records = new Records();
  readonly #revisions = new Map<string, Revision>();

  constructor() {
    for (const name of ["h1", "h2", "h3"]) this.records.host(name);
    for (const name of vmNames) this.records.put(keys.vm(vmId(name)), vm(name, { requested: "stopped" }));
    const { view } = this.records;
    for (const [id, stored] of view.members) this.#revisions.set(keys.member(id), stored.revision);
    for (const [id, stored] of view.vms) this.#revisions.set(keys.vm(id), stored.revision);
  }

  commit({ compares, writes }: Transaction): boolean {
    const holds = compares.every(
      (one) => this.#revisions.get(one.key) === (one.kind === "absent" ? undefined : one.revision),
    );
    if (!holds) return false;
    const { view } = this.records;
    const revision = (view.revision + 1) as Revision;
    applyChanges(
      view,
      writes.map((write) => ({ ...write, revision })),
      revision,
    );
    for (const { kind, key } of writes) {
      if (kind === "put") this.#revisions.set(key, revision);
      else this.#revisions.delete(key);
    }
    return true;
  }
}

test("[AF6] edits and deletions at once: nothing ever contradicts, names a deleted VM, or is empty", () => {
  let committed = 0;
  let overtaken = 0;
  fc.assert(
    fc.property(fc.array(fc.array(wish, { minLength: 1, maxLength: 3 }), { maxLength: 8 }), (rounds) => {
      const store = new Store();
      const { view } = store.records;
      for (const wishes of rounds) {
        // All of them look before any of them writes.
        const plans = wishes.map((one) => one(view));
        for (const plan of plans) {
          if (plan.kind !== "plan") continue;
          if (store.commit(plan.transaction)) committed += 1;
          else overtaken += 1;
        }
        for (const { value } of view.rules.values()) {
          expect(value.vms.length).toBeGreaterThan(0);
          for (const id of value.vms) expect(view.vms.has(id)).toBe(true);
        }
        const codes = [...ruleBook(view).failing.values()].flat().map((reason) => reason.code);
        // A deletion may leave a rule that says nothing yet, or VMs that too few hosts are left for; an edit may not.
        expect(
          codes.filter((code) => code !== "rule-needs-two-vms" && code !== "rule-too-few-hosts-to-be-apart"),
        ).toEqual([]);
      }
    }),
    { numRuns: 500 },
  );
  expect(committed).toBeGreaterThan(500);
  expect(overtaken).toBeGreaterThan(100);
});

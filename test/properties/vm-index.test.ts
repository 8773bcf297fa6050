import fc from "fast-check";
import { expect, test } from "vitest";
import { restlessVms } from "../../src/core/restless.ts";
import { vmIndex } from "../../src/core/vm-index.ts";
import type { StoreKey } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import { applyChanges, type ClusterView } from "../../src/model/view.ts";
import { held, host, Records, vm, vmId } from "../support/records.ts";

// Whatever changes, and in however many steps: the index kept up to date is the one made anew.

const names = ["a", "b", "c", "d"];
const hosts = ["h1", "h2", "h3"];
const change = fc.oneof(
  fc.record({
    kind: fc.constant("vm" as const),
    vm: fc.constantFrom(...names),
    requested: fc.constantFrom("started", "stopped", "disabled", "ignored"),
    memoryMiB: fc.integer({ min: 16, max: 99 }),
  }),
  fc.record({
    kind: fc.constant("owner" as const),
    vm: fc.constantFrom(...names),
    at: fc.constantFrom(...hosts),
    held: fc.boolean(),
    failed: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("move" as const),
    vm: fc.constantFrom(...names),
    to: fc.constantFrom(...hosts),
    open: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("plan" as const), vm: fc.constantFrom(...names), error: fc.boolean() }),
  fc.record({
    kind: fc.constant("gone" as const),
    vm: fc.constantFrom(...names),
    what: fc.constantFrom("vm", "owner", "vmMove", "vmPlan"),
  }),
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

function apply(records: Records, one: Change): void {
  const id = vmId(one.vm);
  switch (one.kind) {
    case "vm":
      records.put(keys.vm(id), vm(one.vm, { requested: one.requested as never, memoryMiB: one.memoryMiB }));
      return;
    case "owner": {
      const free = { schema: 1, kind: "released", host: host(one.at), epoch: 2, failed: null, failedHosts: [] };
      const failed = one.failed ? { failed: "killed", failedHosts: [one.at] } : {};
      records.put(keys.owner(id), one.held ? held(one.at, 1, 1) : { ...free, ...failed });
      return;
    }
    case "move": {
      const answer = one.open ? { kind: "open" } : { kind: "failed", code: "any", params: {} };
      const reason = { rule: "PL2", code: "vm-stays", params: {} };
      const from = { from: host("h1"), incarnation: 1, epoch: 1 };
      const move = { schema: 1, vm: id, kind: "relocate", ...from, to: host(one.to), reason, answer, at: 0 };
      records.put(keys.vmMove(id), move);
      return;
    }
    case "plan": {
      const error = one.error ? { code: "any", params: {}, at: 0 } : null;
      records.put(keys.vmPlan(id), { schema: 1, error, returnTo: null, failedMoves: null });
      return;
    }
    case "gone":
      remove(records.view, keys[one.what as "vm" | "owner" | "vmMove" | "vmPlan"](id));
  }
}

function remove(view: ClusterView, key: StoreKey): void {
  const revision = (view.revision + 1) as ClusterView["revision"];
  applyChanges(view, [{ kind: "delete", key, revision }], revision);
}

function plain(view: ClusterView): unknown {
  const { heldBy, loads, unsettled } = vmIndex(view);
  const held = [...heldBy].map(([at, vms]) => [at, [...vms].sort()] as const).filter(([, vms]) => vms.length > 0);
  const borne = [...loads].filter(([, load]) => load.vms !== 0 || load.memoryMiB !== 0 || load.cores !== 0);
  const restless = [...restlessVms(view)].sort();
  return { held: held.sort(), loads: borne.sort(), unsettled: [...unsettled].sort(), restless };
}

function rule(id: string, body: object): [StoreKey, object] {
  return [keys.rule(id as never), { schema: 1, id, enabled: true, comment: "", createdAt: 0, ...body }];
}

test("the index that was kept up to date is the one that is made anew", () => {
  fc.assert(
    fc.property(fc.array(fc.array(change, { maxLength: 6 }), { maxLength: 12 }), (batches) => {
      const records = new Records();
      for (const name of names) records.put(keys.vm(vmId(name)), vm(name));
      for (const name of hosts) records.host(name);
      const ids = names.map(vmId);
      records.put(...rule("pair", { kind: "vm-affinity", affinity: "together", vms: ids.slice(0, 2) }));
      records.put(...rule("apart", { kind: "vm-affinity", affinity: "apart", vms: ids.slice(1, 3) }));
      const named = [{ host: "h1", priority: 1 }];
      records.put(...rule("home", { kind: "host-affinity", strict: false, hosts: named, vms: ids.slice(3) }));
      for (const batch of batches) {
        for (const one of batch) apply(records, one);
        expect(plain(records.view)).toEqual(plain({ ...records.view }));
      }
    }),
  );
});

test("more changes than are remembered: it is made anew", () => {
  const records = new Records().put(keys.vm(vmId("a")), vm("a")).put(keys.vm(vmId("b")), vm("b"));
  expect([...vmIndex(records.view).unsettled]).toEqual(["vm:a", "vm:b"]);
  records.put(keys.owner(vmId("a")), held("h1", 1, 1));
  for (let n = 0; n < 9_000; n++) records.put(keys.vm(vmId("b")), vm("b"));
  expect([...vmIndex(records.view).unsettled]).toEqual(["vm:b"]);
});

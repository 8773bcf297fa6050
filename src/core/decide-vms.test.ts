import { describe, expect, test } from "vitest";
import { cluster, knowledge, none, written } from "../../test/support/decision-rig.ts";
import { epoch, fence, held, host, incarnation, vm, vmId } from "../../test/support/records.ts";
import { keys } from "../model/keys.ts";
import type { Owner } from "../model/records.ts";
import { decideVms } from "./decide-vms.ts";
import { adoptTransaction, assertMayStart } from "./ownership.ts";
import { noBalance } from "./placement/rebalance.ts";

describe("owners", () => {
  test("[S14] a recovery raises the epoch and compares owner, proof, target's registration and its missing fence", () => {
    const records = cluster("replicated").put(keys.fence(host("h1"), incarnation(1)), fence());
    const decided = decideVms(records.view, knowledge(records), [], none);
    expect(written(decided, keys.owner(vmId("web")))).toEqual(held("h2", 1, 5));
    const compared = decided.decisions[0]?.transaction.compares.map((compare) => compare.key);
    for (const key of [
      keys.owner(vmId("web")),
      keys.fence(host("h1"), incarnation(1)),
      keys.host(host("h2")),
      keys.fence(host("h2"), incarnation(1)),
    ]) {
      expect(compared).toContain(key);
    }
  });

  test("[S14] a held VM whose holder is only silent is never touched", () => {
    const records = cluster("replicated");
    expect(decideVms(records.view, knowledge(records, { h1: 60_000 }), [], none).decisions).toEqual([]);
  });

  test("[PL1, PL4] the fit host with the least VMs is taken; each other says why it lost", () => {
    const records = cluster("replicated", null)
      .put(keys.vm(vmId("db")), vm("db"))
      .put(keys.owner(vmId("db")), held("h1", 1, 1));
    const decided = decideVms(records.view, knowledge(records, { h3: 3_000 }), [], none);
    expect(written(decided, keys.owner(vmId("web")))).toEqual(held("h2", 1, 1));
    const why = decided.decisions[0]?.events[0]?.alternatives.map((other) => [other.option, other.why.code]);
    expect(why).toEqual([
      ["h3", "host-is-silent"],
      ["h1", "host-has-more-vms"],
    ]);
  });

  test("[PL1, S9] no VM is placed on a host that came back while its power is being cut", () => {
    const records = cluster("replicated", null)
      .host("h1", 2)
      .put(keys.owner(vmId("db")), held("h1", 1, 3));
    records.put(keys.fence(host("h1"), incarnation(1)), fence({ device: "begun" }));
    const decided = decideVms(records.view, knowledge(records), [], none);
    const why = decided.decisions[0]?.events[0]?.alternatives.find((other) => other.option === "h1");
    expect(why?.why.code).toBe("host-power-being-cut");
  });

  test("[PL1] memory is a hard limit: where no host has room the VM waits and says so", () => {
    const records = cluster("replicated", null).put(keys.vm(vmId("web")), vm("web", { memoryMiB: 4_000 }));
    const decided = decideVms(records.view, knowledge(records), [], none);
    expect(decided.decisions).toEqual([]);
    expect(decided.notices[0]?.event.type).toBe("vm-nowhere");
    expect(decided.notices[0]?.event.alternatives.map((other) => other.why.code)).toEqual(
      Array(3).fill("host-memory-short"),
    );
    // Q8: what would help is told with it.
    expect(decided.notices[0]?.full?.().alternatives.at(-1)?.why.code).toBe("fix-more-memory");
  });

  test("[PL1] two VMs placed in one decision do not share the same room", () => {
    const records = cluster("replicated", null).put(keys.vm(vmId("web")), vm("web", { memoryMiB: 700 }));
    for (const name of ["a", "b"]) records.put(keys.vm(vmId(name)), vm(name, { memoryMiB: 700 }));
    const decided = decideVms(records.view, knowledge(records), [], none);
    const hosts = ["a", "b", "web"].map((name) => (written(decided, keys.owner(vmId(name))) as Owner).host);
    expect(new Set(hosts).size).toBe(3);
  });

  test("a VM that failed on more hosts than maxRelocate allows is not tried again until it is asked to stop", () => {
    const failed: Owner = {
      schema: 1,
      kind: "released",
      host: host("h2"),
      epoch: epoch(9),
      failed: "killed",
      failedHosts: [host("h1"), host("h2")],
    };
    const records = cluster("replicated", failed);
    const decided = decideVms(records.view, knowledge(records), [], none);
    expect(decided.decisions).toEqual([]);
    expect(decided.notices[0]?.event.type).toBe("vm-gave-up");
    records.put(keys.vm(vmId("web")), vm("web", { requested: "stopped" }));
    const forgotten = decideVms(records.view, knowledge(records), [], none);
    expect(written(forgotten, keys.owner(vmId("web")))).toMatchObject({ failedHosts: [], epoch: 9 });
  });

  test("[S11, S14] a lost VM that nobody wants is given up with a new epoch: its frozen copy is never gone on with", () => {
    const records = cluster("replicated")
      .put(keys.fence(host("h1"), incarnation(1)), fence())
      .put(keys.vm(vmId("web")), vm("web", { requested: "stopped" }))
      .host("h1", 2);
    const released = written(decideVms(records.view, knowledge(records), [], none), keys.owner(vmId("web"))) as Owner;
    expect(released).toMatchObject({ kind: "released", epoch: 5 });
    // Wanted again and placed on h1: what adoption of epoch 4 would have written is 5.
    records.put(keys.owner(vmId("web")), released).put(keys.vm(vmId("web")), vm("web"));
    const placed = written(decideVms(records.view, knowledge(records), [], none), keys.owner(vmId("web")));
    expect(placed).toMatchObject({ kind: "held", epoch: 6 });
  });

  test("an owner record that cannot be read is not an absent one: nothing is decided", () => {
    const records = cluster("replicated", null).put(keys.owner(vmId("web")), { schema: 2, what: "newer" });
    expect(records.view.unreadable.has(keys.owner(vmId("web")))).toBe(true);
    expect(decideVms(records.view, knowledge(records), [], none)).toMatchObject({
      decisions: [],
      notices: [],
      wakeAt: undefined,
      balance: noBalance,
    });
  });

  test("[S11] adoption compares the owner it has read, and waits while a device may cut the power", () => {
    const records = cluster("shared-dir")
      .put(keys.fence(host("h1"), incarnation(1)), fence({ device: "begun" }))
      .host("h1", 2);
    const me = { host: host("h1"), incarnation: incarnation(2) };
    expect(adoptTransaction(records.view, vmId("web"), me)).toBeUndefined();
    records.put(keys.fence(host("h1"), incarnation(1)), fence({ device: "abandoned" }));
    const claim = adoptTransaction(records.view, vmId("web"), me);
    const owner = records.view.owners.get(vmId("web"));
    expect(claim?.compares).toContainEqual({
      kind: "revision",
      key: keys.owner(vmId("web")),
      revision: owner?.revision,
    });
    expect(claim?.writes[0]).toMatchObject({ text: JSON.stringify(held("h1", 2, 5)) });
  });

  test("[S14] a start is asserted against the owner record again", () => {
    const records = cluster("replicated");
    const run = { vm: vmId("web"), incarnation: incarnation(1), epoch: epoch(4) };
    expect(() => assertMayStart(records.view, run, host("h1"))).not.toThrow();
    expect(() => assertMayStart(records.view, run, host("h2"))).toThrow("the owner is h1");
    expect(() => assertMayStart(records.view, { ...run, epoch: epoch(3) }, host("h1"))).toThrow("the owner's is 4");
    records.put(keys.fence(host("h1"), incarnation(1)), fence());
    expect(() => assertMayStart(records.view, run, host("h1"))).toThrow("is fenced");
  });
});

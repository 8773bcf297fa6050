import { describe, expect, test } from "vitest";
import { held, host, pool, Records, vm, vmId } from "../../test/support/records.ts";
import type { PoolId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { systemActor } from "../model/records.ts";
import { type Admission, admissionOf } from "./admission.ts";
import { knowledgeOf } from "./placement/imagine.ts";

/** Hosts h1 to hN of 1,000 MiB, and VMs by name with host and MiB. */
function cluster(hosts: number, vms: Record<string, readonly [string, number]>): Records {
  const records = new Records().put(keys.pool("shared" as PoolId), pool("shared", "replicated"));
  for (let n = 1; n <= hosts; n++) records.host(`h${n}`, 1, { memoryForVmsMiB: 1_000 });
  for (const [name, [at, memoryMiB]] of Object.entries(vms)) {
    records.put(keys.vm(vmId(name)), vm(name, { memoryMiB })).put(keys.owner(vmId(name)), held(at, 1, 1));
  }
  return records;
}

function admission(records: Records, down: string[] = []): Admission {
  const up = [...records.view.members.keys()].filter((id) => !down.includes(id));
  return admissionOf(records.view, knowledgeOf(records.view, new Set(up), 0 as WallMs));
}

describe("losses that are borne", () => {
  test("[PL6] one of three where the others have the room, and no second one without a majority", () => {
    const { bears, hosts, wanted, exact, counterexample } = admission(cluster(3, { a: ["h1", 600], b: ["h2", 600] }));
    expect({ bears, hosts, wanted, exact }).toEqual({ bears: 1, hosts: 3, wanted: 1, exact: true });
    expect(counterexample).toEqual({
      losing: ["h1", "h2"],
      vm: null,
      why: { rule: "PL6", code: "store-loses-majority", params: { left: 1, votes: 3 } },
      fix: null,
    });
  });

  test("[PL6] two of five by memory, each combination looked at; stopped VMs need no room", () => {
    const full = cluster(5, { a: ["h1", 900], b: ["h2", 900], c: ["h3", 900] });
    full.put(keys.policy, { schema: 1, hostReserveMiB: 0, wantedHostLosses: 2 });
    expect(admission(full)).toMatchObject({ bears: 2, counterexample: { why: { code: "store-loses-majority" } } });
    full.put(keys.vm(vmId("d")), vm("d", { memoryMiB: 900 })).put(keys.owner(vmId("d")), held("h4", 1, 1));
    expect(admission(full)).toMatchObject({ bears: 1, counterexample: { losing: ["h1", "h2"], vm: "vm:b" } });
    full.put(keys.vm(vmId("d")), vm("d", { memoryMiB: 900, requested: "stopped" }));
    expect(admission(full).bears).toBe(1);
    full.put(keys.owner(vmId("d")), { ...held("h4", 1, 1), kind: "released", failed: null });
    expect(admission(full).bears).toBe(2);
  });

  test("[PL6] a host that is down already has been lost: what is left is counted from there", () => {
    const records = cluster(5, { a: ["h1", 400], b: ["h2", 400] });
    expect(admission(records).bears).toBe(2);
    expect(admission(records, ["h5"])).toMatchObject({ hosts: 4, bears: 1 });
  });

  test("[PL6] of too many combinations the one that takes the most memory, and that is said", () => {
    const vms = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`v${i}`, [`h${i + 1}`, 300] as const]));
    const { bears, exact } = admission(
      cluster(40, vms).put(keys.policy, { schema: 1, hostReserveMiB: 0, wantedHostLosses: 3 }),
    );
    expect([bears, exact]).toEqual([4, false]);
    // Nobody asks for more than one loss beyond what is wanted.
    expect(admission(cluster(40, vms)).bears).toBe(2);
  });
});

describe("the first loss that is not", () => {
  test("[PL6] names host and VM, and the least memory on one host with which all would start", () => {
    // Of h1's VMs one finds 400 MiB on h2 or h3; 600 are needed for the other, 300 or 200 are there.
    const vms = { a: ["h1", 400], b: ["h1", 600], c: ["h2", 300], d: ["h3", 500] } as const;
    const found = admission(cluster(3, vms));
    expect(found).toMatchObject({ bears: 0, exact: true, counterexample: { losing: ["h1"], vm: "vm:b" } });
    expect(found.counterexample?.why).toMatchObject({ code: "host-memory-short", params: { freeMiB: 500 } });
    expect(found.counterexample?.fix).toEqual({
      rule: "PL6",
      code: "fix-more-memory",
      params: { host: "h3", mib: 100 },
    });
    const more = cluster(3, vms).host("h3", 1, { memoryForVmsMiB: 1_100 });
    expect(admission(more).bears).toBe(1);
  });

  test("[PL6] a rule that keeps a VM from every other host", () => {
    const records = cluster(3, { a: ["h1", 100] }).put(keys.rule("only-h1" as never), {
      schema: 1,
      id: "only-h1",
      kind: "host-affinity",
      vms: [vmId("a")],
      hosts: [{ host: "h1", priority: 0 }],
      strict: true,
      enabled: true,
      comment: "",
      createdAt: 0,
    });
    expect(admission(records)).toMatchObject({
      bears: 0,
      counterexample: {
        vm: "vm:a",
        why: { code: "host-not-allowed" },
        fix: { code: "fix-without-rule", params: { rule: "only-h1" } },
      },
    });
  });

  test("[PL6] hosts that are in maintenance: which one would have to be taken back", () => {
    const records = cluster(3, { a: ["h1", 100] });
    for (const name of ["h2", "h3"])
      records.put(keys.maintenance(host(name)), { schema: 1, by: systemActor, reason: "", at: 0 });
    expect(admission(records)).toMatchObject({
      bears: 0,
      counterexample: { vm: "vm:a", fix: { code: "fix-release-host", params: { host: "h2" } } },
    });
  });

  test("[PL6] a pool that no other host has, and a proof that nothing could give", () => {
    const local = cluster(3, { a: ["h1", 100] }).put(keys.pool("own" as PoolId), pool("own", "replicated"));
    local.put(keys.vm(vmId("a")), vm("a", { memoryMiB: 100, pool: "own" }));
    expect(admission(local).counterexample).toMatchObject({
      why: { code: "pool-not-on-host", params: { host: "h2" } },
      fix: { code: "fix-pools-and-networks", params: { host: "h2", vm: "a" } },
    });
    const shared = cluster(3, { a: ["h1", 100] }).put(keys.pool("shared" as PoolId), pool("shared", "shared-dir"));
    const lacking = { bears: 0, counterexample: { why: { code: "proof-unobtainable" }, fix: { code: "fix-device" } } };
    expect(admission(shared)).toMatchObject(lacking);
    shared.put(keys.fenceDevice(host("h1")), { schema: 1, agent: "fence_ipmilan", options: {} });
    expect(admission(shared).bears).toBe(1);
  });

  test("[PL6] two things wrong at once: no single change is made up", () => {
    const vms = { a: ["h1", 900], b: ["h2", 700], c: ["h3", 700] } as const;
    const records = cluster(3, vms).put(keys.rule("not-h3" as never), {
      schema: 1,
      id: "not-h3",
      kind: "host-affinity",
      vms: [vmId("a")],
      hosts: [{ host: "h1", priority: 0 }],
      strict: true,
      enabled: true,
      comment: "",
      createdAt: 0,
    });
    expect(admission(records).counterexample).toMatchObject({ losing: ["h1"], vm: "vm:a", fix: null });
  });
});

import { expect, test } from "vitest";
import { asked, codeOf, newTaskId as task, written } from "../../../test/support/planned.ts";
import {
  epoch,
  held,
  host,
  incarnation,
  move,
  pool,
  Records,
  status,
  vm,
  vmId,
} from "../../../test/support/records.ts";
import type { IntentId, NetworkId, PoolId, TaskId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmMove } from "../../model/move-records.ts";
import type { Owner } from "../../model/records.ts";
import { planDeleteVm, planSetVm } from "./change-vm.ts";
import { type CreateVmRequest, planCreateVm } from "./create-vm.ts";
import { planResetVm, planStartVm, planStopVm } from "./power.ts";

const fresh = { id: vmId("new"), macs: ["52:54:00:00:00:aa"], on: host("h1") };

function cluster(): Records {
  return new Records()
    .put(keys.pool("shared" as PoolId), { ...pool("shared", "shared-dir"), quotaMiB: 1_000 })
    .put(keys.network("lan" as NetworkId), { schema: 1, id: "lan", name: "lan" })
    .host("h1")
    .host("h2");
}

function request(more: Partial<CreateVmRequest> = {}): CreateVmRequest {
  return {
    name: "web",
    cpus: 1,
    memoryMiB: 80,
    cpuModel: "qemu64",
    disks: [{ pool: "shared", sizeMiB: 64, format: "raw" }],
    networks: ["lan"],
    kernel: null,
    guestAgent: false,
    maxRestart: 2,
    maxRelocate: 2,
    stopGraceMs: 1_000,
    ...more,
  };
}

test("a new VM is stopped, has its own volumes and holds its name", () => {
  const planned = planCreateVm(cluster().view, request(), fresh, asked);
  expect(written(planned, keys.vm(fresh.id))).toMatchObject({
    name: "web",
    requested: "stopped",
    spec: { disks: [{ volume: "vmnew-disk-0", pool: "shared" }], nics: [{ network: "lan", mac: fresh.macs[0] }] },
  });
  expect(written(planned, keys.vmName("web"))).toEqual({ schema: 1, vm: fresh.id });
  const compares = planned.kind === "plan" ? planned.transaction.compares : [];
  expect(compares).toContainEqual({ kind: "absent", key: keys.vmName("web") });
  expect(compares).toContainEqual({ kind: "absent", key: keys.owner(fresh.id) });
});

test("[PL8] a processor that no host knows is refused with those that can be run here", () => {
  const records = cluster();
  const models = { EPYC: [], qemu64: [], "Haswell-noTSX": ["avx2"] };
  for (const name of ["h1", "h2"]) records.host(name, 1, { guestCpu: { vendor: "AuthenticAMD", flags: [], models } });
  const planned = planCreateVm(records.view, request({ cpuModel: "Bogus" }), fresh, asked);
  expect(planned).toMatchObject({ code: "vm-cpu-model-unknown-there", params: { known: "EPYC, qemu64" } });
  expect(codeOf(planCreateVm(records.view, request({ cpuModel: "EPYC" }), fresh, asked))).toBe("planned");
});

test.each<[string, Partial<CreateVmRequest>]>([
  ["vm-name-taken", { name: "db" }],
  ["vm-nothing-to-boot", { disks: [] }],
  ["vm-memory-too-large", { memoryMiB: 1_025 }],
  ["vm-cpus-too-many", { cpus: 5 }],
  ["pool-unknown", { disks: [{ pool: "nix", sizeMiB: 1, format: "raw" }] }],
  ["pool-quota-exceeded", { disks: [{ pool: "shared", sizeMiB: 937, format: "raw" }] }],
  ["network-unknown", { networks: ["nix"] }],
])("%s", (code, more) => {
  const records = cluster().put(keys.vm(vmId("db")), vm("db"));
  expect(codeOf(planCreateVm(records.view, request(more), fresh, asked))).toBe(code);
});

test("several disks count together against the quota", () => {
  const disk = { pool: "shared", sizeMiB: 501, format: "raw" } as const;
  expect(codeOf(planCreateVm(cluster().view, request({ disks: [disk, disk] }), fresh, asked))).toBe(
    "pool-quota-exceeded",
  );
});

test("a pool without room on any host, and one that no host can use", () => {
  const small = { capacityMiB: 100, freeMiB: 50 };
  const shared = "shared" as PoolId;
  const full = new Records().put(keys.pool(shared), pool("shared", "shared-dir"));
  full.host("h1", 1, { pools: [{ pool: shared, ...small, unfit: null }] });
  expect(codeOf(planCreateVm(full.view, request({ networks: [] }), fresh, asked))).toBe("pool-no-room");
  full.host("h1", 1, { pools: [{ pool: shared, ...small, unfit: "not mounted" }] });
  expect(codeOf(planCreateVm(full.view, request({ networks: [] }), fresh, asked))).toBe("pool-unfit-everywhere");
});

test("what no host has said is not held against a request", () => {
  const silent = new Records().put(keys.pool("shared" as PoolId), pool("shared", "shared-dir"));
  const huge = request({ memoryMiB: 1_000_000, networks: [] });
  expect(codeOf(planCreateVm(silent.view, huge, fresh, asked))).toBe("planned");
});

test("a start writes the wish and a task, and compares the VM's revision", () => {
  const records = cluster().put(keys.vm(vmId("db")), vm("db", { requested: "stopped" }));
  const planned = planStartVm(records.view, "db", task, asked);
  expect(written(planned, keys.vm(vmId("db")))).toMatchObject({ requested: "started" });
  expect(written(planned, keys.task(task))).toMatchObject({ kind: "start-vm", vm: vmId("db"), end: null });
  const revision = records.view.vms.get(vmId("db"))?.revision;
  expect(planned).toMatchObject({
    transaction: { compares: expect.arrayContaining([{ kind: "revision", key: keys.vm(vmId("db")), revision }]) },
  });
});

test("[S14] a start by hand forgives failures and leaves epoch and holder alone", () => {
  const released = { ...held("h1", 1, 7), kind: "released", failed: "panicked", failedHosts: ["h1"] };
  const records = cluster()
    .put(keys.vm(vmId("db")), vm("db"))
    .put(keys.owner(vmId("db")), released);
  const owner = written(planStartVm(records.view, "db", task, asked), keys.owner(vmId("db")));
  expect(owner).toMatchObject({ kind: "released", host: "h1", epoch: 7, failed: null, failedHosts: [] });
});

test("[S14] a start never writes the owner record of a VM that is held", () => {
  const records = cluster()
    .put(keys.vm(vmId("db")), vm("db", { requested: "stopped" }))
    .put(keys.owner(vmId("db")), held("h1", 1, 7, ["h2"]));
  expect(written(planStartVm(records.view, "db", task, asked), keys.owner(vmId("db")))).toBeUndefined();
});

test("the same order again follows the open task and writes nothing", () => {
  const open = {
    schema: 1,
    id: "task-old",
    actor: asked.actor,
    kind: "start-vm",
    vm: vmId("db"),
    percent: 0,
    end: null,
    at: 1,
  };
  const records = cluster()
    .put(keys.vm(vmId("db")), vm("db"))
    .put(keys.task("task-old" as TaskId), open);
  const planned = planStartVm(records.view, "db", task, asked);
  expect(planned).toMatchObject({
    kind: "plan",
    outcome: { kind: "task", task: "task-old" },
    transaction: { writes: [] },
  });
});

test("start, stop and reset of a VM in the wrong state", () => {
  const running = cluster()
    .put(keys.vm(vmId("db")), vm("db"))
    .put(keys.owner(vmId("db")), held("h1", 1, 7))
    .put(keys.vmStatus(vmId("db")), status("h1", 1, 7, "running"));
  expect(codeOf(planStartVm(running.view, "db", task, asked))).toBe("vm-already-running");
  expect(codeOf(planStartVm(running.view, "nix", task, asked))).toBe("vm-unknown");
  expect(codeOf(planDeleteVm(running.view, "db", asked))).toBe("vm-not-stopped");
  expect(codeOf(planStopVm(running.view, "db", task, asked))).toBe("planned");
  const stopped = cluster().put(keys.vm(vmId("db")), vm("db", { requested: "stopped" }));
  expect(codeOf(planStopVm(stopped.view, "db", task, asked))).toBe("vm-already-stopped");
  expect(codeOf(planResetVm(stopped.view, "db", "i" as IntentId, asked))).toBe("vm-not-running");
  const wanted = cluster().put(keys.vm(vmId("db")), vm("db"));
  expect(codeOf(planDeleteVm(wanted.view, "db", asked))).toBe("vm-wanted-started");
});

test("a reset is for the epoch that runs, and no other", () => {
  const running = cluster()
    .put(keys.vm(vmId("db")), vm("db"))
    .put(keys.owner(vmId("db")), held("h1", 1, 7))
    .put(keys.vmStatus(vmId("db")), status("h1", 1, 7, "running"));
  const planned = planResetVm(running.view, "db", "intent-1" as IntentId, asked);
  expect(written(planned, keys.intent("intent-1" as IntentId))).toMatchObject({ epoch: 7, answer: { kind: "open" } });
  const old = cluster()
    .put(keys.vm(vmId("db")), vm("db"))
    .put(keys.owner(vmId("db")), held("h1", 1, 8))
    .put(keys.vmStatus(vmId("db")), status("h1", 1, 7, "running"));
  expect(codeOf(planResetVm(old.view, "db", "intent-1" as IntentId, asked))).toBe("vm-not-running");
});

test("[S15] a reset is refused while the guest is copied or changes hands, and not once it runs at its target", () => {
  const waiting = { kind: "waiting" as const, incarnation: incarnation(1), doors: [], tls: true };
  const switched = { kind: "switched" as const, incarnation: incarnation(1) };
  const reset = (of: Partial<VmMove>, owner: Owner, ...seen: Parameters<typeof status>) => {
    const records = cluster()
      .put(keys.vm(vmId("db")), vm("db"))
      .put(keys.owner(vmId("db")), owner)
      .put(keys.vmStatus(vmId("db")), status(...seen))
      .put(keys.vmMove(vmId("db")), move("db", "h1", "h2", { epoch: epoch(7), ...of }));
    const planned = planResetVm(records.view, "db", "intent-1" as IntentId, asked);
    return planned.kind === "refused" ? [planned.code, planned.params["host"]] : [planned.kind];
  };
  const between = ["vm-between-hosts", "h2"];
  expect(reset({ live: waiting }, held("h1", 1, 7), "h1", 1, 7, "running")).toEqual(between);
  expect(reset({ live: switched }, held("h2", 1, 8), "h1", 1, 7, "running")).toEqual(between);
  expect(reset({ live: switched }, held("h2", 1, 8), "h2", 1, 8, "starting")).toEqual(between);
  // Its source was lost before it said that it has quit: the guest runs all the same, and its agent can press the button.
  expect(reset({ live: switched }, held("h2", 1, 8), "h2", 1, 8, "running")).toEqual(["plan"]);
  // Of a run that the VM has left behind, or that was called off: nobody removed the record yet.
  expect(reset({ live: waiting }, held("h1", 1, 9), "h1", 1, 9, "running")).toEqual(["plan"]);
  const failed = { kind: "failed" as const, code: "move-cancelled", params: {} };
  expect(reset({ live: waiting, answer: failed }, held("h1", 1, 7), "h1", 1, 7, "running")).toEqual(["plan"]);
});

test("a deletion compares the owner record, so that a placement a moment before wins", () => {
  const records = cluster().put(keys.vm(vmId("db")), vm("db", { requested: "stopped" }));
  const planned = planDeleteVm(records.view, "db", asked);
  expect(planned).toMatchObject({
    outcome: { disks: [{ volume: "vm-db-disk-0", pool: "shared" }] },
    transaction: { compares: expect.arrayContaining([{ kind: "absent", key: keys.owner(vmId("db")) }]) },
  });
  expect(written(planned, keys.vmName("db"))).toBe("delete");
});

test("an owner record that cannot be read is not an absent one", () => {
  const records = cluster().put(keys.vm(vmId("db")), vm("db", { requested: "stopped" }));
  records.put(keys.owner(vmId("db")), { schema: 2, kind: "shared" });
  expect(codeOf(planDeleteVm(records.view, "db", asked))).toBe("vm-owner-unreadable");
});

test("set changes what is named and refuses what changes nothing", () => {
  const records = cluster().put(keys.vm(vmId("db")), vm("db"));
  const planned = planSetVm(records.view, { vm: "db", requested: "ignored", maxRestart: 9 }, asked);
  expect(written(planned, keys.vm(vmId("db")))).toMatchObject({ requested: "ignored", maxRestart: 9, maxRelocate: 1 });
  expect(codeOf(planSetVm(records.view, { vm: "db", maxRestart: 3 }, asked))).toBe("vm-nothing-to-change");
});

test("a stopped VM that left a released owner behind is deleted with it", () => {
  const released = { ...held("h1", 1, 7), kind: "released", failed: null };
  const records = cluster()
    .put(keys.vm(vmId("db")), vm("db", { requested: "stopped" }))
    .put(keys.owner(vmId("db")), released)
    .put(keys.vmStatus(vmId("db")), status("h1", 1, epoch(7), "stopped"));
  const planned = planDeleteVm(records.view, "db", asked);
  expect([written(planned, keys.owner(vmId("db"))), written(planned, keys.vmStatus(vmId("db")))]).toEqual([
    "delete",
    "delete",
  ]);
});

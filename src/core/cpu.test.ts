import { describe, expect, test } from "vitest";
import { held, host, type Records, status, Records as View, vm, vmId } from "../../test/support/records.ts";
import type { GuestCpu } from "../model/host-records.ts";
import type { InstantMs, PoolId, RuleId, TaskId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { type HostFacts, systemActor, type Vm } from "../model/records.ts";
import { cpuModelAtStart, cpuModelOfRun, whyCannotShow, whyNotLive } from "./cpu.ts";
import { decideVms } from "./decide-vms.ts";
import { planSetVm } from "./requests/change-vm.ts";
import { planMoveVm } from "./requests/move.ts";

const flags = ["aes", "avx2"];
const modern: GuestCpu = {
  vendor: "GenuineIntel",
  flags,
  models: { "Haswell-noTSX": [], Westmere: [], EPYC: ["svm"], qemu64: [] },
};
const old: GuestCpu = {
  vendor: "GenuineIntel",
  flags: ["aes"],
  models: { "Haswell-noTSX": ["avx2"], Westmere: [], EPYC: ["svm"], qemu64: [] },
};
const other: GuestCpu = {
  vendor: "AuthenticAMD",
  flags,
  models: { "Haswell-noTSX": ["ss"], Westmere: ["ss"], EPYC: [], qemu64: [] },
};

function cluster(...cpus: readonly (GuestCpu | undefined)[]): Records {
  const records = new View();
  cpus.forEach((guestCpu, i) => {
    records.host(`h${i + 1}`, 1, { accel: "kvm", ...(guestCpu === undefined ? {} : { guestCpu }) });
  });
  return records;
}

function web(cpuModel: string): Vm {
  const base = vm("web");
  return { ...base, spec: { ...base.spec, cpuModel } };
}

const factsOf = (records: Records, name: string): HostFacts => records.view.facts.get(host(name))?.value as HostFacts;

describe("[PL8] what a host can show", () => {
  test("a named model with what is asked for besides; the missing flags are named", () => {
    const facts = factsOf(cluster(old), "h1");
    const missing = (model: string) => whyCannotShow(host("h1"), facts, model)?.params["missing"];
    expect(missing("Haswell-noTSX")).toBe("avx2");
    expect(missing("Westmere,+avx2,+aes")).toBe("avx2");
    expect(missing("host,+avx2")).toBe("avx2");
    for (const fits of ["Westmere", "host", "max", "compatible", "Westmere,-aes", "Skylake-Server-v3"])
      expect(whyCannotShow(host("h1"), facts, fits)).toBeUndefined();
    expect(whyCannotShow(host("h1"), facts, "Westmare")?.code).toBe("cpu-model-unknown-there");
    expect(whyCannotShow(host("h1"), factsOf(cluster(undefined), "h1"), "Haswell-noTSX")).toBeUndefined();
  });

  test("compatible is the best that all hosts run on which rules let it be; across makers what is common", () => {
    const model = (records: Records) => cpuModelAtStart(records.view, web("compatible"));
    expect(model(cluster(modern, modern))).toBe("Haswell-noTSX");
    expect(model(cluster(modern, old))).toBe("Westmere");
    expect(model(cluster(modern, undefined))).toBe("Haswell-noTSX");
    expect(model(cluster(modern, other))).toBe("qemu64");
    expect(model(cluster(other, other))).toBe("EPYC");
    expect(model(cluster(undefined))).toBe("qemu64");
    const bound = cluster(modern, old).put(keys.vm(vmId("web")), web("compatible"));
    const rule = { schema: 1, id: "r", enabled: true, comment: "", createdAt: 0, kind: "host-affinity", strict: true };
    bound.put(keys.rule("r" as RuleId), { ...rule, vms: [vmId("web")], hosts: [{ host: "h1", priority: 0 }] });
    expect(model(bound)).toBe("Haswell-noTSX");
  });

  test("a run keeps what it was started with", () => {
    const records = cluster(modern, old).put(keys.vmStatus(vmId("web")), {
      ...status("h1", 1, 1, "running"),
      cpuModel: "EPYC",
    });
    expect(cpuModelOfRun(records.view, web("compatible"))).toBe("EPYC");
  });
});

describe("[PL8] a guest that runs", () => {
  const why = (model: string, ...cpus: readonly GuestCpu[]) => {
    return whyNotLive(cluster(...cpus).view, web(model), host("h1"), host("h2"))?.code;
  };

  test("goes on where nothing of its processor is missing, never across makers or accelerators", () => {
    expect(why("host", old, modern)).toBeUndefined();
    expect(why("host", modern, old)).toBe("cpu-flags-missing");
    expect(why("Westmere", modern, old)).toBeUndefined();
    expect(why("Haswell-noTSX", modern, old)).toBe("cpu-flags-missing");
    for (const model of ["host", "Westmere", "qemu64", "compatible"])
      expect(why(model, modern, other)).toBe("cpu-vendor-differs");
    const mixed = cluster(modern).host("h2", 1, { accel: "tcg", guestCpu: modern });
    expect(whyNotLive(mixed.view, web("qemu64"), host("h1"), host("h2"))?.code).toBe("cpu-accel-differs");
  });

  function running(model: string, ...cpus: readonly GuestCpu[]): Records {
    const records = cluster(...cpus).put(keys.vm(vmId("web")), web(model));
    records.put(keys.pool("shared" as PoolId), {
      schema: 1,
      id: "shared",
      name: "shared",
      kind: "shared-dir",
      path: "/p",
      quotaMiB: null,
      createdAt: 0,
    });
    return records
      .put(keys.owner(vmId("web")), held("h1", 1, 4))
      .put(keys.vmStatus(vmId("web")), status("h1", 1, 4, "running"));
  }

  test("is not migrated to a host that cannot run it, and the flags are named; it may be relocated", () => {
    const asked = { actor: systemActor, at: 0 as never };
    const order = (records: Records, kind: "migrate" | "relocate") =>
      planMoveVm(records.view, { vm: "web", to: "h2", kind }, "task-1" as TaskId, asked, () => "up");
    expect(order(running("host", modern, old), "migrate")).toMatchObject({
      code: "move-cpu-flags-missing",
      params: { missing: "avx2" },
    });
    expect(order(running("host", modern, other), "migrate")).toMatchObject({ code: "move-cpu-vendor-differs" });
    expect(order(running("host", modern, other), "relocate").kind).toBe("plan");
    expect(order(running("Haswell-noTSX", modern, old), "relocate")).toMatchObject({ code: "move-cpu-flags-missing" });
  });

  test("keeps its model; one that is stopped gets another, which counts from its next start, where any host can show it", () => {
    const asked = { actor: systemActor, at: 0 as never };
    const set = (records: Records, cpuModel: string) => planSetVm(records.view, { vm: "web", cpuModel }, asked);
    const records = running("Haswell-noTSX", modern, old);
    expect(set(records, "compatible")).toMatchObject({ code: "vm-size-while-held", params: { vm: "web", host: "h1" } });
    records.put(keys.owner(vmId("web")), { ...held("h1", 1, 4), kind: "released", failed: null });
    const planned = set(records, "compatible");
    if (planned.kind === "refused") throw new Error(planned.code);
    const written = planned.transaction.writes.find(({ key }) => key === keys.vm(vmId("web")));
    expect(written?.kind === "put" ? JSON.parse(written.text) : undefined).toEqual(web("compatible"));
    expect(planned.transaction.compares.map(({ key }) => key)).toContain(keys.owner(vmId("web")));
    expect(planned.events).toMatchObject([{ type: "vm-changed", params: { vm: "web", to: "cpuModel compatible" } }]);
    expect(set(records, "Haswell-noTSX")).toMatchObject({ code: "vm-nothing-to-change" });
    expect(set(records, "EPYC")).toMatchObject({ code: "vm-cpu-flags-missing", params: { missing: "svm" } });
    expect(set(records, "Westmare")).toMatchObject({ code: "vm-cpu-model-unknown-there" });
  });

  test("leaves for maintenance by a stop and a start, where it cannot go on as it is", () => {
    const kindOf = async (cpu: GuestCpu) => {
      const { knowledge, none, written } = await import("../../test/support/decision-rig.ts");
      const records = running("host", modern, cpu);
      records.put(keys.maintenance(host("h1")), { schema: 1, by: systemActor, reason: "", at: 0 });
      const decided = decideVms(records.view, { ...knowledge(records), leadingSince: 0 as InstantMs }, [], none);
      return written(decided, keys.vmMove(vmId("web")));
    };
    return Promise.all([
      expect(kindOf(modern)).resolves.toMatchObject({ kind: "migrate" }),
      expect(kindOf(old)).resolves.toMatchObject({ kind: "relocate" }),
    ]);
  });
});

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { z } from "zod";
import { forecastSchema } from "../../src/api/contract/whatif.ts";
import type { PoolId } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import { systemActor } from "../../src/model/records.ts";
import { type ApiHost, startApiHost, until } from "../support/api-host.ts";
import { begin } from "../support/cli-run.ts";
import { facts, heartbeat, held, host, incarnation, member, move, pool, status, vm, vmId } from "../support/records.ts";

let api: ApiHost;
beforeEach(() => open());
async function open(options: Parameters<typeof startApiHost>[0] = {}): Promise<void> {
  api = await startApiHost(options);
  const registration = { schema: 1, incarnation: 1, nonce: "nonce-h3", machine: "h3", registeredAt: 0 };
  await api.put(keys.host(host("h3")), registration);
  await api.put(keys.hostFacts(host("h3")), facts());
  for (const name of ["h1", "h2", "h3"]) {
    const link = (kind: string, net: number) => ({
      kind,
      address: `10.${net}.0.${name.slice(1)}`,
      subnet: `10.${net}.0.0/24`,
    });
    const links = [link("management", 91), link("availability", 92)] as never;
    await api.put(keys.member(host(name)), member(name, { links }));
    if (name !== "h3") await api.put(keys.fenceDevice(host(name)), { schema: 1, agent: "fake", options: {} });
  }
  for (const [name, on, memoryMiB] of [
    ["web", "h1", 80],
    ["big", "h1", 1_000],
    ["log", "h3", 80],
    ["db", "h2", 512],
  ] as const) {
    await api.put(keys.vm(vmId(name)), vm(name, { memoryMiB }));
    await api.put(keys.owner(vmId(name)), held(on, 1, 4));
    await api.put(keys.vmStatus(vmId(name)), status(on, 1, 4, "running"));
  }
}
afterEach(async () => {
  await api.close();
});

/** With heartbeats as of now: nobody sends any here. */
async function holdfast(...line: readonly string[]) {
  for (const name of ["h1", "h2", "h3"]) await api.put(keys.heartbeat(host(name), incarnation(1)), heartbeat());
  return begin(line, { HOLDFAST_SOCKET: api.socket }).ended;
}

const whatIf = (...line: readonly string[]) => holdfast("whatif", ...line);

async function foreseen(...line: readonly string[]): Promise<z.infer<typeof forecastSchema>> {
  const { code, out, err } = await whatIf(...line, "--json");
  expect({ line, code, err }).toEqual({ line, code: 0, err: "" });
  return forecastSchema.parse(JSON.parse(out));
}

describe("what if", () => {
  test("[FC1] a host is lost: where each of its VMs goes, when, what is lost, and what would help the one that waits", async () => {
    const { course, vms, steps } = await foreseen("host-loss", "h1");
    expect(course.map(({ code }) => code)).toEqual(["forecast-host-fenced"]);
    expect(vms.map(({ name, becomes, from, to }) => [name, becomes, from, to])).toEqual([
      ["big", "waits", "h1", null],
      ["web", "restarts", "h1", "h2"],
    ]);
    const [big, web] = vms;
    expect(big).toMatchObject({ why: { code: "host-memory-short" }, fix: { code: "fix-more-memory" } });
    expect(web).toMatchObject({
      loses: { code: "loses-its-memory" },
      guessed: ["power-off", "start"],
      why: { code: "holder-proven-gone" },
    });
    expect(web?.afterMs).toBeGreaterThan(9_000);
    expect(steps).toContainEqual({ step: "power-off", ms: 2_000, samples: 0 });
    const { out } = await whatIf("host-loss", "h1");
    expect(out).toMatch(/^web +h1 +h2 +restarts +~9\.\d s +~9\.\d s$/mu);
    expect(out).toMatch(/^big does not start\.\n {2}because {2}.+MiB.+\n {2}but {6}.+$/mu);
    expect(out).toContain("start 2.0 s (a default, never measured here)");
    expect(out).not.toMatch(/\{|undefined|\[object/u);
  });

  test("[FC1] nothing proves that a host without a device is off", async () => {
    const { course, vms } = await foreseen("host-loss", "h3");
    expect(course.map(({ code }) => code)).toEqual(["forecast-host-not-fenced"]);
    expect(vms).toMatchObject([
      { name: "log", becomes: "waits", why: { code: "proof-unobtainable" }, fix: { code: "fix-device" } },
    ]);
  });

  test("[FC1] maintenance moves what fits elsewhere; what cannot leave says why", async () => {
    const { vms } = await foreseen("maintenance", "h1");
    expect(vms.map(({ name, becomes, to }) => [name, becomes, to])).toEqual([
      ["big", "stays", "h1"],
      ["web", "moves", "h2"],
    ]);
    // Its host runs it without KVM: what stands for the pause, never measured here, is the whole copying.
    expect(vms[1]).toMatchObject({ loses: null, afterMs: 10_000, downMs: 1_000 });
    expect(vms.map(({ stoppedFirst }) => stoppedFirst?.code)).toEqual([undefined, "move-stops-guest-first"]);
    await api.put(keys.vmStatus(vmId("web")), { ...status("h1", 1, 4, "running"), accel: "kvm" });
    const [, kvm] = (await foreseen("maintenance", "h1")).vms;
    expect(kvm).toMatchObject({ becomes: "moves", downMs: 1_000, stoppedFirst: null });
    expect(api.view().maintenances.size + api.view().moves.size).toBe(0);
  });

  test("[FC1] the order shows its plan first, and with --dry-run nothing else", async () => {
    const dry = await holdfast("host", "maintenance", "h1", "--dry-run");
    expect(dry).toMatchObject({ code: 0, err: "" });
    expect(dry.out).toMatch(/^web +h1 +h2 +moves +~10\.0 s +~1\.0 s$/mu);
    expect(dry.out).toContain("\nStopped before their memory is copied, for h1 runs guests without KVM: web.\n");
    expect(dry.out).toMatch(/^big cannot leave\.\n {2}because .+\n {2}but .+$/mu);
    expect(api.view().maintenances.size).toBe(0);
    const done = await holdfast("host", "maintenance", "h1", "--no-wait");
    expect(done).toMatchObject({ code: 0, err: "" });
    expect(done.out).toMatch(
      /^The plan:\nVM .+[\s\S]+\nh1 is in maintenance: of the VMs that it holds now \(2\) 1 can leave; it waits for big\. /u,
    );
    expect(api.view().maintenances.size).toBe(1);
    expect((await holdfast("host", "maintenance", "h1", "--dry-run")).err).toContain("maintenance-already");
  });

  test("[FC1] it shows each VM as it arrives elsewhere, and ends when all have that can", async () => {
    const asked = holdfast("host", "maintenance", "h1");
    await until(() => api.view().maintenances.size > 0, "the order");
    await api.put(keys.owner(vmId("web")), held("h2", 1, 5));
    await api.put(keys.vmStatus(vmId("web")), status("h2", 1, 5, "running"));
    const { code, out, err } = await asked;
    expect({ code, err }).toEqual({
      code: 0,
      err: expect.stringMatching(/^(web: .+\n)*web: running on h2 \(1 of 1\)\n$/u),
    });
    expect(out).toMatch(/\n1 left h1; on it stay big\.\n$/u);
    expect((await holdfast("host", "release", "h1")).code).toBe(0);
    const late = await holdfast("host", "maintenance", "h2", "--timeout", "0");
    expect(late).toMatchObject({ code: 3 });
    expect(late.err).toContain("Code:    maintenance-not-done");
  });

  test("[FC1] a move that failed once keeps nothing from leaving; who waits is told that the host was released meanwhile", async () => {
    const failedMoves = { count: 1, to: "h2", code: "move-cancelled", params: { vm: "web" } };
    await api.put(keys.vmPlan(vmId("web")), { schema: 1, error: null, returnTo: null, failedMoves });
    const { vms } = await foreseen("maintenance", "h1");
    expect(vms.map(({ name, becomes }) => [name, becomes])).toContainEqual(["web", "moves"]);
    const asked = holdfast("host", "maintenance", "h1");
    await until(() => api.view().maintenances.size > 0, "the order");
    expect((await holdfast("host", "release", "h1")).code).toBe(0);
    const { code, err } = await asked;
    expect(code).toBe(3);
    expect(err).toContain("Code:    maintenance-ended-meanwhile");
  });

  test("[FC1] a VM that is on its way to the host already goes on from there: where it is now is no place that it comes from", async () => {
    const live = { kind: "waiting" as const, incarnation: incarnation(1), doors: [], tls: true };
    await api.put(keys.vmMove(vmId("db")), move("db", "h2", "h1", { live }));
    const { vms } = await foreseen("maintenance", "h1");
    const db = vms.find(({ name }) => name === "db");
    expect(db).toMatchObject({ becomes: "moves", from: "h2", to: "h2", via: "h1", downMs: 2_000 });
    expect((await whatIf("maintenance", "h1")).out).toMatch(/^db +h2 +h2 +moves on from h1 +~20\.0 s/mu);
  });

  test("[FC1] what waits for somebody's word is told with it: an error that nobody has noted, the only other host in maintenance", async () => {
    const error = { code: "vm-gave-up", params: { vm: "web", hosts: "h1", exit: "killed" }, at: 1 };
    await api.put(keys.vmPlan(vmId("web")), { schema: 1, error, returnTo: null, failedMoves: null });
    const released = { schema: 1, kind: "released", host: "h1", epoch: 4, failed: "killed", failedHosts: ["h1"] };
    await api.put(keys.owner(vmId("web")), released);
    const helps = async (...line: readonly string[]) => {
      const { vms } = await foreseen(...line);
      return vms.map(({ name, becomes, fix }) => [name, becomes, fix?.code]);
    };
    expect(await helps("maintenance", "h1")).toContainEqual(["web", "waits", "fix-clear-error"]);
    const { out } = await whatIf("host-loss", "h1");
    expect(out).toContain("`holdfast vm set web --state disabled`, then");
    expect(out).not.toMatch(/^web +h1/mu);
    expect(out).toContain("\nweb runs nowhere already, and this changes nothing about it.\n");
    for (const name of ["h1", "h2"]) expect((await holdfast("host", "maintenance", name, "--no-wait")).code).toBe(0);
    expect(await helps("maintenance", "h3")).toEqual([["log", "stays", "fix-release-host"]]);
    await api.put(keys.fenceDevice(host("h3")), { schema: 1, agent: "fake", options: {} });
    // There is no room on h1, in maintenance or not.
    expect((await whatIf("host-loss", "h3")).out).toContain("`holdfast host release h2`");
  });

  test("[FC1] disks that find no room where they would come along: how much is missing, and where", async () => {
    const local = "local" as PoolId;
    await api.put(keys.pool(local), pool("local", "local-dir"));
    const of = (freeMiB: number) => facts({ pools: [{ pool: local, capacityMiB: 1_000, freeMiB, unfit: null }] });
    for (const [name, freeMiB] of [
      ["h1", 500],
      ["h2", 40],
      ["h3", 50],
    ] as const)
      await api.put(keys.hostFacts(host(name)), of(freeMiB));
    await api.put(keys.vm(vmId("web")), vm("web", { pool: "local" }));
    const { vms } = await foreseen("maintenance", "h1");
    expect(vms.find(({ name }) => name === "web")).toMatchObject({
      ...{ becomes: "stays", why: { code: "pool-short", params: { neededMiB: 64 } } },
      fix: { code: "fix-more-room", params: { host: "h2", pool: "local", mib: 24 } },
    });
    expect((await whatIf("maintenance", "h1")).out).toContain(
      "but      24 MiB more room in pool local on h2 would do.",
    );
  });

  test("[HM5] a cluster that is disarmed: arming it is what helps, for those that would find a host then", async () => {
    await api.put(keys.disarm, { schema: 1, mode: "freeze", by: systemActor, at: 0 });
    const { vms } = await foreseen("host-loss", "h1");
    expect(vms.map(({ name, becomes, fix }) => [name, becomes, fix?.code])).toEqual([
      ["big", "waits", undefined],
      ["web", "waits", "fix-arm"],
    ]);
  });

  test("[FC1] times follow the limit of moves that is in force, and say so", async () => {
    expect((await holdfast("policy", "set", "--migration-bandwidth", "4")).code).toBe(0);
    const { vms, bandwidthMiBps } = await foreseen("maintenance", "h1");
    expect([vms[1]?.afterMs, vms[1]?.downMs, bandwidthMiBps]).toEqual([20_000, 20_000, 4]);
    expect((await whatIf("maintenance", "h1")).out).toContain("The policy allows each move 4 MiB/s: ");
  });

  test("what cannot be asked is refused", async () => {
    const refused = async (code: string, ...line: readonly string[]) => {
      const end = await whatIf(...line);
      expect({ line, code: end.code, out: end.out }).toEqual({ line, code: 1, out: "" });
      expect(end.err).toContain(`Code:    ${code}\n`);
    };
    await refused("host-unknown", "host-loss", "h9");
    await refused("whatif-link-unknown", "link-loss", "moon");
    await refused("host-unknown", "link-loss", "h9:management");
    await refused("whatif-store-link-unknown", "link-loss", "management");
    await api.put(keys.fence(host("h2"), incarnation(1)), {
      schema: 1,
      cause: "order",
      by: "h1",
      heartbeatRevision: null,
      waitedMs: 0,
      device: "not-needed",
      proofs: [],
      at: 0,
    });
    await refused("whatif-host-not-up", "host-loss", "h2");
  });
});

test("[FC2] an edit that breaks what is borne is answered with what it would break; with --accept it is done and told", async () => {
  await api.put(keys.vm(vmId("big")), vm("big", { memoryMiB: 80 }));
  await api.put(keys.fenceDevice(host("h3")), { schema: 1, agent: "fake", options: {} });
  const edit = ["rule", "add", "licence", "--host", "h2", "--strict", "--vm", "db"];
  const refused = await holdfast(...edit);
  expect({ code: refused.code, out: refused.out }).toEqual({ code: 1, out: "" });
  expect(refused.err).toMatch(
    /^Cause: {3}The cluster bears the loss of 1 of its hosts now and would bear 0: without h2, db .+\n/u,
  );
  expect(refused.err).toMatch(/--accept\.\nCode: {4}edit-bears-less\n$/u);
  expect(api.view().rules.size).toBe(0);
  expect(await holdfast(...edit, "--accept")).toMatchObject({ code: 0, err: "" });
  expect(api.view().rules.size).toBe(1);
  const { out } = await holdfast("log");
  expect(out).toMatch(
    /What rule add would break was accepted \(1 in all\)\. \[FC2: The cluster bears the loss of 1 of its hosts now/u,
  );
  expect((await holdfast("rule", "remove", "licence")).code).toBe(0);
});

test("[FC2] a stopped VM's new size is asked about as if it ran; its start is not refused, and says what it costs", async () => {
  await api.put(keys.vm(vmId("big")), vm("big", { memoryMiB: 80 }));
  await api.put(keys.fenceDevice(host("h3")), { schema: 1, agent: "fake", options: {} });
  await api.put(keys.vm(vmId("spare")), vm("spare", { requested: "stopped" }));
  const edit = ["vm", "set", "spare", "--memory", "900"];
  const refused = await holdfast(...edit);
  expect({ code: refused.code, out: refused.out }).toEqual({ code: 1, out: "" });
  expect(refused.err).toMatch(
    /^Cause: {3}Once this has had its effect \(started: spare on h3\), the cluster would bear the loss of 0 of its hosts instead of 1: without h3, spare would find no host\.\n/u,
  );
  expect(refused.err).toMatch(/--accept\.\nCode: {4}edit-then-bears-less\n$/u);
  expect(await holdfast(...edit, "--accept")).toMatchObject({ code: 0, err: "" });
  const costs =
    /^Once it runs \(spare on h3\) the cluster bears the loss of 0 of its hosts instead of 1: .+ It is started all the same\. /u;
  const set = await holdfast("vm", "set", "spare", "--state", "started");
  expect(set).toMatchObject({ code: 0, err: expect.stringMatching(costs) });
  expect((await holdfast("vm", "set", "spare", "--state", "stopped")).err).toBe("");
  const start = await holdfast("vm", "start", "spare", "--no-wait");
  expect(start).toMatchObject({ code: 0, err: expect.stringMatching(costs) });
  expect(await holdfast("vm", "start", "spare", "--no-wait"), "once").toMatchObject({ code: 0, err: "" });
});

test("[FC2] so is what the policy keeps back or leaves out, and a rule that is made strict", async () => {
  await api.put(keys.vm(vmId("big")), vm("big", { memoryMiB: 80 }));
  await api.put(keys.fenceDevice(host("h3")), { schema: 1, agent: "fake", options: {} });
  for (const name of ["h1", "h2", "h3"])
    await api.put(keys.hostFacts(host(name)), facts({ memoryMiB: 1_536, memoryIsConfigured: false }));
  const links = [{ kind: "availability", address: "10.92.0.2", subnet: "10.92.0.0/24" }] as never;
  await api.put(keys.member(host("h2")), member("h2", { links }));
  expect((await holdfast("rule", "add", "licence", "--host", "h2", "--vm", "db")).code).toBe(0);
  const edits = [
    ["edit-bears-less", ["policy", "set", "--host-reserve", "1000"]],
    ["edit-no-link-for-moves", ["policy", "set", "--migration-links", "management"]],
    ["edit-bears-less", ["rule", "set", "licence", "--strict"]],
  ] as const;
  for (const [code, edit] of edits) {
    const before = api.view().revision;
    const refused = await begin(edit, { HOLDFAST_SOCKET: api.socket }).ended;
    expect({ edit, code: refused.code, out: refused.out, revision: api.view().revision }).toEqual({
      ...{ edit, code: 1, out: "", revision: before },
    });
    expect(refused.err).toMatch(
      new RegExp(`^Cause: .+\\nEffect: .+\\nRemedy: [\\s\\S]+--accept[\\s\\S]+\\nCode: {4}${code}\\n$`, "u"),
    );
  }
  for (const [, edit] of edits) expect(await holdfast(...edit, "--accept")).toMatchObject({ code: 0 });
  expect((await holdfast("log")).out.match(/would break was accepted/gu)).toHaveLength(edits.length);
});

test("[FC2] a reserve is no reserve where a host's configuration names its memory for VMs: that is said, and of nothing else", async () => {
  await api.put(keys.hostFacts(host("h3")), facts({ memoryForVmsMiB: 4_096 }));
  const set = await holdfast("policy", "set", "--host-reserve", "1000");
  expect(set).toMatchObject({
    code: 0,
    err: "The reserve changes nothing on h1, h2: the configuration there names the memory for VMs.\n",
  });
  expect((await holdfast("policy", "set", "--moves-per-host", "1")).err).toBe("");
  // Read before the last change: it says itself that the reserve counts there.
  await api.put(keys.hostFacts(host("h2")), facts({ memoryForVmsMiB: 4_096, memoryIsConfigured: false }));
  expect((await holdfast("policy", "set", "--host-reserve", "1001")).err).toContain("nothing on h1, h3:");
});

test("[FC2] so are a VM that would fit nowhere any more, and a pool that would hold less than its disks may grow to", async () => {
  await api.put(keys.vm(vmId("spare")), vm("spare", { requested: "stopped" }));
  const edits = [
    ["edit-vm-fits-nowhere", ["vm", "set", "spare", "--memory", "1000"]],
    ["edit-pool-too-small", ["pool", "set", "shared", "--quota", "200"]],
  ] as const;
  for (const [code, edit] of edits) {
    const refused = await holdfast(...edit);
    expect({ edit, code: refused.code, out: refused.out }).toEqual({ edit, code: 1, out: "" });
    expect(refused.err).toMatch(new RegExp(`--accept[\\s\\S]+\\nCode: {4}${code}\\n$`, "u"));
    expect(await holdfast(...edit, "--accept")).toMatchObject({ code: 0, err: "" });
  }
  expect((await holdfast("log")).out).toContain("The quota of pool shared was changed: 200 MiB.");
  expect((await holdfast("pool", "set", "shared", "--quota", "0")).out).toMatch(
    /^shared: \d+ of - MiB are promised\.\n$/u,
  );
  expect((await holdfast("pool", "set", "shared", "--quota", "0")).err).toContain("Code:    pool-nothing-to-change\n");
  expect((await holdfast("pool", "set", "nix", "--quota", "1")).err).toContain("Code:    pool-unknown\n");
});

test("[FC1] a link is lost: what stands still, which host is given up for it, and that a link of moves alone costs nothing", async () => {
  await api.close();
  await open({ storeAddresses: ["10.91.0.1", "10.91.0.2", "10.91.0.3"] });
  const lost = async (link: string) => {
    const { course, vms } = await foreseen("link-loss", link);
    return { course: course.map(({ code }) => code), web: vms.find(({ name }) => name === "web")?.becomes };
  };
  expect(await lost("management")).toEqual({ course: ["forecast-all-stand-still"], web: "stands-still" });
  expect(await lost("h1:management")).toEqual({ course: ["forecast-host-fenced"], web: "restarts" });
  expect(await lost("availability")).toEqual({ course: ["forecast-link-carries-no-store"], web: undefined });
});

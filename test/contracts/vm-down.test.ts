import { afterEach, beforeEach, expect, test } from "vitest";
import type { PoolId } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import { type ApiHost, startApiHost } from "../support/api-host.ts";
import { begin } from "../support/cli-run.ts";
import { facts, fence, heartbeat, held, host, incarnation, member, pool, vm, vmId } from "../support/records.ts";

const loc = vmId("loc");
const pools = ["own", "shared"].map((name) => ({ pool: name as PoolId, capacityMiB: 900, freeMiB: 900, unfit: null }));
let api: ApiHost;
let beating: readonly string[];

/** Three hosts, and a VM that is wanted and down, with its disk in the pool that h3 has for itself. */
beforeEach(async () => {
  api = await startApiHost();
  beating = ["h1", "h2", "h3"];
  await register(1);
  await api.put(keys.pool("own" as PoolId), pool("own", "local-dir"));
  for (const name of beating) {
    await api.put(keys.member(host(name)), member(name));
    await api.put(keys.hostFacts(host(name)), facts({ pools }));
  }
  await api.put(keys.vm(loc), vm("loc", { pool: "own" }));
  await api.put(keys.owner(loc), {
    ...{ schema: 1, kind: "released", host: "h3", epoch: 3, failed: null, failedHosts: [] },
  });
});
afterEach(async () => {
  await api.close();
});

async function register(life: number): Promise<void> {
  const registration = { schema: 1, incarnation: life, nonce: `nonce-${life}`, machine: "h3", registeredAt: 0 };
  await api.put(keys.host(host("h3")), registration);
}

/** With heartbeats as of now: nobody sends any here. */
async function holdfast(...line: readonly string[]) {
  for (const name of beating) await api.put(keys.heartbeat(host(name), incarnation(1)), heartbeat());
  return begin(line, { HOLDFAST_SOCKET: api.socket }).ended;
}

const forbid = ["rule", "add", "noth3", "--host", "h1", "h2", "--strict", "--vm", "loc"];
const notAllowed = "h3 is none of the hosts that noth3 allows.";

test("[FC2] a rule that keeps a VM down is told before, and removed without a word of acceptance", async () => {
  await api.put(keys.fence(host("h3"), incarnation(1)), fence());
  beating = ["h1", "h2"];
  const refused = await holdfast(...forbid);
  expect({ code: refused.code, out: refused.out }).toEqual({ code: 1, out: "" });
  expect(refused.err).toMatch(/^Cause: {3}VM loc is down and would start nowhere any more.+h3/u);
  expect(refused.err).toMatch(/--accept[\s\S]+\nCode: {4}edit-vm-starts-nowhere\n$/u);
  expect(await holdfast(...forbid, "--accept")).toMatchObject({ code: 0, err: "" });
  // It is back with another life.
  await register(2);
  await api.put(keys.heartbeat(host("h3"), incarnation(2)), heartbeat());
  const removed = await holdfast("rule", "remove", "noth3");
  expect(removed).toMatchObject({ code: 0, out: "Rule noth3 was removed.\n" });
  expect(removed.err).toMatch(/^Once it runs \(loc on h3\) .+ without h3, loc would find no host\. It is started all/u);
});

test("[PL1] a VM that is wanted and down: the status, vm show and explain say what keeps it down now, and what would help", async () => {
  expect((await holdfast("vm", "show", "loc")).out).not.toContain("Down");
  expect((await holdfast("cluster", "status")).out).not.toContain("loc is wanted");
  await holdfast(...forbid, "--accept");
  const { out } = await holdfast("cluster", "status");
  expect(out).toContain(`FAIL    VM loc is wanted started, and runs nowhere. ${notAllowed}\n`);
  expect(out).toContain(
    "        Without rule noth3 it would do. `holdfast explain loc` says what keeps each host from it.\n",
  );
  const show = (await holdfast("vm", "show", "loc")).out;
  expect(show).toMatch(new RegExp(`^Down +${notAllowed}$`, "mu"));
  expect(show).toMatch(/^Way out +Without rule noth3 it would do\.$/mu);
  const explained = (await holdfast("explain", "loc")).out;
  expect(explained).toMatch(new RegExp(`^Down +${notAllowed}$`, "mu"));
  expect(explained).toContain("  now not h3: is none of the hosts that noth3 allows.\n");
  expect(explained).toContain("  now not h1: Its disks lie in a local pool of h3, not on h1.\n");
  const { vm: json } = JSON.parse((await holdfast("vm", "show", "loc", "--json")).out);
  expect(json.down).toMatchObject({
    ...{ why: { rule: "PL2", code: "host-not-allowed" }, fix: { code: "fix-without-rule", params: { rule: "noth3" } } },
  });
});

test("[PL1] down for another cause: its host is away, its host's end is not proven, it is locked; and nothing of one that nobody wants", async () => {
  const told = async () => {
    const { vm: shown } = JSON.parse((await holdfast("vm", "show", "loc", "--json")).out);
    return [shown.down?.why.code, shown.down?.fix?.code];
  };
  beating = ["h1", "h2"];
  expect(await told()).toEqual(["disks-lie-on-host", "fix-host-back"]);
  await api.put(keys.owner(loc), held("h3", 1, 4));
  expect(await told(), "silent: what runs there nobody knows").toEqual([undefined, undefined]);
  await api.put(keys.fence(host("h3"), incarnation(1)), fence({ cause: "order", proofs: [] }));
  expect(await told()).toEqual(["proof-missing", "fix-host-back"]);
  await api.put(keys.fence(host("h3"), incarnation(1)), fence());
  expect(await told()).toEqual(["disks-lie-on-host", "fix-host-back"]);
  await api.put(keys.vm(loc), vm("loc", { pool: "own", requested: "stopped" }));
  expect(await told()).toEqual([undefined, undefined]);
  await api.put(keys.vm(loc), vm("loc", { lock: { kind: "backup", at: 0 as never } }));
  await api.put(keys.owner(loc), {
    ...{ schema: 1, kind: "released", host: "h3", epoch: 4, failed: null, failedHosts: [] },
  });
  expect(await told()).toEqual(["vm-locked", undefined]);
  expect((await holdfast("vm", "show", "loc")).out).toMatch(/^Way out +Wait for that work; .+--unlock`\.$/mu);
});

test("[PL1] of many that are down the first are told one by one, and how many more there are", async () => {
  for (let i = 10; i < 23; i++) {
    await api.put(keys.vm(vmId(`x${i}`)), vm(`x${i}`, { memoryMiB: 900_000 }));
  }
  const { out } = await holdfast("cluster", "status");
  expect(out.match(/is wanted started, and runs nowhere/gu)).toHaveLength(10);
  expect(out).toContain("FAIL    3 more VMs are wanted started, and down.\n");
});

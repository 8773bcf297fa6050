import { afterEach, beforeEach, expect, test } from "vitest";
import type { PoolId, VolumeId, WallMs } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { HostFacts } from "../../src/model/records.ts";
import type { ReplicaState } from "../../src/model/replication-records.ts";
import { type ApiHost, startApiHost } from "../support/api-host.ts";
import { begin } from "../support/cli-run.ts";
import { facts, held, host, pool, vm, vmId } from "../support/records.ts";

// What people may have got wrong, and what may befall a group, through the real command: each time a clear message, the
// running VM untouched, and the group's state true.

let api: ApiHost;
const web = vmId("web");
const disk = { volume: "web-0" as VolumeId, pool: "local" as PoolId, sizeMiB: 64, format: "raw" as const };
const localPool = { pool: "local" as PoolId, capacityMiB: 1_000, freeMiB: 500, unfit: null };
const subnet = (i: number, more: readonly object[] = []) => [
  { kind: "availability", address: `10.0.0.${i}`, subnet: "10.0.0.0/24" },
  ...more,
];
const member = (i: number, more: readonly object[] = []) =>
  api.put(keys.member(host(`h${i}`)), {
    ...{ schema: 1, id: `h${i}`, name: `h${i}`, role: "host", links: subnet(i, more), joinedAt: 0 },
  });
const factsOf = (name: string, more: Partial<HostFacts> = {}) =>
  api.put(keys.hostFacts(host(name)), facts({ pools: [localPool], ...more }));
const holdfast = (...line: readonly string[]) => begin(line, { HOLDFAST_SOCKET: api.socket }).ended;
const create = (name = "office", ...more: readonly string[]) =>
  holdfast("group", "create", name, "--from", "h1", "--to", "h2", "--vm", "web", ...more);
const copyIs = (state: ReplicaState) =>
  api.put(keys.replica(web, disk.volume, host("h2")), {
    ...{ schema: 1, vm: web, volume: disk.volume, host: "h2", epoch: 4, receiver: null },
    state,
  });
const untouched = async (): Promise<void> => {
  const known = vm("web");
  await api.put(keys.vm(web), { ...known, spec: { ...known.spec, disks: [disk] } });
  await api.put(keys.owner(web), held("h1", 1, 4));
};
const recorded = () => [api.view().owners.get(web)?.revision, api.view().vms.get(web)?.revision];

beforeEach(async () => {
  api = await startApiHost();
  await api.put(keys.pool("local" as PoolId), pool("local", "local-dir"));
  for (const i of [1, 2]) {
    await member(i);
    await factsOf(`h${i}`);
  }
  await untouched();
});
afterEach(() => api.close());

const guestCpu = (vendor: string): HostFacts["guestCpu"] => ({ vendor, model: "test", flags: [], models: {} }) as never;

test.each<[string, string, () => Promise<unknown>, readonly string[]]>([
  ["target pool too small", "group-no-room", () => factsOf("h2", { pools: [{ ...localPool, freeMiB: 63 }] }), []],
  ["quota too small", "group-quota-too-small", async () => undefined, ["--quota", "63M"]],
  [
    "image on removable storage",
    "group-pool-removable",
    () => factsOf("h1", { pools: [{ ...localPool, removable: true }] }),
    [],
  ],
  [
    "replica on removable storage",
    "group-pool-removable",
    () => factsOf("h2", { pools: [{ ...localPool, removable: true }] }),
    [],
  ],
  ["name in use", "group-name-taken", () => create(), []],
  [
    "processor that the target does not have",
    "group-target-processor",
    async () => {
      const known = vm("web");
      await api.put(keys.vm(web), { ...known, spec: { ...known.spec, disks: [disk], cpuModel: "EPYC" } });
      await factsOf("h2", { guestCpu: { ...guestCpu("GenuineIntel"), models: { EPYC: ["sse4a"] } } as never });
    },
    [],
  ],
  ["clocks apart", "group-clocks-apart", () => factsOf("h2", { clockOffsetMs: 2_000 }), []],
  [
    "same subnet for both links",
    "group-links-one-subnet",
    () => member(2, [{ kind: "management", address: "10.0.0.12", subnet: "10.0.0.0/24" }]),
    [],
  ],
])("refused at once: %s (%s)", async (what, code, change, more) => {
  if (what === "clocks apart") await factsOf("h1", { clockOffsetMs: 0 });
  await change();
  const [before, groups] = [recorded(), api.view().groups.size];
  const said = await create("office", ...more);
  expect([said.code, said.out]).toEqual([1, ""]);
  expect(said.err).toMatch(new RegExp(`^Cause: .+\nEffect: .+\nRemedy: .+\nCode: +${code}\n$`, "u"));
  expect([recorded(), api.view().groups.size]).toEqual([before, groups]);
});

test("refused at once: a VM that is protected already", async () => {
  expect((await create()).code).toBe(0);
  const before = [...recorded(), api.view().groups.get("office" as never)?.revision];
  const said = await create("second");
  expect(said.err).toMatch(
    /^Cause: .*protected by group office.*\nEffect: .+\nRemedy: .+\nCode: +group-vm-in-another\n$/u,
  );
  expect([...recorded(), api.view().groups.get("office" as never)?.revision]).toEqual(before);
});

test("across processor vendors a switchover is refused with that", async () => {
  await create();
  await copyIs({ kind: "in-sync" });
  await factsOf("h1", { guestCpu: guestCpu("GenuineIntel") });
  await factsOf("h2", { guestCpu: guestCpu("AuthenticAMD") });
  const before = recorded();
  const said = await holdfast("group", "switchover", "office");
  expect([said.code, said.err]).toEqual([1, expect.stringContaining("move-cpu-vendor-differs")]);
  expect(said.err).toContain("AuthenticAMD");
  expect(recorded()).toEqual(before);
});

const shown = async (): Promise<string> => (await holdfast("group", "show", "office")).out;
const stale: ReplicaState = { kind: "stale", cause: "silent", whole: true, at: 5 as WallMs };

test("the target's disk becomes full in mid-sync: the group says so, and what helps, until there is room", async () => {
  await create();
  await copyIs({ kind: "in-sync" });
  expect(await shown()).toMatch(/^Status +Normal$/mu);
  await factsOf("h2", { pools: [{ ...localPool, freeMiB: 0 }] });
  await copyIs(stale);
  const text = await shown();
  expect(text).toMatch(/^Status +Warning$/mu);
  expect(text).toMatch(/goes on without its copy on host h2.*\n +What is written meanwhile/u);
  expect(text).toMatch(/Pool local of host h2, .* has 0 MiB free\. \[S16\]\n +What has no place.*\n +Make room/u);
  await factsOf("h2");
  await copyIs({ kind: "in-sync" });
  expect(await shown()).toMatch(/^Status +Normal$/mu);
});

test("[S20] the group's own room is used up: no further point, and that is said", async () => {
  await create("office", "--quota", "80M");
  await copyIs({ kind: "in-sync" });
  const point = { schema: 1, vm: web, id: "p1", host: "h2", at: Date.now(), origin: "hand", consistency: "crash" };
  await api.put(keys.point(web, "p1"), { ...point, sizeMiB: 20, proof: null });
  const text = await shown();
  expect(text).toMatch(/^Status +Warning$/mu);
  expect(text).toMatch(
    /take 84 MiB .* of 80 MiB allowed\. \[S20\]\n +No further recovery point.*\n +Keep fewer points/u,
  );
});

test("[S21] the replica's file was edited from outside: the group tells what its host found", async () => {
  await create();
  await copyIs(stale);
  const params = { vm: web, volume: disk.volume, detail: "its size is another one" };
  await factsOf("h2", { copiesRefused: [{ vm: web, code: "replica-edited", params }] });
  const text = await shown();
  expect(text).toContain("Host h2 does not take the copies of VM web.");
  expect(text).toMatch(
    /volume web-0 of VM web was changed by somebody else: its size.*\n +None of .*\n +Find out who/u,
  );
  const checks = (await holdfast("cluster", "status")).out;
  expect(checks).toContain("was changed by somebody else");
});

test("[S25] clocks that go apart later, and another version, are said and not refused", async () => {
  await create();
  await copyIs({ kind: "in-sync" });
  await factsOf("h1", { clockOffsetMs: 0 });
  await factsOf("h2", { clockOffsetMs: 9_000 });
  expect(await shown()).toMatch(/clocks of hosts h1 and h2 are 9 s apart.*\n +It is copied as before.*\n +Let a time/u);
  await factsOf("h2", { versions: { holdfast: "2" } });
  expect(await shown()).toMatch(/^Status +Paused$/mu);
  expect(api.view().groups.has("office" as never)).toBe(true);
});

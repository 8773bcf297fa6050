import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { z } from "zod";
import { forecastSchema } from "../../src/api/contract/whatif.ts";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";

// What `whatif` says on a real cluster, and what then happens to it.

let lab: TestLab;
let vms: readonly TestVm[];

beforeAll(async () => {
  lab = await openTestLab(true);
  vms = [await lab.guest("web", 50, null), await lab.guest("db", 51, null), await lab.guest("log", 52, null)];
});
afterAll(async () => {
  await lab?.close();
});
afterEach(() => {
  expect(lab.watcher.doubleRuns).toEqual([]);
});

async function holdfast(...line: readonly string[]): Promise<string> {
  const { code, out, err } = await lab.holdfast(...line);
  expect({ line, code, err }).toEqual({ line, code: 0, err: "" });
  return out;
}

async function whatIf(...line: readonly string[]): Promise<z.infer<typeof forecastSchema>> {
  return forecastSchema.parse(JSON.parse(await holdfast("whatif", ...line, "--json")));
}

const places = () => new Map(vms.map((vm) => [vm.name, vm.owner().host as string]));
const on = (host: string) =>
  vms
    .filter((vm) => vm.owner().host === host)
    .map(({ name }) => name)
    .sort();

/** Each VM executes where it was foreseen to; one of which nothing was said, where it was before. */
async function expectCame(foreseen: z.infer<typeof forecastSchema>, before: ReadonlyMap<string, string>) {
  for (const vm of vms) {
    const told = foreseen.vms.find(({ name }) => name === vm.name);
    const expected = told === undefined ? before.get(vm.name) : told.to;
    const copy = await waitFor(`${vm.name} to execute where its owner is`, () => {
      const running = vm.running();
      const isOver = !lab.history.view.moves.has(vm.id);
      const hasLeft = told === undefined || told.becomes === "stays" || running?.host !== told.from;
      return isOver && hasLeft && running?.epoch === vm.owner().epoch ? running : undefined;
    });
    expect({ vm: vm.name, on: copy.host }).toEqual({ vm: vm.name, on: expected });
  }
}

it("[PL8] each host says what its QEMU can show to guests", () => {
  for (const { value } of lab.history.view.facts.values()) {
    expect(value.guestCpu?.models["qemu64"]).toEqual([]);
    expect(value.guestCpu?.flags).toContain("sse2");
  }
});

it("[FC1] what is foreseen of a host that loses its power is what then happens to it", async () => {
  const lost = vms[0]?.owner().host ?? "";
  const foreseen = await whatIf("host-loss", lost);
  expect(foreseen.vms.map(({ becomes }) => becomes)).toEqual(foreseen.vms.map(() => "restarts"));
  // Three VMs were started: how long that takes here is measured.
  expect(foreseen.steps.find(({ step }) => step === "start")?.samples).toBeGreaterThanOrEqual(3);
  expect(foreseen.vms.map(({ name }) => name).sort()).toEqual(on(lost));
  const before = places();
  await lab.fault("power-off", { host: lost });
  await expectCame(foreseen, before);
});

it("[FC1] what is foreseen of a maintenance is what then happens: who leaves, for where, and who cannot", async () => {
  await lab.settle();
  const emptied = vms[0]?.owner().host ?? "";
  // All on one host, and one of them bound to it.
  for (const { name } of vms.filter((vm) => vm.owner().host !== emptied))
    expect((await lab.holdfast("vm", "migrate", name, emptied)).code).toBe(0);
  await holdfast("rule", "add", "bound", "--host", emptied, "--strict", "--vm", "log", "--accept");
  const before = places();
  expect([...before.values()]).toEqual([emptied, emptied, emptied]);
  const foreseen = await whatIf("maintenance", emptied);
  const told = Object.fromEntries(foreseen.vms.map(({ name, becomes }) => [name, becomes]));
  expect(told).toEqual({ web: "moves", db: "moves", log: "stays" });
  // Both have moved here: how long that takes, and how long a guest stands still for it, is measured.
  for (const wanted of ["live-move", "pause"])
    expect(foreseen.steps.find(({ step }) => step === wanted)?.samples).toBeGreaterThanOrEqual(1);
  const { out } = await lab.holdfast("host", "maintenance", emptied);
  expect(out).toMatch(/^The plan:\n[\s\S]+\n2 left .+; on it stay log\.\n$/u);
  await expectCame(foreseen, before);
  await holdfast("rule", "remove", "bound");
  await holdfast("host", "release", emptied);
});

it("[FC1] what is foreseen of a link that is lost is what then happens: to moves alone, to one host, to all", async () => {
  await lab.settle();
  await waitFor("every move to be over", () => lab.history.view.moves.size === 0 || undefined);
  const all = lab.world.hosts.map(({ name }) => name);
  const cut = (hosts: readonly string[], link: string) =>
    Promise.all(hosts.map((host) => lab.fault("cut", { host, link })));

  const ofMoves = await whatIf("link-loss", "availability");
  expect([ofMoves.course.map(({ code }) => code), ofMoves.vms]).toEqual([["forecast-link-carries-no-store"], []]);
  const everybody = await whatIf("link-loss", "management");
  expect(everybody.course.map(({ code }) => code)).toEqual(["forecast-all-stand-still"]);
  expect(everybody.vms.map(({ becomes }) => becomes)).toEqual(vms.map(() => "stands-still"));
  const runs = vms.map((vm) => ({ name: vm.name, ...vm.owner() }));
  await cut(all, "availability");
  await cut(all, "management");
  await waitFor("all guests to stand still", () => vms.every((vm) => vm.running() === undefined) || undefined);
  await lab.settle();
  // Nobody was fenced, and each went on as the run that it was.
  expect(vms.map((vm) => ({ name: vm.name, ...vm.owner() }))).toEqual(runs);

  const lost = vms[0]?.owner().host ?? "";
  const foreseen = await whatIf("link-loss", `${lost}:management`);
  expect(foreseen.vms.map(({ name }) => name).sort()).toEqual(on(lost));
  expect(foreseen.vms.map(({ becomes }) => becomes)).toEqual(foreseen.vms.map(() => "restarts"));
  const before = places();
  await cut([lost], "management");
  await expectCame(foreseen, before);
});

it("[FC1] one host's link is lost while another host is off: all guests stand still, and each goes on as the run that it was", async () => {
  await lab.settle();
  const home = vms[0]?.owner().host ?? "";
  const off = lab.world.hosts.map(({ name }) => name).find((name) => name !== home) ?? "";
  const before = places();
  const withoutIt = await whatIf("host-loss", off);
  await lab.fault("power-off", { host: off });
  await expectCame(withoutIt, before);
  await waitFor(`${off} to be missed`, async () => {
    const { hosts } = JSON.parse(await holdfast("host", "list", "--json"));
    return (
      hosts.some(({ name, state }: { name: string; state: string }) => name === off && state !== "up") || undefined
    );
  });
  const foreseen = await whatIf("link-loss", `${home}:management`);
  expect(foreseen.course.map(({ code }) => code)).toEqual(["store-loses-majority", "forecast-all-stand-still"]);
  const still = vms.map(({ name }) => ({ name, becomes: "stands-still", to: places().get(name), loses: null }));
  expect(foreseen.vms).toHaveLength(vms.length);
  expect(foreseen.vms).toEqual(expect.arrayContaining(still.map((one) => expect.objectContaining(one))));
  const runs = vms.map((vm) => ({ name: vm.name, ...vm.owner() }));
  await lab.fault("cut", { host: home, link: "management" });
  await waitFor("all guests to stand still", () => vms.every((vm) => vm.running() === undefined) || undefined);
  await lab.fault("heal");
  await waitFor("all guests to go on", () => vms.every((vm) => vm.running() !== undefined) || undefined);
  expect(vms.map((vm) => ({ name: vm.name, ...vm.owner() }))).toEqual(runs);
});

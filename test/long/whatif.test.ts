import { afterAll, beforeAll, expect, it } from "vitest";
import { forecastSchema } from "../../src/api/contract/whatif.ts";
import { openTestLab, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";

let lab: TestLab;
let vms: readonly TestVm[];

beforeAll(async () => {
  lab = await openTestLab(true);
  vms = [await lab.guest("web", 50, null), await lab.guest("db", 51, null), await lab.guest("log", 52, null)];
});
afterAll(async () => {
  await lab?.close();
});

it("[PL8] each host says what its QEMU can show to guests", () => {
  for (const { value } of lab.history.view.facts.values()) {
    expect(value.guestCpu?.models["qemu64"]).toEqual([]);
    expect(value.guestCpu?.flags).toContain("sse2");
  }
});

it("[FC1] what is foreseen of a host that loses its power is what then happens to it", async () => {
  const lost = vms[0]?.owner().host ?? "";
  const { code, out, err } = await lab.holdfast("whatif", "host-loss", lost, "--json");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const { vms: foreseen, steps } = forecastSchema.parse(JSON.parse(out));
  expect(foreseen.map(({ becomes }) => becomes)).toEqual(foreseen.map(() => "restarts"));
  // Three VMs were started: how long that takes here is measured.
  expect(steps.find(({ step }) => step === "start")?.samples).toBeGreaterThanOrEqual(3);
  const before = new Map(vms.map((vm) => [vm.name, vm.owner()]));
  await lab.fault("power-off", { host: lost });
  const taken = new Set(foreseen.map(({ name }) => name));
  expect([...taken].sort()).toEqual(
    vms
      .map((vm) => vm.name)
      .filter((name) => before.get(name)?.host === lost)
      .sort(),
  );
  for (const vm of vms) {
    const expected = foreseen.find(({ name }) => name === vm.name)?.to ?? before.get(vm.name)?.host;
    await waitFor(`${vm.name} to execute`, () => {
      const copy = vm.running();
      return copy !== undefined && copy.host !== lost ? copy : undefined;
    });
    expect({ vm: vm.name, on: vm.owner().host }).toEqual({ vm: vm.name, on: expected });
  }
  expect(lab.watcher.doubleRuns).toEqual([]);
});

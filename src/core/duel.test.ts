import { expect, test } from "vitest";
import { held, host, incarnation, Records, vm, vmId } from "../../test/support/records.ts";
import type { HostId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { shootsAfter } from "./duel.ts";

const [h1, h2] = [host("h1"), host("h2")];
const device = { schema: 1, agent: "fence_x", options: {} };
const mode = (name: "restart" | "active", n = 1) => ({
  ...{ schema: 1, incarnation: n, mode: name, next: "nothing", at: 0 },
});

/** Each of two hosts has a device, and a VM without disks that the other one could start. */
function two(): Records {
  const records = new Records().host("h1").host("h2");
  for (const [name, at] of [
    ["web", "h1"],
    ["db", "h2"],
  ] as const) {
    records.put(keys.vm(vmId(name)), { ...vm(name), spec: { ...vm(name).spec, disks: [] } });
    records.put(keys.owner(vmId(name)), held(at, 1, 1));
  }
  return records.put(keys.fenceDevice(h1), device).put(keys.fenceDevice(h2), device);
}

test("[S23] the preferred host shoots first, the other one waits 10 s longer", () => {
  const { view } = two();
  const [first, second] = [shootsAfter(view, h1), shootsAfter(view, h2)];
  expect(first).toBeGreaterThanOrEqual(5_000);
  expect((second ?? 0) - (first ?? 0)).toBe(10_000);
});

const record = {
  schema: 1,
  cause: "self",
  by: "h2",
  heartbeatRevision: null,
  waitedMs: 0,
  device: "not-needed",
  at: 0,
};
test.each<readonly [string, (records: Records) => unknown]>([
  ["the other one has no device", (records) => (records.view.devices as Map<HostId, unknown>).delete(h2)],
  ["there is a third member", (records) => records.host("h3")],
  ["the other one is about to be back", (records) => records.put(keys.hostMode(h2), mode("restart"))],
  [
    "the other one left",
    (records) => records.put(keys.fence(h2, incarnation(1)), { ...record, proofs: ["last-word"] }),
  ],
  ["this one was never heard", (records) => (records.view.heartbeats as Map<HostId, unknown>).delete(h1)],
  ["the cluster is disarmed", (records) => records.put(keys.disarm, { schema: 1, mode: "freeze", by: actor, at: 0 })],
  ["no VM would gain by it", (records) => records.put(keys.owner(vmId("db")), held("h1", 1, 2))],
])("[S23] nobody is shot where %s", (_, meddle) => {
  const records = two();
  meddle(records);
  expect(shootsAfter(records.view, h1)).toBeUndefined();
});

test("[S23] what the other one said in an earlier life keeps nobody from it", () => {
  const records = two().put(keys.hostMode(h2), mode("restart", 0));
  expect(shootsAfter(records.view, h1)).toBeDefined();
});

const actor = { name: "root", role: "admin", requestId: "12345678" };

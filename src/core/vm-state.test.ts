import { expect, test } from "vitest";
import { fence, held, host, incarnation, Records, status, vm, vmId } from "../../test/support/records.ts";
import { keys } from "../model/keys.ts";
import type { VmStatus } from "../model/records.ts";
import { type HostSign, vmState } from "./vm-state.ts";

const db = vmId("db");
const nobody = () => undefined;

const signs = (sign: HostSign) => (id: string) => (id === "h1" ? sign : undefined);

function owned(phase: VmStatus["phase"] | undefined, epoch = 7): Records {
  const records = new Records()
    .host("h1")
    .put(keys.vm(db), vm("db"))
    .put(keys.owner(db), held("h1", 1, 7));
  return phase === undefined ? records : records.put(keys.vmStatus(db), status("h1", 1, epoch, phase));
}

test("a held VM is what its agent last saw of this very epoch", () => {
  expect(vmState(owned("running").view, db, nobody)).toBe("running");
  expect(vmState(owned("running", 6).view, db, nobody)).toBe("starting");
  expect(vmState(owned(undefined).view, db, nobody)).toBe("starting");
});

test("a VM of a silent host is lost, of a fenced one recovering", () => {
  expect(vmState(owned("running").view, db, signs("silent"))).toBe("lost");
  const fenced = owned("running").put(keys.fence(host("h1"), incarnation(1)), fence());
  expect(vmState(fenced.view, db, signs("silent"))).toBe("recovering");
});

test("[S2] a VM whose host knows it frozen stands still; of what a deaf host cannot hear nothing is known", () => {
  expect(vmState(owned("running").view, db, signs("frozen"))).toBe("frozen");
  expect(vmState(owned("running").view, db, signs("unheard"))).toBe("unknown");
  const stopped = new Records().host("h1").put(keys.vm(db), vm("db", { requested: "stopped" }));
  expect(vmState(stopped.view, db, signs("frozen"))).toBe("stopped");
});

test("a VM that nobody holds waits, has failed or is stopped", () => {
  const base = () => new Records().host("h1").put(keys.vm(db), vm("db"));
  const released = { ...held("h1", 1, 7), kind: "released", failed: "panicked" };
  expect(vmState(base().view, db, nobody)).toBe("waiting");
  expect(vmState(base().put(keys.owner(db), { ...released, failedHosts: ["h1"] }).view, db, nobody)).toBe("waiting");
  expect(vmState(base().put(keys.owner(db), { ...released, failedHosts: ["h1", "h2"] }).view, db, nobody)).toBe(
    "failed",
  );
  expect(vmState(base().put(keys.vm(db), vm("db", { requested: "stopped" })).view, db, nobody)).toBe("stopped");
});

import { describe, expect, test } from "vitest";
import { cluster, knowledge, none, written } from "../../test/support/decision-rig.ts";
import { epoch, fence, held, host, incarnation, plan, type Records, vm, vmId } from "../../test/support/records.ts";
import { keys } from "../model/keys.ts";
import { type Owner, systemActor } from "../model/records.ts";
import { decideVms } from "./decide-vms.ts";

const web = vmId("web");
const lies: Owner = {
  schema: 1,
  kind: "released",
  host: host("h1"),
  epoch: epoch(4),
  failed: null,
  failedHosts: [],
};

/** `web` is stopped and lay on h1; h2 has a VM already. */
const stopped = (): Records =>
  cluster("replicated", lies)
    .put(keys.vm(web), vm("web", { requested: "stopped" }))
    .put(keys.vm(vmId("db")), vm("db"))
    .put(keys.owner(vmId("db")), held("h2", 1, 1));

function newPlace(records: Records, lost: readonly string[] = ["h1"]): unknown {
  const known = { ...knowledge(records, { h1: 10_000 }), lost: new Set(lost.map(host)) };
  return written(decideVms(records.view, known, [], none), keys.owner(web));
}

describe("a VM that is stopped", () => {
  test("[PL7] lies elsewhere once its host is lost, chosen like any other; its epoch stays, nobody holds it", () => {
    expect(newPlace(stopped())).toEqual({ ...lies, host: "h3" });
  });

  test("[PL7] that the lost host still held lies elsewhere with its release, in one transaction", () => {
    const records = stopped()
      .put(keys.owner(web), held("h1", 1, 4))
      .put(keys.fence(host("h1"), incarnation(1)), fence());
    expect(newPlace(records)).toEqual({ ...lies, host: "h3", epoch: 5 });
  });

  test("[PL7] stays while its host is silent only", () => {
    expect(newPlace(stopped(), [])).toBeUndefined();
  });

  const stay: readonly (readonly [string, (records: Records) => Records])[] = [
    ["it is disabled", (records) => records.put(keys.vm(web), vm("web", { requested: "disabled" }))],
    ["it is held", (records) => records.put(keys.owner(web), held("h1", 1, 4))],
    ["it is locked", (records) => records.put(keys.vm(web), lockedVm())],
    ["it is in error", (records) => records.put(keys.vmPlan(web), plan({ error: { code: "x", params: {}, at: at0 } }))],
    ["its host is in maintenance", (records) => records.put(keys.maintenance(host("h1")), maintenance)],
    ["its host is awaited", (records) => records.put(keys.hostMode(host("h1")), restarts)],
    ["the cluster is disarmed", (records) => records.put(keys.disarm, disarm)],
  ];
  for (const [why, change] of stay)
    test(`[PL7] stays where it lay where ${why}`, () => {
      expect(newPlace(change(stopped()))).toBeUndefined();
    });
});

const at0 = 0 as never;
const lockedVm = () => ({ ...vm("web", { requested: "stopped" }), lock: { kind: "backup" as const, at: at0 } });
const maintenance = { schema: 1 as const, by: systemActor, reason: "", at: at0 };
const restarts = {
  schema: 1 as const,
  incarnation: incarnation(1),
  mode: "restart" as const,
  next: "reboot" as const,
  at: at0,
};
const disarm = { schema: 1 as const, mode: "freeze" as const, by: systemActor, at: at0 };

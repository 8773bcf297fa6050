import { describe, expect, test } from "vitest";
import { cluster, knowledge, none } from "../../test/support/decision-rig.ts";
import { epoch, host, incarnation, type Records, vmId } from "../../test/support/records.ts";
import { keys } from "../model/keys.ts";
import { type Owner, systemActor } from "../model/records.ts";
import { decideVms } from "./decide-vms.ts";

const web = vmId("web");
const ordered = { rule: "HM1", code: "ordered", params: { by: "root" } };
const maintenance = { schema: 1, by: systemActor, reason: "", at: 0 };

/** `web` is on its way from h1 to h2 by an order, and nobody holds it any more. */
function underWay(): Records {
  const free: Owner = {
    ...{ schema: 1, kind: "released", host: host("h1"), epoch: epoch(4) },
    ...{ failed: null, failedHosts: [] },
  };
  return cluster("replicated", free).put(keys.vmMove(web), {
    ...{ schema: 1, vm: web, kind: "migrate", from: "h1", incarnation: incarnation(1), epoch: 4, to: "h2" },
    ...{ reason: ordered, answer: { kind: "open" }, at: 0 },
  });
}

const placed = (records: Records) =>
  decideVms(records.view, knowledge(records), [], none)
    .decisions.flatMap(({ events }) => events)
    .find(({ type }) => type === "vm-placed");

describe("[S14] a VM that is free in the midst of its move says why it starts where it does", () => {
  test("where it was to go: for the sake of the move", () => {
    expect(placed(underWay())).toMatchObject({ params: { host: "h2" }, reason: ordered });
  });

  test("where it was, for the target cannot take it: it was ordered by nobody to start there", () => {
    const records = underWay().put(keys.maintenance(host("h2")), maintenance);
    expect(placed(records)).toMatchObject({
      params: { host: "h1" },
      reason: { rule: "S14", code: "starts-where-it-was", params: { vm: "web", host: "h1", to: "h2" } },
    });
  });

  test("on a third host, for neither can", () => {
    const records = underWay();
    for (const name of ["h1", "h2"]) records.put(keys.maintenance(host(name)), maintenance);
    expect(placed(records)).toMatchObject({
      params: { host: "h3" },
      reason: { rule: "S14", code: "starts-elsewhere-than-meant", params: { vm: "web", host: "h3", to: "h2" } },
    });
  });
});

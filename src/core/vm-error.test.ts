import { expect, test } from "vitest";
import { Records, vm, vmId } from "../../test/support/records.ts";
import { keys } from "../model/keys.ts";
import { vmError } from "./vm-error.ts";

test("[HM2] a VM that failed on too many hosts names each of them once", () => {
  const failed = ["h2", "h3", "h3"];
  const records = new Records().put(keys.vm(vmId("web")), vm("web", { maxRelocate: 2 })).put(keys.owner(vmId("web")), {
    ...{ schema: 1, kind: "released", host: "h3", epoch: 9, failed: "start-failed", failedHosts: failed },
  });
  expect(vmError(records.view, vmId("web"))).toEqual({
    code: "vm-gave-up",
    params: { vm: "web", hosts: "h2, h3", exit: "start-failed" },
    at: null,
  });
});

import { expect, test } from "vitest";
import { facts, heartbeat, held, host, incarnation, Records, vm, vmId } from "../../test/support/records.ts";
import type { WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { whyStartWaits } from "./start-waits.ts";

const web = vmId("web");
const wanted = { ...vm("web"), requested: "started" as const };
const at = 100_000 as WallMs;

function clusterWith(memoryForVmsMiB: number): Records {
  return new Records()
    .host("h1", 1)
    .put(keys.hostFacts(host("h1")), facts({ memoryForVmsMiB, incarnation: incarnation(1) }))
    .put(keys.heartbeat(host("h1"), incarnation(1)), heartbeat())
    .put(keys.vm(web), wanted);
}

const why = ({ view }: Records, isUp = true) => whyStartWaits(view, wanted, () => isUp, at)?.code;

test("[PL1] a start that no host takes says why, and one that some host takes, or has, nothing", () => {
  const { memoryMiB } = wanted.spec;
  expect(why(clusterWith(memoryMiB))).toBeUndefined();
  expect(why(clusterWith(memoryMiB - 1))).toBe("host-memory-short");
  expect(why(clusterWith(memoryMiB), false)).toBe("no-host-left");
  expect(why(clusterWith(0).put(keys.owner(web), held("h1", 1, 1)))).toBeUndefined();
  const view = clusterWith(0).view;
  expect(whyStartWaits(view, { ...wanted, requested: "stopped" }, () => true, at)).toBeUndefined();
});

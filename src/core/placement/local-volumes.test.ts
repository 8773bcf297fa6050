import { describe, expect, test } from "vitest";
import { choose, on, roundOf, whys } from "../../../test/support/placement-rig.ts";
import { fence, held, host, incarnation, pool, Records, status, vm, vmId } from "../../../test/support/records.ts";
import type { PoolId, VolumeId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { HostFacts } from "../../model/records.ts";
import { whyUnfit } from "./select.ts";

const fast = "fast" as PoolId;
const leave = { preference: "stay", without: host("h1"), live: true } as const;
const disk = { volume: "web-0" as VolumeId, pool: fast, sizeMiB: 500, format: "raw" as const };

/** A VM that runs on h1, with its disk in a local pool that each of h1, h2 and h3 has. */
function cluster(freeMiB: Record<string, number> = {}): Records {
  const records = new Records().put(keys.pool(fast), pool("fast", "local-dir"));
  for (const name of ["h1", "h2", "h3"]) {
    records.host(name);
    const facts = records.view.facts.get(host(name))?.value as HostFacts;
    const room = { pool: fast, capacityMiB: 9_000, freeMiB: freeMiB[name] ?? 9_000, unfit: null };
    records.put(keys.hostFacts(host(name)), { ...facts, pools: [room] });
  }
  const base = vm("web");
  records.put(keys.vm(vmId("web")), { ...base, spec: { ...base.spec, disks: [disk] } });
  records.put(keys.owner(vmId("web")), held("h1", 1, 1));
  return records.put(keys.vmStatus(vmId("web")), status("h1", 1, 1, "running"));
}

describe("a VM whose disks lie in a local pool", () => {
  test("[PL1, S15] starts nowhere else: not stopped, not lost, not wherever there is room", () => {
    const records = cluster().put(keys.fence(host("h1"), incarnation(1)), fence());
    const placement = choose(roundOf(records), "web", { preference: "best", without: host("h1") });
    expect(on(placement)).toBe("nowhere");
    expect(whys(placement)).toMatchObject({ h2: "volume-elsewhere", h3: "volume-elsewhere" });
  });

  test("[S8] nor is it said that it could start elsewhere while its host is only silent", () => {
    expect(on(choose(roundOf(cluster()), "web", { preference: "best", without: host("h1") }))).toBe("nowhere");
  });

  test("[PL1] goes along with its guest to where the pool has room", () => {
    const placement = choose(roundOf(cluster({ h2: 499 })), "web", leave);
    expect(on(placement)).toBe("h3");
    expect(whys(placement)).toMatchObject({ h2: "pool-short" });
    const { view } = cluster({ h2: 499 });
    const round = roundOf(cluster({ h2: 499 }));
    const web = view.vms.get(vmId("web"));
    expect(web && whyUnfit(round, web.value, host("h2"), { live: true })).toMatchObject({
      code: "pool-short",
      params: { neededMiB: 500, freeMiB: 499, pool: "fast" },
    });
  });

  test("[S15] does not where its guest is paused, or its host is fenced", () => {
    const paused = cluster().put(keys.vmStatus(vmId("web")), status("h1", 1, 1, "paused"));
    expect(on(choose(roundOf(paused), "web", leave))).toBe("nowhere");
    const lost = cluster().put(keys.fence(host("h1"), incarnation(1)), fence());
    expect(on(choose(roundOf(lost), "web", leave))).toBe("nowhere");
  });
});

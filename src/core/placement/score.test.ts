import { describe, expect, test } from "vitest";
import { now } from "../../../test/support/decision-rig.ts";
import { choose, on, roundOf, whys } from "../../../test/support/placement-rig.ts";
import { held, host, Records, vm, vmId } from "../../../test/support/records.ts";
import { keys } from "../../model/keys.ts";
import { otherFigures } from "./notice.ts";
import { assign } from "./round.ts";

const best = { preference: "best" } as const;
const big = { memoryForVmsMiB: 100_000, memoryMiB: 100_000, cores: 10 };

/** h1 and h2, with h1 of the size given, and a policy of the mode. */
function cluster(mode: string, h1 = big): Records {
  const records = new Records().host("h1", 1, h1).host("h2", 1, big);
  records.put(keys.policy, { schema: 1, hostReserveMiB: 0, scheduler: { mode } });
  return records.put(keys.vm(vmId("new")), sized("new", 2, 10_000));
}

function sized(name: string, cpus: number, memoryMiB: number) {
  const base = vm(name, { memoryMiB });
  return { ...base, spec: { ...base.spec, cpus } };
}

const put = (records: Records, name: string, at: string, cpus: number, memoryMiB: number): Records =>
  records.put(keys.vm(vmId(name)), sized(name, cpus, memoryMiB)).put(keys.owner(vmId(name)), held(at, 1, 1));

function uses(
  records: Records,
  at: string,
  cores: number,
  memoryMiB: number,
  vms: Record<string, object> = {},
): Records {
  const record = { schema: 1, incarnation: 1, host: { cores, memoryMiB }, vms, at: 0 };
  return records.put(keys.hostUsage(host(at)), record);
}

describe("static", () => {
  test("[PL4] the host that is left most even, by configured sizes: not the one with fewer VMs", () => {
    const records = cluster("static");
    put(records, "huge", "h1", 8, 60_000);
    put(records, "a", "h2", 1, 100);
    put(records, "b", "h2", 1, 100);
    const placed = choose(roundOf(records), "new", best);
    expect(on(placed)).toBe("h2");
    // Both criteria and peaks are best on h2 and worst on h1.
    expect(placed.alternatives[0]?.why).toEqual({
      rule: "PL4",
      code: "host-scores-less",
      params: { host: "h1", score: 0, best: 1, mode: "static" },
    });
    records.put(keys.policy, { schema: 1, hostReserveMiB: 0, scheduler: { mode: "basic" } });
    expect(on(choose(roundOf(records), "new", best))).toBe("h1");
  });

  test("[PL4] equal states are a tie of ids, and what this round placed counts for the next one", () => {
    const records = cluster("static").put(keys.vm(vmId("next")), sized("next", 2, 10_000));
    const round = roundOf(records);
    const first = choose(round, "new", best);
    expect([on(first), whys(first)]).toEqual(["h1", { h2: "host-scores-alike" }]);
    assign(round, sized("new", 2, 10_000), host("h1"));
    expect(on(choose(round, "next", best))).toBe("h2");
  });

  test("[PL4] memory weighs more than cores: weights 5 and 10 against 1 and 2", () => {
    const records = cluster("static");
    put(records, "cores", "h1", 9, 100);
    put(records, "memory", "h2", 1, 9_000);
    expect(on(choose(roundOf(records), "new", best))).toBe("h1");
  });
});

describe("dynamic", () => {
  test("[PL4] what is measured counts, and VMs that are about to run there with what they are configured", () => {
    const records = uses(uses(cluster("dynamic"), "h1", 1, 20_000), "h2", 1, 15_000);
    expect(on(choose(roundOf(records), "new", best))).toBe("h2");
    put(records, "starting", "h2", 2, 10_000);
    expect(on(choose(roundOf(records), "new", best))).toBe("h1");
    // Once it is among what was measured, it counts no more by itself.
    uses(records, "h2", 1, 15_500, { [vmId("starting")]: { cores: 0.1, memoryMiB: 500 } });
    expect(on(choose(roundOf(records), "new", best))).toBe("h2");
  });

  test("[PL4] without the figures of a host that is there the number decides, and that is said", () => {
    const records = uses(cluster("dynamic"), "h1", 9, 90_000);
    put(records, "a", "h2", 1, 100);
    const round = roundOf(records);
    expect(on(choose(round, "new", best))).toBe("h1");
    expect(otherFigures(round)?.event).toMatchObject({
      type: "scheduler-falls-back",
      params: { mode: "basic", wanted: "dynamic" },
      reason: { code: "host-use-unknown", params: { host: "h2" } },
    });
    // A host that is away needs no figures, and an earlier incarnation's are none.
    expect(otherFigures(roundOf(records, {}, { h2: now }))).toBeUndefined();
    records.put(keys.hostUsage(host("h2")), {
      schema: 1,
      incarnation: 7,
      host: { cores: 0, memoryMiB: 0 },
      vms: {},
      at: 0,
    });
    expect(otherFigures(roundOf(records))?.event.reason?.params).toEqual({ host: "h2" });
  });
});

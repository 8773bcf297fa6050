import { describe, expect, test } from "vitest";
import { choose, on, roundOf, whys } from "../../../test/support/placement-rig.ts";
import { epoch, held, host, incarnation, Records, vm, vmId } from "../../../test/support/records.ts";
import { keys } from "../../model/keys.ts";
import type { Owner, Vm } from "../../model/records.ts";
import { assign } from "./round.ts";
import { whyUnfit } from "./select.ts";

const best = { preference: "best" } as const;
const stay = { preference: "stay" } as const;
const next = { preference: "try-next" } as const;
const actor = { name: "ada", role: "admin", requestId: "1" };

/** h1, h2, h3 up, and VMs by name with where they are held; null: free. */
function cluster(vms: Record<string, string | null>, more: Record<string, Parameters<typeof vm>[1]> = {}): Records {
  const records = new Records();
  for (const name of ["h1", "h2", "h3"]) records.host(name);
  for (const [name, at] of Object.entries(vms)) {
    records.put(keys.vm(vmId(name)), vm(name, more[name]));
    if (at !== null) records.put(keys.owner(vmId(name)), held(at, 1, 1));
  }
  return records;
}

const released = (at: string, failedHosts: string[] = []): Owner => ({
  schema: 1,
  kind: "released",
  host: host(at),
  epoch: epoch(3),
  failed: failedHosts.length === 0 ? null : "start-failed",
  failedHosts: failedHosts.map(host),
});

const maintenance = { schema: 1, by: actor, reason: "", at: 0 };
const mode = (mode: string, n = 1) => ({ schema: 1, incarnation: incarnation(n), mode, next: "reboot", at: 0 });
const losses = (quarantinedUntil: number | null) => ({ schema: 1, counted: 1, at: [], quarantinedUntil });

describe("which hosts can take a VM", () => {
  test("[PL1, HM6] none in maintenance or about to go, one in quarantine as the last resort; what holds a VM keeps it unless it is left by word", () => {
    const records = cluster({ web: "h1", new: null })
      .put(keys.hostLosses(host("h1")), losses(1))
      .put(keys.maintenance(host("h2")), maintenance)
      .put(keys.hostMode(host("h3")), mode("leaving"));
    const placed = choose(roundOf(records), "new", best);
    expect(on(placed)).toBe("h1");
    expect(whys(placed)).toEqual({ h2: "host-in-maintenance", h3: "host-mode-not-active" });
    expect(on(choose(roundOf(records), "web", stay))).toBe("h1");
    records.put(keys.hostLosses(host("h1")), losses(0)).put(keys.hostMode(host("h3")), mode("shutdown", 7));
    const open = choose(roundOf(records.put(keys.hostLosses(host("h1")), losses(1))), "new", best);
    expect([on(open), whys(open)["h1"]]).toEqual(["h3", "host-quarantined"]);
    records.put(keys.hostLosses(host("h1")), losses(0));
    // Its time is over by this host's wall clock (0), and another incarnation's word counts no more.
    expect(on(choose(roundOf(records), "new", best))).toBe("h3");
    records.put(keys.maintenance(host("h1")), maintenance);
    expect(on(choose(roundOf(records), "web", stay))).toBe("h3");
  });

  test("[PL1] a held VM is not driven away by silence, a restart, or memory that its host no longer has", () => {
    const records = cluster({ web: "h1" }, { web: { memoryMiB: 1_000 } });
    expect(on(choose(roundOf(records, {}, { h1: 4_000 }), "web", stay))).toBe("h1");
    records.put(keys.hostMode(host("h1")), mode("restart"));
    expect(on(choose(roundOf(records), "web", stay))).toBe("h1");
    records.put(keys.vm(vmId("web")), vm("web", { memoryMiB: 5_000 }));
    expect(on(choose(roundOf(records), "web", stay))).toBe("h1");
    records.put(keys.hostMode(host("h1")), mode("leaving"));
    expect(on(choose(roundOf(records), "web", stay))).toBe("nowhere");
  });

  test("[PL1] memory counts where a VM is held, where it moves to, and where this round sends it", () => {
    const big = { memoryMiB: 600 };
    const records = cluster({ a: "h1", b: null, c: null, d: null }, { a: big, b: big, c: big, d: big });
    records.put(keys.vmMove(vmId("a")), {
      schema: 1,
      vm: vmId("a"),
      kind: "relocate",
      from: host("h1"),
      incarnation: 1,
      epoch: 1,
      to: host("h2"),
      reason: { rule: "PL2", code: "vm-stays", params: {} },
      answer: { kind: "open" },
      at: 0,
    });
    const round = roundOf(records);
    expect(whys(choose(round, "b", best))).toEqual({ h1: "host-memory-short", h2: "host-memory-short" });
    assign(round, vm("b", big), host("h3"));
    expect(on(choose(round, "c", best))).toBe("nowhere");
    // Its own room is no obstacle to itself.
    expect(on(choose(round, "b", best))).toBe("h3");
  });
});

test("[PL1, PL2] one host alone: why it cannot take the VM, whatever would be better", () => {
  const records = cluster({ a: null, b: "h2" }).put(keys.maintenance(host("h3")), maintenance);
  const round = roundOf(records, { classes: { a: { h1: 0, "*": 1 } }, apart: [["a", "b"]] });
  const codes = ["h1", "h2", "h3", "h9"].map((name) => whyUnfit(round, vm("a"), host(name))?.code);
  expect(codes).toEqual([undefined, "host-has-vm-apart", "host-in-maintenance", "host-never-registered"]);
});

describe("which of them is taken", () => {
  test("[PL2] the highest class of the rules before the score; the others say that they are in a lower one", () => {
    const rules = { classes: { web: { h1: 1, h2: 2, h3: 2 } } };
    const placed = choose(roundOf(cluster({ web: null, x: "h2" }), rules), "web", best);
    expect(on(placed)).toBe("h3");
    expect(whys(placed)).toEqual({ h1: "host-in-lower-class", h2: "host-has-more-vms" });
    const strict = choose(roundOf(cluster({ web: null }), { classes: { web: { h2: 0 } } }), "web", best);
    expect(on(strict)).toBe("h2");
    expect(whys(strict)).toEqual({ h1: "host-not-allowed", h3: "host-not-allowed" });
  });

  test("[PL2] a VM stays in the best class that is there, and leaves a lower one when a better returns (failback)", () => {
    const rules = { classes: { web: { h1: 2, "*": -1 } } };
    const records = cluster({ web: "h2" });
    expect(on(choose(roundOf(records, rules, { h1: 9_000 }), "web", stay))).toBe("h2");
    expect(on(choose(roundOf(records, rules), "web", stay))).toBe("h1");
    records.put(keys.vm(vmId("web")), vm("web", { failback: false }));
    const kept = choose(roundOf(records, rules), "web", stay);
    expect(on(kept)).toBe("h2");
    expect(whys(kept)).toMatchObject({ h1: "vm-stays" });
    expect(on(choose(roundOf(records, { classes: { web: { h1: 2 } } }), "web", stay))).toBe("h1");
  });

  test("[PL2] a VM that ran starts where it ran, if that is fit", () => {
    const records = cluster({ web: null, x: "h2" }).put(keys.owner(vmId("web")), released("h2"));
    expect(on(choose(roundOf(records), "web", stay))).toBe("h2");
    expect(on(choose(roundOf(records, {}, { h2: 9_000 }), "web", stay))).toBe("h1");
    expect(on(choose(roundOf(records), "web", best))).toBe("h1");
  });

  test("[PL2] what belongs together goes where most of it is, ties by id; apart is never where another is or goes to", () => {
    const together = { together: [["a", "b", "c"]] };
    expect(on(choose(roundOf(cluster({ a: null, b: "h3", c: "h2" }), together), "a", best))).toBe("h2");
    expect(on(choose(roundOf(cluster({ a: "h1", b: "h3", c: "h3" }), together), "a", stay))).toBe("h3");
    expect(on(choose(roundOf(cluster({ a: "h1", b: "h3", c: "h3" }), together, { h3: 3_000 }), "a", stay))).toBe("h1");
    const apart = { apart: [["a", "b", "c"]] };
    const placed = choose(roundOf(cluster({ a: null, b: "h1", c: "h2" }), apart), "a", best);
    expect([on(placed), whys(placed)]).toEqual(["h3", { h1: "host-has-vm-apart", h2: "host-has-vm-apart" }]);
    const round = roundOf(cluster({ a: "h1", b: "h1", c: null }), apart);
    assign(round, vm("b"), host("h2"));
    expect(on(choose(round, "c", best))).toBe("h3");
  });

  test("[PL2] a host whose class is higher but that is kept apart makes way for the next class", () => {
    const rules = { classes: { a: { h1: 1, "*": -1 } }, apart: [["a", "b"]] };
    expect(on(choose(roundOf(cluster({ a: null, b: "h1" }), rules), "a", best))).toBe("h2");
  });

  test("[PL2] a VM goes back to the host that it left for maintenance, without failback only where the policy says always", () => {
    const back = { ...stay, returnTo: host("h3") };
    const records = cluster({ web: "h1" });
    const returned = choose(roundOf(records), "web", back);
    expect([on(returned), whys(returned)]).toEqual(["h3", { h1: "vm-goes-back", h2: "vm-goes-back" }]);
    records.put(keys.vm(vmId("web")), vm("web", { failback: false }));
    expect(on(choose(roundOf(records), "web", back))).toBe("h3");
    records.put(keys.policy, { schema: 1, hostReserveMiB: 0, returnAfterMaintenance: "as-failback" });
    expect(on(choose(roundOf(records), "web", back))).toBe("h1");
  });

  test("[PL2] a group that left together goes back together, none waiting for the others", () => {
    const records = cluster({ a: "h1", b: "h1" });
    const plan = { schema: 1, error: null, returnTo: host("h3"), failedMoves: null };
    for (const name of ["a", "b"]) records.put(keys.vmPlan(vmId(name)), plan);
    const together = { together: [["a", "b"]] };
    const back = { ...stay, returnTo: host("h3") };
    const round = roundOf(records, together);
    expect(on(choose(round, "a", back))).toBe("h3");
    assign(round, vm("a"), host("h3"));
    expect(on(choose(round, "b", back))).toBe("h3");
    expect(on(choose(roundOf(records, together, { h3: 9_000 }), "a", back))).toBe("h1");
  });
});

describe("after failures", () => {
  const failing = (vmMore: Partial<Vm>, owner: Owner): Records =>
    cluster({ web: null }, { web: (vmMore as Parameters<typeof vm>[1]) ?? {} }).put(keys.owner(vmId("web")), owner);

  test("[PL3] hosts where it failed come last, and a lower class has its turn before they are tried again", () => {
    const rules = { classes: { web: { h1: 2, h2: 1 } } };
    const placed = choose(roundOf(failing({}, released("h1", ["h1"])), rules), "web", next);
    expect([on(placed), whys(placed)]).toEqual(["h2", { h1: "vm-failed-here", h3: "host-not-allowed" }]);
  });

  test("[PL3] where it failed everywhere it is tried where it is, as often as maxRelocate allows", () => {
    const rules = { classes: { web: { h1: 2, h2: 1 } } };
    const all = released("h2", ["h1", "h2"]);
    const again = choose(roundOf(failing({ maxRelocate: 2 }, all), rules), "web", next);
    expect([on(again), whys(again)]).toEqual(["h2", { h1: "vm-tried-again", h3: "host-not-allowed" }]);
    const given = choose(roundOf(failing({ maxRelocate: 1 }, all), rules), "web", next);
    expect([on(given), whys(given)["h1"]]).toEqual(["nowhere", "vm-failed-here"]);
  });

  test("[PL3] the next one after the failed host in the order of the scores, for a host that stays in the list", () => {
    const records = cluster({ web: "h2", x: "h1", y: "h1" });
    expect(on(choose(roundOf(records), "web", next))).toBe("h1");
    expect(on(choose(roundOf(records.put(keys.vm(vmId("z")), vm("z"))), "web", best))).toBe("h3");
  });
});

test("[PL1] of many hosts, those that lost for one reason are told together", () => {
  const records = cluster({ web: null });
  for (let n = 10; n < 40; n++) records.host(`h${n}`);
  const placed = choose(roundOf(records), "web", best);
  expect(on(placed)).toBe("h1");
  expect(placed.alternatives).toEqual([
    {
      option: "h10 and 31 more",
      why: { rule: "PL4", code: "host-later-in-order", params: { host: "h10", vms: 0, best: 0, others: 31 } },
    },
  ]);
});

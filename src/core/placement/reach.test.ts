import { expect, test } from "vitest";
import { choose, on, roundOf, type ShortRules, whys } from "../../../test/support/placement-rig.ts";
import { held, host, member, plan, Records, vm, vmId } from "../../../test/support/records.ts";
import { keys } from "../../model/keys.ts";
import { defaultPolicy } from "../../model/policy.ts";
import { systemActor } from "../../model/records.ts";

// Where a guest goes as it runs: to hosts that it gets to, before those to which it hardly would (HM2).

const web = vmId("web");
const leaves = { preference: "stay", without: host("h1"), live: true } as const;
const link = (net: number, number: number) => {
  return { kind: "migration" as const, address: `10.0.${net}.${number}`, subnet: `10.0.${net}.0/24` };
};

/** `web` runs on h1; h2, which is empty, is best, then h3, then h4. */
function cluster(failed?: Partial<NonNullable<Parameters<typeof plan>[0]>["failedMoves"]>): Records {
  const records = new Records();
  for (const number of [1, 2, 3, 4])
    records.host(`h${number}`).put(keys.member(host(`h${number}`)), member(`h${number}`, { links: [link(1, number)] }));
  for (const [name, at] of [
    ["web", "h1"],
    ["a", "h3"],
    ["b", "h4"],
    ["c", "h4"],
  ] as const)
    records.put(keys.vm(vmId(name)), vm(name)).put(keys.owner(vmId(name)), held(at, 1, 1));
  if (failed !== undefined)
    records.put(keys.vmPlan(web), plan({ failedMoves: { count: 1, to: host("h2"), code: "move-no-link", ...failed } }));
  return records;
}

const left = (records: Records, rules: ShortRules = {}) => choose(roundOf(records, rules), "web", leaves);

test("[HM2] what failed comes after what did not, the longest ago first, and is taken where nothing else is left", () => {
  expect(on(left(cluster()))).toBe("h2");
  const once = left(cluster({ targets: [host("h2")] }));
  expect(on(once)).toBe("h3");
  expect(whys(once)["h2"]).toBe("host-move-failed");
  expect(on(left(cluster({ targets: [host("h3"), host("h2")] })))).toBe("h4");
  expect(on(left(cluster({ targets: [host("h3"), host("h4"), host("h2")] })))).toBe("h3");
  const only = cluster({ targets: [host("h2")] });
  for (const name of ["h3", "h4"])
    only.put(keys.maintenance(host(name)), { schema: 1, by: systemActor, reason: "", at: 0 });
  only.put(keys.vmPlan(web), plan({ failedMoves: { count: 1, to: host("h2"), code: "move-no-link" } }));
  expect(on(left(only))).toBe("h2");
});

test("[HM2] an older version's record counts by its code; what lies with the guest or a person speaks against no target", () => {
  expect(on(left(cluster({ code: "move-broke-off" })))).toBe("h3");
  for (const code of ["move-cancelled", "move-target-leaves", "move-guest-stands", "vm-did-not-stop"])
    expect([code, on(left(cluster({ code })))]).toEqual([code, "h2"]);
});

test("[HM2] what failed before something changed that moves depend on counts no more", () => {
  const records = cluster({ targets: [host("h2")] });
  records.put(keys.policy, { ...defaultPolicy, movesPerHostMax: 3 });
  expect(on(left(records))).toBe("h2");
});

test("[HM2] a target that failed comes last as well once a host is to become empty: that mends no target", () => {
  const records = cluster({ targets: [host("h2")] });
  records.put(keys.maintenance(host("h1")), { schema: 1, by: systemActor, reason: "", at: 0 });
  expect(on(left(records))).toBe("h3");
});

test("[HM2] links that were seen cut when the host was to be empty, or that are none at all, speak against a target", () => {
  const seen = { schema: 1, by: systemActor, reason: "", at: 0, unreached: [host("h2")] };
  const cut = left(cluster().put(keys.maintenance(host("h1")), seen));
  expect([on(cut), whys(cut)["h2"]]).toEqual(["h3", "host-links-cut"]);
  const elsewhere = cluster().put(keys.member(host("h2")), member("h2", { links: [link(2, 2)] }));
  const apart = left(elsewhere);
  expect([on(apart), whys(apart)["h2"]]).toEqual(["h3", "host-without-link"]);
  // One that failed is nearer than one that no link leads to.
  const nearer = left(elsewhere.put(keys.vmPlan(web), plan({ failedMoves: { count: 1, to: host("h3"), code: "x" } })), {
    classes: { web: { h2: 0, h3: 0 } },
  });
  expect(on(nearer)).toBe("h3");
});

test("[HM2] a better class comes later where the guest has to leave; by a rule alone it is tried again", () => {
  const classes = { web: { h1: 0, h2: 2, h3: 1 } };
  expect(on(left(cluster(), { classes }))).toBe("h2");
  const failed = left(cluster({}), { classes });
  expect([on(failed), whys(failed)["h2"]]).toEqual(["h3", "host-move-failed"]);
  const follows = (records: Records) =>
    on(choose(roundOf(records, { classes }), "web", { preference: "stay", live: true }));
  expect(follows(cluster({}))).toBe("h2");
  const alike = { web: { h1: 0, h2: 2, h3: 2 } };
  expect(on(choose(roundOf(cluster({}), { classes: alike }), "web", { preference: "stay", live: true }))).toBe("h3");
});

test("[HM2] what it belongs together with is gone after all the same, and so is the host that it left", () => {
  const together = [["web", "d"]];
  const records = cluster({})
    .put(keys.vm(vmId("d")), vm("d"))
    .put(keys.owner(vmId("d")), held("h2", 1, 1));
  expect(on(left(records, { together }))).toBe("h2");
  const returns = { preference: "stay", returnTo: host("h2"), live: true } as const;
  expect(on(choose(roundOf(cluster({})), "web", returns))).toBe("h2");
});

test("[HM2] one that does not go as it runs is placed without a thought of links", () => {
  expect(on(choose(roundOf(cluster({})), "web", { preference: "stay", without: host("h1") }))).toBe("h2");
});

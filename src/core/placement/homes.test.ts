import { describe, expect, test } from "vitest";
import { choose, on, roundOf, type ShortRules } from "../../../test/support/placement-rig.ts";
import { epoch, held, host, Records, vm, vmId } from "../../../test/support/records.ts";
import { keys } from "../../model/keys.ts";
import type { Owner } from "../../model/records.ts";
import { assign, numberOn } from "./round.ts";

const lies = (at: string, failedHosts: string[] = []): Owner => ({
  schema: 1,
  kind: "released",
  host: host(at),
  epoch: epoch(1),
  failed: null,
  failedHosts: failedHosts.map(host),
});

/** Three hosts, and VMs that are wanted and lie where it says. */
function lying(where: Record<string, string>): Records {
  const records = new Records();
  for (const name of ["h1", "h2", "h3"]) records.host(name);
  for (const [name, at] of Object.entries(where))
    records.put(keys.vm(vmId(name)), vm(name)).put(keys.owner(vmId(name)), lies(at));
  return records;
}

function starts(records: Records, name: string, rules: ShortRules = {}): string {
  return on(choose(roundOf(records, rules), name, { preference: "stay" }));
}

describe("VMs that are to start where they lie", () => {
  test("[PL2] are reckoned with before they have a host: the first of two that are apart makes way", () => {
    const rules = { apart: [["a", "b"]] };
    expect(starts(lying({ a: "h1", b: "h1" }), "a", rules)).toBe("h2");
    expect(starts(lying({ a: "h1" }), "a", rules)).toBe("h1");
    const round = roundOf(lying({ a: "h1", b: "h1" }), rules);
    const a = round.view.vms.get(vmId("a"))?.value;
    if (a !== undefined) assign(round, a, host("h2"));
    expect(on(choose(round, "b", { preference: "stay" })), "it still lies there, and goes there").toBe("h3");
  });

  test("[PL2] draw those that belong together with them", () => {
    expect(starts(lying({ a: "h1", b: "h3" }), "a", { together: [["a", "b"]] })).toBe("h3");
  });

  test("[PL4] count for the score until they are placed, once each", () => {
    const records = lying({ a: "h1", b: "h2", c: "h2" }).put(keys.vm(vmId("new")), vm("new"));
    expect(on(choose(roundOf(records), "new", { preference: "best" }))).toBe("h3");
    const round = roundOf(records);
    const numbers = () => round.slots.map(numberOn);
    expect(numbers()).toEqual([1, 2, 0]);
    const b = round.view.vms.get(vmId("b"))?.value;
    if (b !== undefined) assign(round, b, host("h3"));
    expect(numbers()).toEqual([1, 1, 1]);
  });

  test("[PL1] keep no room: whoever is placed first has it", () => {
    const records = lying({ a: "h1", b: "h1" });
    records.host("h1", 1, { memoryForVmsMiB: 256 });
    expect(starts(records, "a")).toBe("h1");
    expect(starts(records, "b")).toBe("h1");
  });

  test("[PL2] do not count where they cannot or will not start: stopped, failed, held, or where nobody is heard", () => {
    const rules = { apart: [["a", "b"]] };
    const others: readonly ((records: Records) => Records)[] = [
      (records) => records.put(keys.vm(vmId("b")), vm("b", { requested: "stopped" })),
      (records) => records.put(keys.owner(vmId("b")), lies("h1", ["h1"])),
      (records) => records.put(keys.owner(vmId("b")), held("h2", 1, 1)),
      (records) => records.put(keys.vm(vmId("b")), vm("b", { memoryMiB: 1_000_000 })),
    ];
    for (const change of others) expect(starts(change(lying({ a: "h1", b: "h1" })), "a", rules)).toBe("h1");
    const silent = roundOf(lying({ a: "h1", b: "h3" }), { together: [["a", "b"]] }, { h3: 10_000 });
    expect(on(choose(silent, "a", { preference: "stay" }))).toBe("h1");
  });
});

import { describe, expect, test } from "vitest";
import { ManagerRig } from "../../test/support/manager-rig.ts";
import { host, incarnation, pool, Records, vm, vmId } from "../../test/support/records.ts";
import type { PoolId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { promisedBy } from "./doubts.ts";

const names = ["h1", "h2", "h3"];

/** A leader of hosts that each have room for one of its VMs; `web` was to be placed, and nobody knows whether it was. */
function inDoubt() {
  const records = names.reduce((made, name) => made.host(name), new Records());
  records.put(keys.pool("shared" as PoolId), pool("shared", "replicated"));
  const leader = new ManagerRig(records);
  const asked = new Map<string, { readonly id: number; readonly record: unknown }>();
  const wait = (rounds: number): void => {
    for (let i = 0; i < rounds; i++) {
      for (const name of names) {
        const key = keys.heartbeat(host(name), incarnation(1));
        const before = records.view.heartbeats.get(host(name))?.get(incarnation(1))?.value;
        records.put(key, { ...before, seq: records.view.revision } as never);
      }
      leader.wait(250);
      for (const effect of leader.effects)
        if (effect.kind === "commit")
          for (const write of effect.transaction.writes)
            if (write.kind === "put") asked.set(write.key, { id: effect.id, record: JSON.parse(write.text) });
    }
  };
  const want = (name: string): void => {
    records.put(keys.vm(vmId(name)), vm(name, { memoryMiB: 800 }));
  };
  const hostAskedFor = (name: string): unknown =>
    (asked.get(keys.owner(vmId(name)))?.record as { readonly host: string } | undefined)?.host;
  wait(1);
  leader.leads();
  want("web");
  wait(4);
  const id = asked.get(keys.owner(vmId("web")))?.id ?? 0;
  leader.tell({ kind: "commit-ended", id, end: { kind: "unknown", cause: "test" } });
  return { records, leader, wait, want, hostAskedFor, on: hostAskedFor("web") };
}

describe("a placement whose outcome is unknown", () => {
  test("[PL1] keeps its room for as long as the view does not show what became of it", () => {
    const { records, leader, wait, want, hostAskedFor, on } = inDoubt();
    // As far as this view goes nobody wants it any more: its own transaction is not asked for again.
    records.put(keys.vm(vmId("web")), vm("web", { memoryMiB: 800, requested: "stopped" }));
    wait(20);
    for (const name of ["a", "b", "c"]) {
      want(name);
      wait(4);
    }
    expect(on).toBeDefined();
    expect(["a", "b"].map(hostAskedFor).sort()).toEqual(names.filter((name) => name !== on));
    expect(hostAskedFor("c")).toBeUndefined();
    expect([...promisedBy(leader.state.doubts, new Map()).keys()]).toEqual([vmId("web")]);
  });

  test("[PL1] keeps it no longer than until a later tick of the same process is seen", () => {
    const { records, leader, wait, want, hostAskedFor, on } = inDoubt();
    records.put(keys.vm(vmId("web")), vm("web", { memoryMiB: 800, requested: "stopped" }));
    const ticks = (): number[] => [...leader.state.pending].flatMap(([id, { kind }]) => (kind === "tick" ? [id] : []));
    const answer = (): void => {
      for (const id of ticks()) leader.tell({ kind: "commit-ended", id, end: leader.committed() });
      wait(1);
    };
    answer();
    expect(leader.state.doubts.size, "those before it tell nothing").toBe(1);
    wait(4);
    answer();
    expect(leader.state.doubts.size).toBe(0);
    for (const name of ["a", "b", "c"]) {
      want(name);
      wait(4);
    }
    expect(["a", "b", "c"].map(hostAskedFor)).toContain(on);
  });
});

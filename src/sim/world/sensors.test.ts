import { expect, test } from "vitest";
import { inKeyOrder } from "../../base/order.ts";
import { put } from "../../core/transactions.ts";
import { keys } from "../../model/keys.ts";
import { defaultPolicy, type Policy } from "../../model/policy.ts";
import { applyChanges, emptyView } from "../../model/view.ts";
import type { WorldPlan } from "../plan.ts";
import { Run } from "../run.ts";
import { loadOf } from "./sensors.ts";

const vm = (name: string) =>
  ({ name, pool: "shared", memoryMiB: 100, requested: "started", maxRestart: 2, maxRelocate: 2 }) as const;
const never = Number.MAX_SAFE_INTEGER;
const plan: WorldPlan = {
  schema: 1,
  seed: "usage",
  profile: "default",
  hosts: 3,
  witness: false,
  voters: 3,
  hostMemoryMiB: 1_024,
  devices: true,
  pools: [{ name: "shared", kind: "shared-dir" }],
  vms: ["a", "b", "c", "d", "e"].map(vm),
  events: [{ atMs: 200_000, kind: "power-loss", host: "h2", forMs: 60_000 }],
  healAtMs: never,
  restByMs: never,
  endAtMs: never,
  outside: [],
};

/** The world of the plan with what it writes of usage in view. */
function play(): {
  readonly run: Run;
  readonly view: ReturnType<typeof emptyView>;
  readonly written: () => number;
  readonly until: (ms: number) => void;
  readonly scheduler: (mode: Policy["scheduler"]["mode"]) => void;
} {
  const run = new Run(plan);
  const { world } = run;
  const view = emptyView();
  let written = 0;
  applyChanges(
    view,
    world.history.after(0 as never).flatMap(({ changes }) => changes),
    world.memory.revision(),
  );
  world.history.onCommit(({ changes, revision }) => {
    applyChanges(view, changes, revision);
    written += changes.filter(({ key }) => /^\/hosts\/[^/]+\/usage\/$/u.test(key)).length;
  });
  const policy = (mode: Policy["scheduler"]["mode"]): Policy => ({
    ...defaultPolicy,
    hostReserveMiB: 512,
    scheduler: { ...defaultPolicy.scheduler, mode },
  });
  return {
    run,
    view,
    written: () => written,
    until: (ms) => {
      while (world.step(ms));
      expect(world.violations).toEqual([]);
    },
    scheduler: (mode) => world.memory.commit({ compares: [], writes: [put(keys.policy, policy(mode))] }, 0, () => {}),
  };
}

test("[PL4] agents write what their hosts and VMs use while hosts are compared by it: seldom, and what is true", () => {
  const { run, view, written, until, scheduler } = play();
  until(60_000);
  expect(written(), "nobody wants it").toBe(0);
  scheduler("dynamic");
  until(190_000);
  expect([...view.usages.keys()].sort()).toEqual(["h1", "h2", "h3"]);
  const seen = new Set<string>();
  for (const host of run.world.hosts) {
    const { value } = view.usages.get(host.id) ?? {};
    const copies = inKeyOrder(host.copies).map(([, copy]) => copy);
    expect(Object.keys(value?.vms ?? {})).toEqual(copies.map((copy) => copy.run.vm));
    for (const copy of copies) {
      seen.add(copy.run.vm);
      expect(value?.vms[copy.run.vm]?.cores).toBeCloseTo(loadOf(copy).cores, 1);
      expect(value?.vms[copy.run.vm]?.memoryMiB).toBe(50);
    }
    const cores = copies.reduce((sum, copy) => sum + loadOf(copy).cores, 0.2);
    expect(value?.host.cores).toBeCloseTo(cores, 1);
    expect(value?.host.memoryMiB).toBe(300 + 50 * copies.length);
  }
  expect(seen.size).toBe(plan.vms.length);
  expect(written(), "once per host: nothing has changed").toBe(3);
});

test("[PL4] VMs that a lost host had are among the figures of others; without a wish for figures there are none", () => {
  const { run, view, written, until, scheduler } = play();
  scheduler("dynamic");
  until(190_000);
  const before = written();
  until(250_000);
  const there = [...view.usages].flatMap(([host, { value }]) => (host === "h2" ? [] : Object.keys(value.vms)));
  expect(there.sort()).toEqual(plan.vms.map(({ name }) => `vm:${name}`));
  expect(written() - before).toBeLessThanOrEqual(4);
  until(320_000);
  const again = view.usages.get(run.world.hosts[1]?.id as never)?.value;
  expect(again?.incarnation, "h2 is back").toBe(view.hosts.get("h2" as never)?.value.incarnation);
  scheduler("basic");
  until(325_000);
  expect(view.usages.size).toBe(0);
});

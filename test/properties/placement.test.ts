import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assign, openRound } from "../../src/core/placement/round.ts";
import { select, whereTo, whyUnfit } from "../../src/core/placement/select.ts";
import { restlessVms } from "../../src/core/restless.ts";
import type { HostId, VmId } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { Owner, Vm } from "../../src/model/records.ts";
import type { ClusterView } from "../../src/model/view.ts";
import { knowledge } from "../support/decision-rig.ts";
import { facts, held, host, Records, vm, vmId } from "../support/records.ts";

// Clusters of two to six hosts and up to twelve VMs, with rules, maintenance and failures drawn at random.

const hostNames = ["h1", "h2", "h3", "h4", "h5", "h6"];
const modes = ["basic", "static", "dynamic"] as const;

const drawnVm = fc.record({
  memoryMiB: fc.integer({ min: 16, max: 700 }),
  cpus: fc.integer({ min: 1, max: 4 }),
  at: fc.option(fc.nat(5)),
  held: fc.boolean(),
  failed: fc.subarray(hostNames, { maxLength: 3 }),
  failback: fc.boolean(),
  preference: fc.constantFrom("stay", "best", "try-next"),
});
const drawn = fc.record({
  hosts: fc.array(fc.record({ memoryMiB: fc.integer({ min: 200, max: 2_000 }), leaves: fc.boolean() }), {
    minLength: 2,
    maxLength: 6,
  }),
  vms: fc.array(drawnVm, { minLength: 1, maxLength: 12 }),
  mode: fc.constantFrom(...modes),
  rules: fc.array(
    fc.record({
      affinity: fc.constantFrom("together", "apart"),
      vms: fc.uniqueArray(fc.nat(11), { minLength: 2, maxLength: 3 }),
    }),
    { maxLength: 3 },
  ),
  preferred: fc.option(fc.record({ vm: fc.nat(11), host: fc.nat(5), strict: fc.boolean() })),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

function recordsOf({ hosts, vms, mode, rules, preferred }: Drawn): Records {
  const records = new Records();
  const names = hostNames.slice(0, hosts.length);
  const common = { schema: 1, enabled: true, comment: "", createdAt: 0 };
  hosts.forEach(({ memoryMiB, leaves }, i) => {
    const name = `h${i + 1}`;
    records
      .host(name)
      .put(keys.hostFacts(host(name)), facts({ cores: 8, memoryMiB: 4_096, memoryForVmsMiB: memoryMiB }));
    records.put(keys.hostUsage(host(name)), {
      schema: 1,
      incarnation: 1,
      host: { cores: i, memoryMiB: 100 * i },
      vms: {},
      at: 0,
    });
    const actor = { name: "ada", role: "admin", requestId: "1" };
    if (leaves && i > 0) records.put(keys.maintenance(host(name)), { schema: 1, by: actor, reason: "", at: 0 });
  });
  vms.forEach((one, i) => {
    const base = vm(`v${i}`, { memoryMiB: one.memoryMiB, failback: one.failback, maxRelocate: 2 });
    records.put(keys.vm(base.id), { ...base, spec: { ...base.spec, cpus: one.cpus } });
    const at = one.at === null ? undefined : names[one.at % names.length];
    if (at === undefined) return;
    const failedHosts = one.failed.map(host);
    const free = { schema: 1, kind: "released", host: host(at), epoch: 3, failed: null, failedHosts };
    records.put(keys.owner(base.id), one.held ? held(at, 1, 1, one.failed) : free);
  });
  const ids = (picked: readonly number[]): VmId[] => [...new Set(picked.map((n) => vmId(`v${n % vms.length}`)))];
  rules.forEach(({ affinity, vms: picked }, i) => {
    const id = `r${i}` as Parameters<typeof keys.rule>[0];
    records.put(keys.rule(id), { ...common, id, kind: "vm-affinity", affinity, vms: ids(picked) });
  });
  if (preferred !== null) {
    const id = "prefers" as Parameters<typeof keys.rule>[0];
    const to = [{ host: names[preferred.host % names.length], priority: 1 }];
    records.put(keys.rule(id), {
      ...common,
      id,
      kind: "host-affinity",
      strict: preferred.strict,
      hosts: to,
      vms: ids([preferred.vm]),
    });
  }
  records.put(keys.policy, { schema: 1, hostReserveMiB: 0, scheduler: { mode } });
  return records;
}

type Step = { readonly vm: Vm; readonly on: HostId | undefined; readonly text: string };

/** Every VM in turn, each booked where it was sent. */
function placeAll(view: ClusterView, { vms }: Drawn): Step[] {
  const records = { view } as Records;
  const round = openRound(view, knowledge(records));
  return vms.map(({ preference }, i) => {
    const one = view.vms.get(vmId(`v${i}`))?.value as Vm;
    const placement = select(round, one, { preference });
    const on = placement.kind === "place" ? placement.on : undefined;
    if (on !== undefined) assign(round, one, on);
    return { vm: one, on, text: JSON.stringify(placement) };
  });
}

function reversed(view: ClusterView): ClusterView {
  const turned = Object.entries(view).map(([name, value]) => {
    return [name, value instanceof Map ? new Map([...value].reverse()) : value];
  });
  return Object.fromEntries(turned) as ClusterView;
}

describe("placement", () => {
  test("[PL4] the same records give the same choices and reasons, in whatever order they lie", () => {
    fc.assert(
      fc.property(drawn, (cluster) => {
        const { view } = recordsOf(cluster);
        const texts = placeAll(view, cluster).map(({ text }) => text);
        expect(placeAll(view, cluster).map(({ text }) => text)).toEqual(texts);
        expect(placeAll(reversed(view), cluster).map(({ text }) => text)).toEqual(texts);
      }),
    );
  });

  test("[PL1] no host gets a VM beyond its memory, whatever else is placed in the round", () => {
    fc.assert(
      fc.property(drawn, (cluster) => {
        const { view } = recordsOf(cluster);
        const usedMiB = new Map<string, number>();
        const add = (on: string, one: Vm): void => {
          usedMiB.set(on, (usedMiB.get(on) ?? 0) + one.spec.memoryMiB);
        };
        const heldAt = (id: VmId): HostId | undefined => {
          const owner: Owner | undefined = view.owners.get(id)?.value;
          return owner?.kind === "held" ? owner.host : undefined;
        };
        for (const [id, { value }] of view.vms) {
          const at = heldAt(id);
          if (at !== undefined) add(at, value);
        }
        for (const { vm: one, on } of placeAll(view, cluster)) {
          // Where it is held already nothing comes: it may be more than the host has by now.
          if (on === undefined || on === heldAt(one.id)) continue;
          add(on, one);
          expect(usedMiB.get(on)).toBeLessThanOrEqual(view.facts.get(on)?.value.memoryForVmsMiB ?? 0);
        }
      }),
    );
  });

  test("[PL2] a VM that counts as being at rest stays, whatever happens to hosts, unless its own is to be empty", () => {
    fc.assert(
      fc.property(drawn, (cluster) => {
        const { view } = recordsOf(cluster);
        const round = openRound(view, knowledge({ view } as Records));
        const restless = restlessVms(view);
        for (const [id, { value: owner }] of view.owners) {
          const one = view.vms.get(id)?.value as Vm;
          if (owner.kind !== "held" || restless.has(id) || view.maintenances.has(owner.host)) continue;
          expect(whereTo(round, one, { preference: "stay" })).toBe(owner.host);
        }
      }),
    );
  });

  test("[PL1, PL2] each host that was not chosen has exactly one reason; nobody waits beside a host that could take it", () => {
    fc.assert(
      fc.property(drawn, (cluster) => {
        const { view } = recordsOf(cluster);
        const round = openRound(view, knowledge({ view } as Records));
        for (const [i, { preference }] of cluster.vms.entries()) {
          const one = view.vms.get(vmId(`v${i}`))?.value as Vm;
          const placement = select(round, one, { preference });
          const told = placement.alternatives.map(({ option }) => option);
          const chosen = placement.kind === "place" ? [placement.on] : [];
          expect([...told, ...chosen].sort()).toEqual([...view.members.keys()].sort());
          if (placement.kind === "place") assign(round, one, placement.on);
          else if ((view.owners.get(one.id)?.value.failedHosts.length ?? 0) <= one.maxRelocate)
            for (const at of told) expect(whyUnfit(round, one, host(at))).toBeDefined();
        }
      }),
    );
  });
});

import { must } from "../../src/base/assert.ts";
import { type SeededRandom, seededRandom } from "../../src/base/random.ts";
import type { Present } from "../../src/core/foresee/ahead.ts";
import { measureDurations } from "../../src/core/foresee/durations.ts";
import { type Becomes, type Forecast, foreseeHostLoss, foreseeMaintenance } from "../../src/core/foresee/forecast.ts";
import { atRest } from "../../src/core/foresee/guard-ahead.ts";
import type { Planned } from "../../src/core/requests/plan.ts";
import { type AddRuleRequest, planAddRule } from "../../src/core/requests/rules.ts";
import { put } from "../../src/core/transactions.ts";
import type { HostId, Revision, StoreKey, VmId, WallMs } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import { eventSchema, systemActor } from "../../src/model/records.ts";
import type { Change } from "../../src/model/transaction.ts";
import { applyChanges } from "../../src/model/view.ts";
import { copyView } from "../../src/model/view-copy.ts";
import type { StoredEvent } from "../../src/ports/journal.ts";
import { maintain } from "../../src/sim/faults/managing.ts";
import type { PlannedVm, WorldPlan } from "../../src/sim/plan.ts";
import { Run } from "../../src/sim/run.ts";

// A cluster drawn at random, running for a while; what is foreseen at a moment; what then happens to it.

/** Beyond the end of every run. */
const never = 100_000_000;
const settledMs = 45_000;

/** What was foreseen, and where each VM was to be and is. */
export type Compared = {
  readonly becomes: readonly Becomes[];
  readonly foreseen: Readonly<Record<string, string>>;
  readonly happened: Readonly<Record<string, string>>;
};

/** One of the hosts loses its power, for good. */
export function loseHost(seed: string): Compared {
  const run = settledCluster(seed);
  const lost = oneOf(run, seed);
  const before = whereVmsAre(run);
  const forecast = foreseeHostLoss(presentOf(run, lost), lost);
  run.world.cutPower(run.world.host(lost), "test", Number.POSITIVE_INFINITY);
  advance(run, 90_000);
  return compare(run, before, forecast);
}

/** One of the hosts is to be empty. */
export function emptyHost(seed: string): Compared {
  const run = settledCluster(seed);
  const left = oneOf(run, seed);
  const before = whereVmsAre(run);
  const record = { schema: 1, by: systemActor, reason: "", at: 0 } as const;
  const forecast = foreseeMaintenance(presentOf(run), left, (ahead) =>
    ahead.write({ compares: [], writes: [put(keys.maintenance(left), record)] }),
  );
  maintain(run.world, left, true);
  advance(run, 120_000);
  return compare(run, before, forecast);
}

/** A rule is added; what is foreseen is what the guard of edits looks at (FC2). */
export function bindVms(seed: string): Compared {
  const run = settledCluster(seed);
  const before = whereVmsAre(run);
  const planned = planRule(run, seededRandom(`edit ${seed}`), "edit");
  if (planned.kind === "refused") return { becomes: [], foreseen: {}, happened: {} };
  const { view, wall } = presentOf(run);
  const after = copyView(view);
  const revision = (view.revision + 1) as Revision;
  const changes = planned.transaction.writes.map((write): Change => ({ ...write, revision }));
  applyChanges(after, changes, revision);
  const rest = atRest(view, after, new Set(run.world.hosts.map(({ id }) => id)), wall);
  const foreseen = new Map(before);
  for (const [vm, { value }] of rest?.edited.owners ?? []) if (value.kind === "held") foreseen.set(vm, value.host);
  run.world.memory.commit(planned.transaction, 0, () => {});
  advance(run, 90_000);
  if (run.world.violations.length > 0) throw new Error(JSON.stringify(run.world.violations));
  return {
    becomes: rest === undefined ? ["stays"] : ["moves"],
    foreseen: inOrder(foreseen),
    happened: inOrder(whereVmsAre(run)),
  };
}

function oneOf({ world }: Run, seed: string): HostId {
  return must(world.hosts[Number(seed) % world.hosts.length], "there is no host").id;
}

function compare(run: Run, before: ReadonlyMap<VmId, string>, forecast: Forecast): Compared {
  if (run.world.violations.length > 0) throw new Error(JSON.stringify(run.world.violations));
  return {
    becomes: forecast.vms.map((vm) => vm.becomes),
    foreseen: inOrder(whereForeseen(before, forecast)),
    happened: inOrder(whereVmsAre(run)),
  };
}

function inOrder(places: ReadonlyMap<VmId, string>): Readonly<Record<string, string>> {
  return Object.fromEntries([...places].sort());
}

/** Three to five hosts with VMs of all sizes, priorities and pools, some bound by rules; at rest. */
function settledCluster(seed: string): Run {
  const random = seededRandom(`forecast ${seed}`);
  const hosts = 3 + random.below(3);
  const plan: WorldPlan = {
    schema: 1,
    seed,
    profile: random.pick(["default", "fast"] as const),
    hosts,
    witness: false,
    voters: hosts === 4 ? 3 : hosts,
    hostMemoryMiB: 1_024,
    devices: random.chance(0.85),
    scheduler: { mode: random.pick(["basic", "static"] as const), rebalanceOnStart: random.chance(0.3) },
    pools: [
      { name: "shared", kind: "shared-dir" },
      { name: "replicated", kind: "replicated" },
    ],
    vms: Array.from({ length: 2 + random.below(9) }, (_, i) => drawVm(random, i)),
    events: [],
    healAtMs: never,
    restByMs: never,
    endAtMs: never,
    outside: [],
  };
  const run = new Run(plan);
  const rules = random.below(4);
  for (let i = 0; i < rules; i++) run.world.scheduler.at(10_000 + i * 1_000, () => addRule(run, random, `rule${i}`));
  advance(run, settledMs);
  return run;
}

function drawVm(random: SeededRandom, i: number): PlannedVm {
  return {
    name: `v${i}`,
    pool: random.pick(["shared", "shared", "replicated"]),
    memoryMiB: random.pick([64, 128, 256, 400, 600]),
    requested: random.chance(0.85) ? "started" : "stopped",
    maxRestart: 2,
    maxRelocate: 2,
    failback: random.chance(0.8),
    ...(random.chance(0.3) ? { startPriority: random.below(3) } : {}),
  };
}

/** As a person would add it; one that could not be followed is refused. */
function addRule(run: Run, random: SeededRandom, name: string): void {
  const planned = planRule(run, random, name);
  if (planned.kind === "plan") run.world.memory.commit(planned.transaction, 0, () => {});
}

function planRule({ world, plan }: Run, random: SeededRandom, name: string): Planned {
  const [daemon] = world.daemons.values();
  const ids = plan.vms.map((vm) => `vm:${vm.name}`);
  const common = { rule: name, enabled: true, comment: "", vms: [...new Set([random.pick(ids), random.pick(ids)])] };
  const hosts = [{ host: random.pick(world.hosts).id, priority: random.below(3) }];
  const request: AddRuleRequest = random.chance(0.5)
    ? { ...common, kind: "vm-affinity", affinity: random.pick(["together", "apart"] as const) }
    : { ...common, kind: "host-affinity", strict: random.chance(0.3), hosts };
  const asked = { actor: systemActor, at: 0 as WallMs };
  return planAddRule(must(daemon, "no daemon runs").view(), request, asked);
}

function advance(run: Run, ms: number): void {
  const until = run.world.scheduler.now + ms;
  while (run.world.violations.length === 0 && run.world.step(until));
}

/** As the daemon of the manager, or of whoever would be it without `lost`, knows the cluster. */
function presentOf({ world }: Run, lost?: HostId): Present {
  const leader = world.truth.term?.host as HostId;
  const asks =
    leader === lost
      ? must(
          [...world.daemons.keys()].find((id) => id !== lost),
          "nobody is left",
        )
      : leader;
  const daemon = must(world.daemons.get(asks), () => `${asks} has no daemon`);
  const now = world.host(asks).clock.now();
  const heardAgoMs = new Map([...daemon.contacts()].map(([host, contact]) => [host, now - contact.heardAt]));
  return { view: daemon.view(), wall: 0 as WallMs, heardAgoMs, durations: measureDurations(historyOf(world)) };
}

/** What the cluster has told of itself so far: without its figures a guess decides which of two things comes first. */
function historyOf({ memory }: Run["world"]): StoredEvent[] {
  const events: StoredEvent[] = [];
  memory.snapshot("/events/" as StoreKey, (end) => {
    if (end.kind === "unknown") throw new Error("The simulated store does not answer");
    for (const { text, revision } of end.values) events.push({ event: eventSchema.parse(JSON.parse(text)), revision });
  });
  return events.sort((a, b) => a.revision - b.revision);
}

/** Where each VM runs, by ground truth; `lies` for one that is not wanted. */
function whereVmsAre({ world }: Run): Map<VmId, string> {
  const places = new Map<VmId, string>();
  for (const [id, vm] of world.truth.vms) {
    const on = world.copiesOf(id).filter((copy) => copy.host.executes(copy));
    const lies = world.truth.owners.get(id)?.host ?? "nowhere";
    places.set(id, vm.requested === "started" ? (on[0]?.host.id ?? "nowhere") : `lies on ${lies}`);
  }
  return places;
}

/** The same as foreseen: what is not named stays where it is. */
function whereForeseen(before: ReadonlyMap<VmId, string>, forecast: Forecast): Map<VmId, string> {
  const places = new Map(before);
  for (const { vm, to, becomes } of forecast.vms)
    places.set(vm, becomes === "lies-elsewhere" ? `lies on ${to}` : (to ?? "nowhere"));
  return places;
}

import type { SeededRandom } from "../../base/random.ts";
import { planDeleteVm, planSetVm } from "../../core/requests/change-vm.ts";
import { planCreateVm } from "../../core/requests/create-vm.ts";
import type { Asked, Planned } from "../../core/requests/plan.ts";
import { planResetVm, planStartVm, planStopVm } from "../../core/requests/power.ts";
import type { Actor } from "../../model/branded.ts";
import type { HostId, IntentId, TaskId, VmId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { RequestedState } from "../../model/records.ts";
import type { ClusterView } from "../../model/view.ts";
import type { FaultEvent } from "../plan.ts";
import { simNetwork } from "../world/create-cluster.ts";
import type { World } from "../world/world.ts";
import type { DrawContext, FaultKind } from "./fault.ts";

const actor: Actor = { name: "sim", role: "admin", requestId: "" };

export type Ask = (view: ClusterView, event: FaultEvent, asked: Asked, random: SeededRandom) => Planned;

/** Asks the API of one host, with that host's view, as a person would: whatever comes back is shown and forgotten. */
export function ask(world: World, event: FaultEvent, random: SeededRandom, plan: Ask): void {
  const host = world.host(event.host);
  const daemon = world.daemons.get(host.id);
  const { life, stopped } = host.processes.daemon;
  if (daemon === undefined || life === undefined || stopped || !host.works) return;
  const planned = plan(daemon.view(), event, { actor, at: host.clock.wall() }, random);
  if (planned.kind === "refused") {
    world.tell("operator", "refused", { kind: event.kind, code: planned.code });
    return;
  }
  daemon.commit(planned.transaction, planned.events, (end) => world.tell("operator", end.kind, { kind: event.kind }));
}

function order(name: string, weight: number, plan: Ask, twice = false): FaultKind {
  return {
    name,
    weight,
    draw: (random, context) => ({ host: random.pick(context.workers), vm: random.pick(context.vms) }),
    happens: (world, event, random) => {
      ask(world, event, random, plan);
      if (twice) world.scheduler.after(1 + random.below(300), () => ask(world, event, random, plan));
      return undefined;
    },
  };
}

const task = (random: SeededRandom): TaskId => `task-${random.hex(8)}` as TaskId;
const setRequested: Ask = (view, event, asked, random) =>
  planSetVm(
    view,
    { vm: event.vm ?? "", requested: random.pick<RequestedState>(["started", "stopped", "disabled", "ignored"]) },
    asked,
  );

const creates: FaultKind = {
  name: "operator-create",
  weight: 3,
  draw: (random, context: DrawContext) => ({ host: random.pick(context.workers), text: `new-${random.hex(4)}` }),
  happens: (world, event, random) => {
    const name = event.text ?? "new";
    // Images of local pools are made by whoever answers, and nobody does here.
    const pool = random.pick(world.plan.pools.filter(({ kind }) => kind !== "local-dir")).name;
    ask(world, event, random, (view, _event, asked) =>
      planCreateVm(
        view,
        {
          name,
          cpus: 1,
          memoryMiB: 64,
          cpuModel: "max",
          disks: [{ pool, sizeMiB: 64, format: "raw" }],
          networks: [simNetwork],
          kernel: null,
          guestAgent: false,
          maxRestart: 2,
          maxRelocate: 1,
          stopGraceMs: 1_000,
        },
        { id: `vm:${name}` as VmId, macs: ["52:54:00:00:00:02"], on: event.host as HostId },
        asked,
      ),
    );
    const started = { ...event, vm: name };
    world.scheduler.after(3_000, () =>
      ask(world, started, random, (view, _event, asked) => planStartVm(view, name, task(random), asked)),
    );
    return undefined;
  },
};

/** Somebody takes the record of a fence device away, and puts it back. */
const removesDevice: FaultKind = {
  name: "operator-removes-device",
  weight: 2,
  draw: (random, context) => ({ host: random.pick(context.workers), forMs: 5_000 + random.below(60_000) }),
  happens: (world, event) => {
    const key = keys.fenceDevice(world.host(event.host).id);
    const record = world.truth.values.get(key);
    if (record === undefined) return undefined;
    world.memory.commit({ compares: [], writes: [{ kind: "delete", key }] }, 0, () => {});
    return () =>
      world.memory.commit({ compares: [], writes: [{ kind: "put", key, text: JSON.stringify(record) }] }, 0, () => {});
  },
};

export const operatorFaults: readonly FaultKind[] = [
  order("operator-start", 6, (view, event, asked, random) => planStartVm(view, event.vm ?? "", task(random), asked)),
  order("operator-stop", 5, (view, event, asked, random) => planStopVm(view, event.vm ?? "", task(random), asked)),
  order(
    "operator-twice",
    2,
    (view, event, asked, random) => planStopVm(view, event.vm ?? "", task(random), asked),
    true,
  ),
  order("operator-set", 3, setRequested),
  order("operator-reset", 3, (view, event, asked, random) =>
    planResetVm(view, event.vm ?? "", `intent-${random.hex(8)}` as IntentId, asked),
  ),
  order("operator-delete", 2, (view, event, asked) => planDeleteVm(view, event.vm ?? "", asked)),
  creates,
  removesDevice,
];

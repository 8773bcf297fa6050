import { planMaintenance, planRelease } from "../../core/requests/change-host.ts";
import { planSetVm } from "../../core/requests/change-vm.ts";
import { planArm, planDisarm } from "../../core/requests/disarm.ts";
import { planMoveVm } from "../../core/requests/move.ts";
import { planStopVm } from "../../core/requests/power.ts";
import { put } from "../../core/transactions.ts";
import type { Epoch, HostId, IntentId, TaskId, VmId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { Vm } from "../../model/records.ts";
import type { Write } from "../../model/transaction.ts";
import type { World } from "../world/world.ts";
import { askCluster } from "./asking.ts";
import type { HaCommand } from "./format.ts";
import type { Machines } from "./machines.ts";
import type { Observer } from "./observer.ts";
import { newResource, releasedAt, requestedOf, sizeOf, writesOfResource } from "./records.ts";
import type { Usages } from "./usage.ts";

type Ops = { readonly [Op in HaCommand["op"]]: (command: Extract<HaCommand, { readonly op: Op }>) => void };

/** Gives the commands of a file to a running world, as a person or another program would. */
export function commandGiver(
  world: World,
  machines: Machines,
  usages: Usages,
  observer: Observer,
): (command: HaCommand) => void {
  const ops: Ops = { ...machineOps(machines), ...clusterOps(world), ...serviceOps(world, usages, observer) };
  return (command) => (ops[command.op] as (command: HaCommand) => void)(command);
}

type MachineOp =
  | "power"
  | "network"
  | "node-reboot"
  | "node-shutdown"
  | "restart-agent"
  | "manager-daemon"
  | "skip-rounds"
  | "cluster-fs"
  | "delay"
  | "set-version";

function machineOps(machines: Machines): Pick<Ops, MachineOp> {
  return {
    power: ({ node, to }) => machines.power(node, to),
    network: ({ node, to }) => machines.network(node, to),
    "node-reboot": ({ node }) => machines.leave(node, "reboot"),
    "node-shutdown": ({ node }) => machines.leave(node, "power-off"),
    "restart-agent": ({ node }) => machines.leave(node, "agent-restart"),
    "manager-daemon": ({ node, to }) => machines.holdManager(node, to === "stop"),
    "skip-rounds": ({ daemon, rounds }) => machines.skipRounds(daemon, rounds),
    "cluster-fs": ({ node, to }) => machines.breakStore(node, to === "fail"),
    // Time passes by itself here, and all versions of this program are one.
    delay: () => {},
    "set-version": () => {},
  };
}

function clusterOps(world: World): Pick<Ops, "maintenance" | "disarm" | "arm"> {
  return {
    maintenance: ({ node, to }) =>
      askCluster(world, (view, asked) =>
        to === "on"
          ? planMaintenance(view, { host: node, reason: "" }, asked)
          : planRelease(view, node, `release-${node}-${world.scheduler.executed}` as IntentId, asked),
      ),
    disarm: ({ mode }) => askCluster(world, (view, asked) => planDisarm(view, mode, asked)),
    arm: () => askCluster(world, planArm),
  };
}

type ServiceOp = Exclude<HaCommand["op"], MachineOp | "maintenance" | "disarm" | "arm">;

function serviceOps(world: World, usages: Usages, observer: Observer): Pick<Ops, ServiceOp> {
  return {
    "set-state": ({ sid, to }) => {
      observer.manages(sid, true);
      request(world, sid, requestedOf(to));
    },
    migrate: ({ sid, target }) => order(world, observer, sid, target, "migrate"),
    relocate: ({ sid, target }) => order(world, observer, sid, target, "relocate"),
    stop: ({ sid, timeout }) =>
      askCluster(world, (view, asked) => planStopVm(view, sid, nextTask(world), asked, timeout * 1000)),
    "add-resource": ({ sid, node, state }) => {
      observer.manages(sid, true);
      if (world.truth.vms.has(sid as VmId)) request(world, sid, requestedOf(state));
      else write(world, writesOfResource(newResource(sid, node, state)));
    },
    // Taking a guest out of management leaves it as it is.
    "remove-resource": ({ sid }) => {
      observer.manages(sid, false);
      change(world, sid, (vm) => ({ ...vm, requested: "ignored" }));
    },
    lock: ({ sid, lock }) => change(world, sid, (vm) => ({ ...vm, lock: { kind: lock, at: vm.createdAt } })),
    unlock: ({ sid }) => change(world, sid, (vm) => ({ ...vm, lock: null })),
    "set-static": ({ sid, maxCpu, maxMemBytes }) =>
      change(world, sid, (vm) => {
        const { cpus, memoryMiB } = vm.spec;
        const size = sizeOf({ maxCpu: maxCpu ?? cpus, maxMemBytes: maxMemBytes ?? memoryMiB * 2 ** 20 });
        return { ...vm, spec: { ...vm.spec, ...size } };
      }),
    "set-usage": ({ sid, cpu, memBytes }) => usages.set(sid, { cpu, memBytes }),
    "outside-move": ({ sid, target }) => moveOutside(world, observer, sid, target as HostId),
  };
}

function request(world: World, sid: string, requested: Vm["requested"]): void {
  askCluster(world, (view, asked) => planSetVm(view, { vm: sid, requested }, asked));
}

function nextTask({ scheduler }: World): TaskId {
  return `task-${scheduler.executed}` as TaskId;
}

function order(world: World, observer: Observer, sid: string, to: string, kind: "migrate" | "relocate"): void {
  // The reference asks no rule about an order; here a person says that it is meant so.
  askCluster(world, (view, asked) =>
    planMoveVm(view, { vm: sid, to, kind, force: true }, nextTask(world), asked, (host) => observer.contactOf(host)),
  );
}

/** Other programs that write beside us: a backup that locks, somebody who resizes a guest. */
function change(world: World, sid: string, to: (vm: Vm) => Vm): void {
  const vm = world.truth.vms.get(sid as VmId);
  if (vm !== undefined) write(world, [put(keys.vm(vm.id), to(vm))]);
}

/** The guest ends where it was and lies elsewhere from now on; nobody has asked us. */
function moveOutside(world: World, observer: Observer, sid: string, to: HostId): void {
  const vm = sid as VmId;
  for (const copy of world.copiesOf(vm)) world.qemus.endByItself(copy, "killed");
  const epoch = (world.truth.owners.get(vm)?.epoch ?? 0) + 1;
  observer.located(sid, to);
  write(world, [put(keys.owner(vm), releasedAt(to, epoch as Epoch))]);
}

function write(world: World, writes: readonly Write[]): void {
  world.memory.commit({ compares: [], writes }, 0, () => {});
}

import { planMoveVm } from "../../core/requests/move.ts";
import { put, remove } from "../../core/transactions.ts";
import type { HostLosses, Maintenance } from "../../model/host-records.ts";
import type { HostId, IntentId, StoreKey, TaskId, VmId, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmOrder } from "../../model/move-records.ts";
import { type Disarm, defaultPolicy, type Policy, policySchema, shutdownPolicySchema } from "../../model/policy.ts";
import type { LeaveIntent, Vm } from "../../model/records.ts";
import type { Write } from "../../model/transaction.ts";
import type { World } from "../world/world.ts";
import type { FaultKind } from "./fault.ts";
import { ask } from "./operator.ts";

// What people ask of the cluster, as it comes to stand in the store.

const by = { name: "sim", role: "admin", requestId: "" } as const;
const at = 0 as WallMs;

function write(world: World, ...writes: Write[]): void {
  world.memory.commit({ compares: [], writes }, 0, () => {});
}

export function orderVm(world: World, name: string, order: VmOrder["order"]): void {
  const vm = `vm:${name}` as VmId;
  const record = world.truth.vms.get(vm);
  if (record === undefined) return;
  const asked: VmOrder = { schema: 1, vm, order, actor: by, at };
  const stops: Write[] = order.kind === "stop" ? [put(keys.vm(vm), { ...record, requested: "stopped" })] : [];
  write(world, put(keys.vmOrder(vm), asked), ...stops);
}

export function lockVm(world: World, name: string, kind: NonNullable<Vm["lock"]>["kind"] | null): void {
  const record = world.truth.vms.get(`vm:${name}` as VmId);
  if (record === undefined) return;
  write(world, put(keys.vm(record.id), { ...record, lock: kind === null ? null : { kind, at } }));
}

function toggle(world: World, key: StoreKey, record: { readonly schema: 1 } | null): void {
  if (record !== null) write(world, put(key, record));
  else if (world.truth.values.has(key)) write(world, remove(key));
}

export function maintain(world: World, host: HostId, on: boolean): void {
  const record: Maintenance = { schema: 1, by, reason: "story", at };
  toggle(world, keys.maintenance(host), on ? record : null);
}

/** Nothing new comes to the host, as after it was lost too often. */
export function quarantine(world: World, host: HostId, on: boolean): void {
  const registration = world.truth.registrations.get(host);
  if (registration === undefined) return;
  const quarantinedUntil = on ? (Number.MAX_SAFE_INTEGER as WallMs) : null;
  const record: HostLosses = { schema: 1, counted: registration.incarnation, at: [], quarantinedUntil };
  write(world, put(keys.hostLosses(host), record));
}

export function disarm(world: World, mode: Disarm["mode"] | null): void {
  const record: Disarm | null = mode === null ? null : { schema: 1, mode, by, at };
  toggle(world, keys.disarm, record);
}

export function orderToLeave(world: World, host: HostId, next: LeaveIntent["next"]): void {
  const incarnation = world.truth.registrations.get(host)?.incarnation;
  if (incarnation === undefined) return;
  const id = `intent-leave-${host}-${Math.round(world.scheduler.now)}` as IntentId;
  const intent: LeaveIntent = {
    schema: 1,
    id,
    actor: by,
    kind: "leave-host",
    host,
    incarnation,
    next,
    answer: { kind: "open" },
    at,
  };
  write(world, put(keys.intent(id), intent));
}

export function changePolicy(world: World, change: Partial<Policy>): void {
  const policy = policySchema.parse(world.truth.values.get(keys.policy) ?? defaultPolicy);
  write(world, put(keys.policy, { ...policy, ...change }));
}

const locks = ["backup", "snapshot", "create"] as const;

/** What people ask of the cluster while things go wrong; drawn by itself, so that all other draws stay as they were. */
export const managingFaults: readonly FaultKind[] = [
  {
    name: "operator-moves",
    weight: 6,
    draw: (random, context) => ({
      host: random.pick(context.workers),
      vm: random.pick(context.vms),
      other: random.pick(context.workers),
      text: random.pick(["migrate", "relocate"]),
    }),
    happens: (world, event, random) => {
      const kind = event.text === "migrate" ? "migrate" : "relocate";
      const request = { vm: event.vm ?? "", to: world.host(event.other).id, kind, force: true } as const;
      // Whether the aim is heard is not asked: orders in vain have to end, too.
      ask(world, event, random, (view, _event, asked) =>
        planMoveVm(view, request, `task-${random.hex(8)}` as TaskId, asked, () => "up"),
      );
      return undefined;
    },
  },
  {
    name: "maintenance",
    weight: 4,
    draw: (random, context) => ({ host: random.pick(context.workers), forMs: 10_000 + random.below(120_000) }),
    happens: (world, event) => {
      const { id } = world.host(event.host);
      maintain(world, id, true);
      return () => maintain(world, id, false);
    },
  },
  {
    name: "vm-locked",
    weight: 2,
    draw: (random, context) => ({
      vm: random.pick(context.vms),
      text: random.pick(locks),
      forMs: 5_000 + random.below(60_000),
    }),
    happens: (world, event) => {
      const kind = locks.find((one) => one === event.text) ?? "backup";
      lockVm(world, event.vm ?? "", kind);
      return () => lockVm(world, event.vm ?? "", null);
    },
  },
  {
    name: "host-reboots",
    weight: 4,
    draw: (random, context) => ({ host: random.pick(context.workers) }),
    happens: (world, event) => {
      orderToLeave(world, world.host(event.host).id, "reboot");
      return undefined;
    },
  },
  {
    name: "shutdown-policy",
    weight: 2,
    draw: (random) => ({ text: random.pick(shutdownPolicySchema.options) }),
    happens: (world, event) => {
      const policy = shutdownPolicySchema.options.find((one) => one === event.text);
      if (policy !== undefined) changePolicy(world, { shutdownPolicy: policy });
      return undefined;
    },
  },
  {
    name: "disarm",
    weight: 2,
    draw: (random) => ({ text: random.pick(["freeze", "ignore"]), forMs: 5_000 + random.below(60_000) }),
    happens: (world, event) => {
      disarm(world, event.text === "ignore" ? "ignore" : "freeze");
      return () => disarm(world, null);
    },
  },
];

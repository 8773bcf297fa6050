import type { HostId, VmId } from "../../model/ids.ts";
import { cycleBefore, isSameCycle } from "../../model/replication-cycle.ts";
import { type SimCycleAnswer, type SimCycleOrder, SimDaemon } from "./machine.ts";
import type { Received, SimReplicaHost } from "./received.ts";

type AddPoint = (host: SimReplicaHost, received: Received, id: string, at: number) => void;

/** The side of the copies in a cycle, as src/adapters/qemu/replica-cycles.ts is one; undefined: no cycles are received. */
export function obeyCycle(
  host: SimReplicaHost,
  addPoint: AddPoint,
  from: HostId,
  vm: VmId,
  epoch: number,
  order: SimCycleOrder,
): SimCycleAnswer | undefined {
  const received = host.received.get(vm);
  const cycles = received?.cycles ?? null;
  if (received?.epoch !== epoch || received.from !== from || cycles === null) return undefined;
  const problem = carryOut(host, addPoint, received, cycles, order);
  return { problem, last: cycles.last };
}

function carryOut(
  host: SimReplicaHost,
  addPoint: AddPoint,
  received: Received,
  cycles: NonNullable<Received["cycles"]>,
  { order, id, at }: SimCycleOrder,
): string | null {
  if (order === "ask") return null;
  if (id === null) return "it names no cycle";
  if (order === "open") {
    const base = cycleBefore(id);
    if (base !== null && !isSameCycle(base, cycles.last)) return "the copies are not at the cycle that it builds upon";
    removeExports(host, received);
    cycles.open = { id, daemon: daemonOf(host, received.vm) };
    return null;
  }
  if (isSameCycle(cycles.last, id)) return null;
  const under = cycles.open;
  if (under === null || !isSameCycle(under.id, id)) return "another cycle is under way";
  if (!under.daemon.isAlive || under.daemon.hangs) return "the storage daemon was another one";
  removeExports(host, received);
  const point = `cycle-${id.chain}-${id.sequence}`;
  addPoint(host, received, point, at);
  dropEarlier(host, received);
  cycles.last = { ...id, at, point };
  cycles.open = null;
  return null;
}

function dropEarlier(host: SimReplicaHost, { vm, keepCycles }: Received): void {
  const points = host.points.get(vm) ?? [];
  const cycles = points.filter(({ id }) => id.startsWith("cycle-"));
  const dropped = keepCycles === undefined ? [] : cycles.slice(0, -keepCycles);
  host.points.set(
    vm,
    points.filter((point) => !dropped.includes(point)),
  );
}

function daemonOf(host: SimReplicaHost, vm: VmId): SimDaemon {
  const found = host.daemons.get(vm);
  if (found?.isAlive === true && !found.hangs) return found;
  if (found !== undefined) found.isAlive = false;
  const next = new SimDaemon(undefined, () => host.isFull);
  host.daemons.set(vm, next);
  return next;
}

function removeExports(host: SimReplicaHost, { volumes }: Received): void {
  for (const volume of volumes) {
    const open = host.exports.get(volume);
    if (open !== undefined) open.isRemoved = true;
    host.exports.delete(volume);
  }
}

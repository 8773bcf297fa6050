import { randomUUID } from "node:crypto";
import type { WallMs } from "../../model/ids.ts";
import { type CycleId, cycleBefore, isSameCycle, type SealedCycle } from "../../model/replication-cycle.ts";
import type { CycleOrder, KnockAnswer } from "./door.ts";
import type { Receiving } from "./replica-daemon.ts";
import { type Received, type ReceivedVolume, readReceived, updateReceived } from "./replica-files.ts";
import { layOn, makeOverlay, takePoint } from "./replica-point-take.ts";
import { dropPoint } from "./replica-points.ts";

// The side of the copies in a cycle. Each volume's uppermost layer takes what is sent; sealing lays the next one upon all of
// them at once. What a broken cycle left in the uppermost layer does no harm: the next one sends all of it again (S25).

const cyclePrefix = "cycle-";

type Cycling = {
  readonly runDir: string;
  readonly receiving: Receiving;
  /** Of the run whose cycles are let in. */
  readonly epoch: number;
  /** A storage daemon that answers, the one that is there or another. */
  readonly ready: (received: Received) => Promise<boolean>;
};

/** In its turn: nothing else happens to these copies meanwhile. */
export async function obeyCycle(cycling: Cycling, { order, id, at }: CycleOrder): Promise<KnockAnswer> {
  const { runDir, receiving, epoch } = cycling;
  const received = readReceived(runDir, receiving.vm);
  if (received?.cycles === undefined || received.cycles === null || received.epoch !== epoch)
    return { no: "no cycles are received here" };
  const problem = await carryOut(cycling, received, order, id, at as WallMs);
  return { problem, last: readReceived(runDir, receiving.vm)?.cycles?.last ?? null };
}

/** Null: done. */
async function carryOut(
  cycling: Cycling,
  received: Received,
  order: CycleOrder["order"],
  id: CycleId | null,
  at: WallMs,
): Promise<string | null> {
  if (order === "ask") return null;
  if (id === null) return "it names no cycle";
  return order === "open" ? open(cycling, received, id) : seal(cycling, received, { ...id, at });
}

async function open({ runDir, receiving, ready }: Cycling, received: Received, id: CycleId): Promise<string | null> {
  const last = received.cycles?.last ?? null;
  const base = cycleBefore(id);
  if (base !== null && !isSameCycle(base, last)) return "the copies are not at the cycle that it builds upon";
  if (!(await ready(received)) || receiving.daemon === undefined) return "its storage daemon does not start";
  if (!(await receiving.daemon.removeExports(() => true))) return "an earlier connection is still at work";
  const { pid } = receiving.daemon;
  updateReceived(runDir, received.vm, () => ({ pid, cycles: { last, open: { ...id, pid } } }));
  return null;
}

/** S25: complete by the word of the source, by the very daemon that took all of it, and flushed with the next layer. */
async function seal(
  { runDir, receiving }: Cycling,
  received: Received,
  cycle: Omit<SealedCycle, "point">,
): Promise<string | null> {
  const { last = null, open: under = null } = received.cycles ?? {};
  if (isSameCycle(last, cycle)) return null;
  const { daemon, merge } = receiving;
  if (under === null || !isSameCycle(under, cycle)) return "another cycle is under way";
  if (daemon === undefined || daemon.isOver || daemon.pid !== under.pid) return "the storage daemon was another one";
  if (merge !== undefined) return mergingProblem;
  if (!(await daemon.removeExports(() => true))) return mergingProblem;
  // Never the same name twice: one that broke off half way is no point, and keeps its name.
  const point = `${cyclePrefix}${cycle.sequence}-${randomUUID().slice(0, 8)}`;
  const end = await takePoint(runDir, receiving, point, { cycles: { last: { ...cycle, point }, open: null } });
  if (end.kind === "done") {
    await dropEarlier(runDir, receiving);
    return null;
  }
  return end.kind === "refused" ? String(end.params["detail"] ?? end.code) : end.cause;
}

/** Of the points that cycles have left only the newest stay, where that was asked for. */
async function dropEarlier(runDir: string, receiving: Receiving): Promise<void> {
  // One of them is being tested, or exported: it is a point for as long as that takes (S20).
  if (receiving.readers > 0) return;
  const { keepCycles, points = [] } = readReceived(runDir, receiving.vm) ?? {};
  if (keepCycles === undefined) return;
  const cycles = points.filter(({ id, whole }) => whole && id.startsWith(cyclePrefix));
  for (const { id } of cycles.slice(0, -keepCycles)) await dropPoint(runDir, receiving, id);
}

/** What passes by itself: asked again, it may be done. */
export const mergingProblem = "something is still at work there";

/** As it was when this point was taken: nothing that came later. */
export function upTo(received: Received, point: string): Received {
  const count = received.points.findIndex(({ id }) => id === point) + 1;
  const { points, volumes } = received;
  return {
    ...received,
    points: points.slice(0, count),
    volumes: volumes.map((volume) => ({ ...volume, layers: volume.layers.slice(0, count) })),
    cycles: null,
  };
}

/** A layer upon each volume, for whoever writes from now on. A text: why there is none. */
export async function layOnAll(below: Received): Promise<Received | string> {
  const lastLayer = below.lastLayer + 1;
  const volumes: ReceivedVolume[] = [];
  for (const [i, volume] of below.volumes.entries()) {
    const laid = layOn(volume, `v${i}l${lastLayer}`, lastLayer);
    const refused = await makeOverlay(volume, laid);
    if (refused !== undefined) return refused;
    volumes.push(laid);
  }
  return { ...below, volumes, lastLayer };
}

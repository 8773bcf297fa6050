import { setTimeout as sleep } from "node:timers/promises";
import { failureOf } from "../../src/api/client/index.ts";
import type { SeededRandom } from "../../src/base/random.ts";
import type { HostId } from "../../src/model/ids.ts";
import type { VmMove } from "../../src/model/move-records.ts";
import { type TestLab, type TestVm, waitFor } from "../../test/support/lab-cluster.ts";
import type { Writer } from "../../test/support/lab-writer.ts";
import { revenants } from "../failover/disk-check.ts";
import { type StoreWatch, watchStore } from "../failover/store-watch.ts";
import { type Move, strike, type Trouble, troubles } from "./troubles.ts";

export type FaultTally = {
  readonly moves: number;
  /** How often each kind hit something. */
  readonly faults: Readonly<Record<Trouble, number>>;
  /** Pairs of copies of one VM that were seen executing at once. */
  readonly doubleRuns: number;
  /** Writes that the guest acknowledged and its disk does not hold, and epochs that wrote after a newer one had. */
  readonly lostWrites: number;
  /** The guest went on at the target, by this move. */
  readonly succeeded: number;
  /** It went on at its source, or was started afresh. */
  readonly failed: number;
};

type Moving = {
  readonly lab: TestLab;
  readonly vm: TestVm;
  readonly writer: Writer;
  readonly random: SeededRandom;
  readonly log: (line: string) => void;
};

/** After a stage of the move was seen, a trouble comes within this time: an undisturbed move of the lab's guest takes about one second. */
const withinMs = 600;
/** And stays for up to this long, where it does not end by itself: half of them outlast the deadline of a host. */
const lastsMs = 9_000;
const stages = ["ordered", "asked", "waiting", "switched"] as const;
type Stage = (typeof stages)[number];

/**
 * Moves a guest that writes to and fro, each time with one trouble at a random moment, and waits after each until everything
 * is whole again. Throws where it does not become so.
 */
export async function moveUnderFaults(moving: Moving, moves: number): Promise<FaultTally> {
  const store = await watchStore(moving.lab.cluster);
  try {
    return await moveAll({ ...moving, store }, moves);
  } finally {
    store.close();
  }
}

type Open = Moving & { readonly store: StoreWatch };

async function moveAll(moving: Open, moves: number): Promise<FaultTally> {
  const { lab, vm, writer, log } = moving;
  const faults = Object.fromEntries(troubles.map((trouble) => [trouble, 0])) as Record<Trouble, number>;
  // Hosts are lost again and again here, and QEMUs killed: neither is to keep the VM from its next move.
  await lab.client().policy.set({ quarantine: { losses: 0 } });
  await lab.client().vm.set({ vm: vm.id, maxRestart: 100 });
  let succeeded = 0;
  for (let n = 1; n <= moves; n++) {
    const { trouble, hit, moved, told } = await moveOnce(moving);
    if (hit) faults[trouble] += 1;
    if (moved) succeeded += 1;
    const lost = lostIn(moving);
    log(`move ${n}: ${told}; double runs ${lab.watcher.doubleRuns.length}, lost writes ${lost}`);
  }
  const lostWrites = lostIn(moving);
  const doubleRuns = new Set(lab.watcher.doubleRuns).size;
  if (writer.acknowledged.length === 0) throw new Error("The guest acknowledged nothing: nothing was tried");
  return { moves, faults, doubleRuns, lostWrites, succeeded, failed: moves - succeeded };
}

function lostIn({ vm, writer }: Moving): number {
  return writer.lost(vm.disk).length + revenants(vm.disk().records).length;
}

async function moveOnce(moving: Open) {
  const { lab, vm, writer, random } = moving;
  const { host: from, epoch } = vm.owner();
  const to = random.pick(lab.world.hosts.map(({ name }) => name as HostId).filter((name) => name !== from));
  const trouble = random.pick(troubles);
  const [stage, afterMs, forMs] = [random.pick(stages), random.below(withinMs), random.below(lastsMs)];
  const move: Move = { vm, from, to };
  const since = lab.history.entries.length;
  await order(moving, move);
  await reached(lab, move, stage);
  await sleep(afterMs);
  const hit = await strike(moving, move, trouble);
  if (hit && lasting.has(trouble)) await sleep(forMs);
  await settle(moving);
  await writer.goesOn();
  const changes = lab.history.entries.slice(since).filter(({ name }) => name.kind === "vm-move" && name.vm === vm.id);
  const handedOver = changes.some(({ value }) => (value as VmMove | null)?.live?.kind === "switched");
  // It may have been given back, or have ended and been started anew, since.
  const moved = handedOver && vm.owner().host === to && vm.owner().epoch === epoch + 1;
  const what = `${trouble} ${afterMs} ms after ${stage}${hit ? "" : " (too late)"}`;
  const told = `${from} -> ${to}, ${what}: ${moved ? "moved" : "not moved"}, on ${vm.owner().host} as epoch ${vm.owner().epoch}`;
  return { trouble, hit, moved, told };
}

/** A daemon that was killed just before is on its way up, or hears the others not yet. The same order twice is one. */
async function order({ lab, log }: Moving, { vm, to }: Move): Promise<void> {
  let told = "";
  await waitFor(`somebody to take the order of ${vm.name} to ${to}`, async () => {
    try {
      await lab.client().vm.migrate({ vm: vm.id, to });
      return true;
    } catch (error) {
      const why = JSON.stringify(failureOf(error));
      if (why !== told) log(`not ordered yet: ${why}`);
      told = why;
      return undefined;
    }
  });
}

const lasting: ReadonlySet<Trouble> = new Set<Trouble>([
  "agent-frozen",
  "link-cut",
  "host-cut",
  "host-frozen",
  "power-lost",
]);

/** Ends as well where the move never comes so far. */
async function reached({ history }: TestLab, { vm }: Move, stage: Stage): Promise<void> {
  if (stage === "ordered") return;
  let wasThere = false;
  await waitFor(`the move of ${vm.name} to be ${stage}`, () => {
    const move: VmMove | undefined = history.view.moves.get(vm.id)?.value;
    wasThere ||= move !== undefined;
    const isOver = wasThere && (move === undefined || move.answer.kind === "failed");
    const isFar = stages.indexOf(move?.live?.kind ?? "ordered") >= stages.indexOf(stage);
    return isOver || isFar || (move === undefined && !history.view.orders.has(vm.id)) || undefined;
  });
}

async function settle({ lab, vm }: Moving): Promise<void> {
  await lab.settle();
  const { view } = lab.history;
  await waitFor("the move to be over", () => (!view.moves.has(vm.id) && !view.orders.has(vm.id)) || undefined);
  await waitFor("one copy", () => lab.watcher.alive(vm.id).length === 1 || undefined);
  await waitFor(`${vm.name} to execute`, () => (vm.running()?.epoch === vm.owner().epoch ? true : undefined));
}

import type { SeededRandom } from "../../base/random.ts";
import type { VmId } from "../../model/ids.ts";
import { parseJson } from "../../model/json.ts";
import { keys } from "../../model/keys.ts";
import type { VmMove } from "../../model/move-records.ts";
import type { Commit } from "../world/history.ts";
import type { Copy } from "../world/host.ts";
import type { World } from "../world/world.ts";
import type { FaultKind } from "./fault.ts";
import { lockVm, orderVm } from "./managing.ts";
import { strikeWith } from "./strike.ts";

/** What a live move has come to when something goes wrong. */
const moments = ["asked", "waiting", "switched", "over"] as const;
type Moment = (typeof moments)[number];
const ends = ["source", "target"] as const;
/** What befalls one end of it, as the kinds of the menu are called; `qemu` is its copy there. */
const troubles = [
  ...["agent-kill", "agent-kill", "agent-stop", "host-freeze", "host-freeze", "power-loss", "cut", "one-way-cut-out"],
  ...[
    "link-cut",
    "link-cut",
    "answers-lost",
    "store-unavailable",
    "qemu",
    "qemu",
    "qemu",
    "cancelled",
    "locked",
    "none",
  ],
] as const;

/**
 * A VM is ordered away while it runs, and at a chosen moment of its move something befalls its source or its target (S15).
 * `kinds`: what may.
 */
export function movingFaults(kinds: readonly FaultKind[]): readonly FaultKind[] {
  return [inTrouble("move-in-trouble", kinds, ({ strict }) => strict)];
}

/** The same of a VM whose disks are copied: it goes to its copy, with nothing but its memory. */
export function switchoverInTrouble(kinds: readonly FaultKind[]): FaultKind {
  return { ...inTrouble("switchover-in-trouble", kinds, ({ local }) => local.length > 0), weight: 10 };
}

/** The same of a VM whose disks lie with its host alone: it takes them along. */
export function localMoveInTrouble(kinds: readonly FaultKind[]): FaultKind {
  return inTrouble("local-move-in-trouble", kinds, ({ local }) => local.length > 0);
}

function inTrouble(name: string, kinds: readonly FaultKind[], fits: (copy: Copy) => boolean): FaultKind {
  const kindOf = (wanted: string): FaultKind | undefined => kinds.find((kind) => kind.name === wanted);
  return {
    name,
    weight: 1,
    draw: (random, context) => ({
      vm: random.pick(context.vms),
      host: random.pick(context.workers),
      text: `${random.pick([...moments, "waiting", "switched", "switched"] as const)} ${random.pick(ends)} ${random.pick(troubles)}`,
      value: random.chance(0.6) ? random.below(30) : random.below(1_500),
      forMs: 60_000,
    }),
    happens: (world, event, random) => {
      const copy = movable(world, event.vm ?? "", fits);
      const to = world.workers().find(({ id }) => id === event.host && id !== copy?.host.id) ?? otherThan(world, copy);
      if (copy === undefined || to === undefined) return undefined;
      const [moment, end, trouble, length] = (event.text ?? "").split(" ") as [
        Moment,
        (typeof ends)[number],
        string,
        string,
      ];
      const trap = (commit: Commit): boolean => {
        const move = moveAt(commit, copy, moment);
        if (move === undefined) return false;
        const at = end === "source" ? copy.host.id : to.id;
        const struck = { trouble, at, copy, random, isLong: length === "long" };
        world.scheduler.after(event.value ?? 0, () => strike(world, struck, kindOf(trouble)));
        return true;
      };
      world.traps.add(trap);
      orderVm(world, copy.vm.name, { kind: "migrate", to: to.id });
      return () => world.traps.delete(trap);
    },
  };
}

/** The wanted VM of that name, or another, that runs and whose disks are where `fits` says. */
function movable(world: World, name: string, fits: (copy: Copy) => boolean): Copy | undefined {
  const found = world.hosts.flatMap(({ copies }) => [...copies.values()]);
  const fit = found.filter((copy) => fits(copy) && copy.host.executes(copy) && copy.moving.part === undefined);
  fit.sort((a, b) => (a.vm.name < b.vm.name ? -1 : 1));
  return fit.find(({ vm }) => vm.name === name) ?? fit[0];
}

function otherThan(world: World, copy: Copy | undefined) {
  return world.workers().find((host) => host.works && host !== copy?.host);
}

/** `over`: its record is gone. */
function moveAt({ changes }: Commit, { run }: Copy, moment: Moment): true | undefined {
  const change = changes.find(({ key }) => key === keys.vmMove(run.vm));
  if (change === undefined) return undefined;
  if (change.kind !== "put") return moment === "over" ? true : undefined;
  return (parseJson(change.text) as VmMove).live?.kind === moment ? true : undefined;
}

type Strike = {
  readonly trouble: string;
  readonly at: string;
  readonly copy: Copy;
  readonly random: SeededRandom;
  /** It lasts until somebody else does something about it. */
  readonly isLong: boolean;
};
const longMs = 180_000;

function strike(world: World, { trouble, at, copy, random, isLong }: Strike, kind: FaultKind | undefined): void {
  const { now } = world.scheduler;
  if (now >= world.plan.healAtMs) return;
  world.tell("fault", "move-in-trouble", { trouble, at, vm: copy.vm.name });
  // What is to be killed at the source takes its time to die.
  if (random.chance(0.3)) copy.diesNotBefore = Math.max(copy.diesNotBefore, now + 2_000 + random.below(15_000));
  if (trouble === "cancelled") cancelMove(world, copy.run.vm);
  if (trouble === "locked") lockForAWhile(world, copy.vm.name, random);
  if (trouble === "qemu")
    world.scheduler.after(random.chance(0.5) ? 0 : random.below(400), () => crash(world, copy, at));
  if (kind === undefined) return;
  const forMs = random.chance(0.5) ? 100 + random.below(3_000) : 3_000 + random.below(25_000);
  const other = world.workers().find(({ id }) => id !== at)?.id ?? at;
  strikeWith(world, kind, { host: at, other, vm: copy.vm.name, forMs: isLong ? longMs : forMs }, random);
}

/** As a backup that begins in the midst of it. */
function lockForAWhile(world: World, name: string, random: SeededRandom): void {
  const vm = world.truth.vms.get(`vm:${name}` as VmId);
  if (vm === undefined || vm.lock !== null) return;
  lockVm(world, name, "backup");
  const until = Math.min(world.scheduler.now + 1_000 + random.below(20_000), world.plan.healAtMs);
  world.scheduler.at(until, () => lockVm(world, name, null));
}

function crash(world: World, { run: { vm } }: Copy, at: string): void {
  const there = [...world.host(at).copies.values()].find(({ run }) => run.vm === vm);
  if (there !== undefined) world.qemus.endByItself(there, "killed");
}

/** A person calls the move off: any time before the VM changed hands. */
export function cancelMove(world: World, vm: VmId): void {
  const move = world.truth.values.get(keys.vmMove(vm)) as VmMove | undefined;
  if (move === undefined || move.live?.kind === "switched" || move.answer.kind !== "open") return;
  const answer = { kind: "failed", code: "move-cancelled", params: { vm } } as const;
  const text = JSON.stringify({ ...move, answer } satisfies VmMove);
  world.memory.commit({ compares: [], writes: [{ kind: "put", key: keys.vmMove(vm), text }] }, 0, () => {});
}

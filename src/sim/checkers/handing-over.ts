import type { HostMode } from "../../model/host-records.ts";
import { nextEpoch, type VmId } from "../../model/ids.ts";
import { type KeyName, keys } from "../../model/keys.ts";
import type { VmMove, VmOrder, VmPlan } from "../../model/move-records.ts";
import { defaultPolicy, policySchema } from "../../model/policy.ts";
import type { Owner } from "../../model/records.ts";
import { runKey } from "../world/copy.ts";
import type { Copy } from "../world/host.ts";
import type { World } from "../world/world.ts";
import type { Fail } from "./checker.ts";
import type { CheckerKind } from "./kind.ts";
import { forcedOf, isLeap } from "./of-takeover.ts";

type Held = Extract<Owner, { kind: "held" }>;
/** How a live move changes an owner record: to its target, or back to its source. */
type Handing = "over" | "back";

/** Undefined: it changed in another way. Asked when every record of the commit is there. */
export function handingOf(world: World, name: KeyName, before: unknown, value: unknown): Handing | undefined {
  const was = before as Owner | undefined;
  const is = value as Owner | undefined;
  if (name.kind !== "owner" || was?.kind !== "held" || is?.kind !== "held" || was.host === is.host) return undefined;
  const move = moveOf(world, name.vm);
  if (move === undefined || move.epoch === null || is.epoch !== nextEpoch(was.epoch)) return undefined;
  const between = (from: Held, to: Held): boolean =>
    move.from === from.host && move.incarnation === from.incarnation && move.to === to.host;
  if (move.live?.kind === "switched" && between(was, is) && move.epoch === was.epoch) return "over";
  const isBack = move.live === undefined && move.answer.kind === "failed" && between(is, was);
  return isBack && nextEpoch(move.epoch) === was.epoch ? "back" : undefined;
}

/**
 * S15: a VM changes hands by its source's word, while neither side is fenced and its guest stands still; it comes back only
 * by its target's word, where that copy is gone and never ran; and between the two it starts in no other way.
 */
export const handsChangeOnce: CheckerKind = {
  rule: "S15",
  make: (world, fail) => {
    /** The newest epoch that ever executed. */
    const ran = new Map<VmId, number>();
    const between = new Map<VmId, VmMove>();
    /** Somebody ended it before its move began, and it has not died of that yet. */
    const doomed = new WeakSet<Copy>();
    const note = (vm: VmId, epoch: number): void => {
      ran.set(vm, Math.max(ran.get(vm) ?? 0, epoch));
    };
    return {
      starting: (copy) => {
        checkStart(world, copy, between.has(copy.run.vm), fail);
        note(copy.run.vm, copy.run.epoch);
      },
      adopting: ({ run, moving }, as) => {
        const last = ran.get(run.vm) ?? 0;
        if (moving.part !== undefined && last > run.epoch)
          fail(`${runKey(run)} is to go on as epoch ${as.epoch}, although epoch ${last} has run since`);
        note(run.vm, as.epoch);
      },
      ended: (copy) => {
        if (!doomed.has(copy)) checkUntouched(world, copy, fail);
        checkNotLost(world, copy, ran.get(copy.run.vm) ?? 0, fail);
      },
      committed: ({ name, value, before }, writer) => {
        if (name.kind === "vm-move") {
          if (before === undefined)
            for (const copy of world.copiesOf(name.vm)) if (copy.killedBy !== undefined) doomed.add(copy);
          checkQuit(world, value as VmMove | undefined, before as VmMove | undefined, fail);
          keepBetween(between, name.vm, value as VmMove | undefined);
        }
        if (name.kind !== "owner") return;
        const handing = handingOf(world, name, before, value);
        if (handing === undefined) {
          const source = between.get(name.vm)?.from;
          if (
            source !== undefined &&
            !isLeap(world, before, value) &&
            !isLetGo(before as Owner | undefined, value as Owner | undefined, ran.get(name.vm))
          )
            fail(`the owner of ${name.vm} changes, although ${source} has not quit`);
          return;
        }
        world.count(handing === "over" ? "handOvers" : "handBacks");
        const [was, is] = [before as Held, value as Held];
        if (writer?.host.id !== was.host) fail(`${writer?.host.id} hands ${name.vm} ${handing}; ${was.host} holds it`);
        if (handing === "over") checkWanted(world, name.vm, fail);
        for (const { host, incarnation } of [was, is])
          if (world.truth.fences.has(`${host}/${incarnation}`))
            fail(`${name.vm} is handed ${handing} although ${host}/${incarnation} is fenced`);
        for (const copy of world.copiesOf(name.vm))
          if (copy.host.executes(copy)) fail(`${name.vm} is handed ${handing} while ${runKey(copy.run)} runs`);
        if (handing === "back" && (ran.get(name.vm) ?? 0) >= was.epoch)
          fail(`${name.vm} is given back, although it has run as epoch ${was.epoch}`);
      },
      afterEvent: () => {
        for (const { vm, from, incarnation, epoch } of between.values()) {
          if (epoch === null) continue;
          const old = world.host(from).copies.get(runKey({ vm, incarnation, epoch }));
          if (old?.host.executes(old) === true) fail(`${runKey(old.run)} runs on ${from} after it was handed over`);
        }
      },
    };
  },
};

/** HM2: what is locked, or is to be stopped, stays where it is until it changes hands; nothing is done while all is disarmed. */
function checkWanted(world: World, id: VmId, fail: Fail): void {
  const vm = world.truth.vms.get(id);
  if (vm?.lock != null) fail(`${id} is handed over under the lock ${vm.lock.kind}`);
  const isUnwanted = vm?.requested === "stopped" || vm?.requested === "disabled";
  if (isUnwanted && !world.truth.values.has(keys.disarm)) fail(`${id} is handed over, although it is to be stopped`);
}

/** What has run at its new host is stopped there like any other; only its next start waits for the source. */
function isLetGo(was: Owner | undefined, is: Owner | undefined, ranLast: number | undefined): boolean {
  if (was?.kind !== "held" || is?.kind !== "released") return false;
  return is.host === was.host && is.epoch === was.epoch && ranLast === was.epoch;
}

function moveOf(world: World, vm: VmId): VmMove | undefined {
  return world.truth.values.get(keys.vmMove(vm)) as VmMove | undefined;
}

function keepBetween(between: Map<VmId, VmMove>, vm: VmId, move: VmMove | undefined): void {
  if (move?.live?.kind === "switched") between.set(vm, move);
  else between.delete(vm);
}

/**
 * What says that the source has quit: nothing of what was handed over is left there. Where its disks lie with the host alone,
 * the fence is proof enough that it never goes on, and nobody uses what it could still write (S10).
 */
function checkQuit(world: World, is: VmMove | undefined, was: VmMove | undefined, fail: Fail): void {
  if (is !== undefined || was?.live?.kind !== "switched" || was.epoch === null) return;
  const { vm, from, incarnation, epoch } = was;
  const old = world.host(from).copies.get(runKey({ vm, incarnation, epoch }));
  const isFenced = world.truth.fences.has(`${from}/${incarnation}`);
  if (old?.alive === true && (old.strict || !isFenced))
    fail(`${from} is said to have quit ${vm}, and its copy is there`);
}

/**
 * A source that was told to quit: its copy may be all that there is of a guest that has not gone on at its target. A guard
 * that cannot freeze it kills it all the same (S5): the host may be taken over, and a guest that runs twice is worse.
 */
function checkNotLost(world: World, { run, host, killedBy }: Copy, ranLast: number, fail: Fail): void {
  const move = moveOf(world, run.vm);
  if (killedBy !== "driver" || move?.live?.kind !== "switched" || move.answer.kind !== "open") return;
  if (move.from !== host.id || move.incarnation !== run.incarnation || move.epoch !== run.epoch) return;
  const isFenced = (of: string, incarnation: number): boolean => world.truth.fences.has(`${of}/${incarnation}`);
  if (isFenced(host.id, run.incarnation) || isFenced(move.to, move.live.incarnation)) return;
  // S23: that its target is gone is a person's word by then; the fence that says so is among the next records of that order.
  const forced = forcedOf(world);
  if (forced?.open === true && forced.without.includes(move.to)) return;
  if (ranLast <= run.epoch) fail(`${runKey(run)} is ended on ${host.id}, and the guest has not gone on at ${move.to}`);
}

function checkStart(world: World, { run, host, moving }: Copy, isBetween: boolean, fail: Fail): void {
  if (moving.part !== "arriving") {
    if (isBetween) fail(`${runKey(run)} starts on ${host.id} before the source of its move has quit`);
    return;
  }
  if (!world.truth.isNamed(run.vm, host.id, run)) fail(`${runKey(run)} goes on, ${host.id} does not own it`);
  if (moving.stream?.isWhole !== true) fail(`${runKey(run)} goes on before all of it has arrived`);
}

/** A guest that moves and is owned where it is ends by what happens to it alone: a move that fails does not touch it. */
function checkUntouched(world: World, copy: Copy, fail: Fail): void {
  const { run, host, moving, killedBy } = copy;
  const move = moveOf(world, run.vm);
  const isMoving = moving.part === "leaving" || (move?.live !== undefined && move.epoch === run.epoch);
  // S5: guards kill what they cannot freeze.
  if (killedBy !== "driver" || !isMoving || !world.truth.isNamed(run.vm, host.id, run)) return;
  // A host that goes down at once stops what runs there.
  const mode = world.truth.values.get(keys.hostMode(host.id)) as HostMode | undefined;
  if (mode !== undefined && mode.mode !== "active" && (mode.mode !== "leaving" || isMoveGivenUp(world, run.vm))) return;
  // A person has it stopped there to go back to a point.
  const order = (world.truth.values.get(keys.vmOrder(run.vm)) as VmOrder | undefined)?.order;
  if (order?.kind === "promote" && order.stops === true) return;
  if (world.truth.vms.get(run.vm)?.requested !== "started" || world.truth.fences.has(`${host.id}/${run.incarnation}`))
    return;
  fail(`${runKey(run)} is ended on ${host.id} for a move of it`);
}

/** Its host goes down, and waits for no further attempt (HM4). */
function isMoveGivenUp({ truth: { values } }: World, vm: VmId): boolean {
  const { moveAttemptsMax } = policySchema.parse(values.get(keys.policy) ?? defaultPolicy);
  const plan = values.get(keys.vmPlan(vm)) as VmPlan | undefined;
  return (plan?.failedMoves?.count ?? 0) >= moveAttemptsMax;
}

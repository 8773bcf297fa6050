import { limits } from "../../core/limits.ts";
import type { HostId, VmId, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { VmMove } from "../../model/move-records.ts";
import { defaultPolicy, policySchema, type Scheduler } from "../../model/policy.ts";
import type { Owner } from "../../model/records.ts";
import type { Written } from "../world/truth.ts";
import type { World } from "../world/world.ts";
import { isWorth, Scales, type Weighed } from "./balance-scales.ts";
import { behindMs, type Certainty, certaintyOf } from "./certainty.ts";
import type { Fail, Writer } from "./checker.ts";
import { Closure } from "./closure.ts";
import type { CheckerKind } from "./kind.ts";

/** Clocks count whole milliseconds and their rate may differ by 500 ppm. */
const rateSlack = 0.99;
/** What is told is rounded to two places. */
const rounding = 0.0051;
/** What belongs to one decision is written by then. */
const writtenMs = 3_000;

/** VMs that were moved by one decision to even out the hosts. */
type Bundle = {
  readonly id: string;
  readonly from: HostId;
  readonly to: HostId;
  readonly writer: Writer;
  readonly vms: Set<VmId>;
};

/**
 * PL5: hosts are evened out only where the policy asks for it and for as long as it says; by a move that is worth its margin;
 * while nothing else moves; never against the rules; what belongs together whole; and no VM is sent back to where it was taken
 * from while nothing else has changed.
 */
export const evensOut: CheckerKind = {
  rule: "PL5",
  make: (world, fail) => {
    const watch = new Watch(world, fail, certaintyOf(world));
    return {
      refused: (_writer, transaction) => watch.scales.refused(transaction),
      committed: (written, writer) => watch.committed(written, writer),
      levels: () => watch.standsStill(),
    };
  },
};

/** The move is one that evens out the hosts. */
export function isEvening(move: VmMove | undefined): move is VmMove {
  return move?.reason.code === "hosts-uneven";
}

class Watch {
  readonly scales: Scales;
  readonly #world: World;
  readonly #fail: Fail;
  readonly #certainty: Certainty;
  #bundle: Bundle | undefined;
  #begunAt = Number.NEGATIVE_INFINITY;
  #termAt = 0;
  /** When each move that is under way was written. */
  readonly #since = new Map<VmId, number>();
  /** From where each VM was last moved for this, as long as nothing else has changed. */
  readonly #takenFrom = new Map<VmId, { readonly host: HostId; readonly at: WallMs; readonly since: number }>();

  constructor(world: World, fail: Fail, certainty: Certainty) {
    this.#world = world;
    this.#fail = fail;
    this.#certainty = certainty;
    this.scales = new Scales(world, certainty);
  }

  committed(written: Written, writer: Writer | null): void {
    const { name, value, before } = written;
    const { now } = this.#world.scheduler;
    if (name.kind === "manager-term") this.#termAt = now;
    this.scales.committed(written);
    if (name.kind !== "vm-move") {
      if (this.#isAnotherCause(written)) this.#takenFrom.clear();
      return;
    }
    const [is, was] = [value as VmMove | undefined, before as VmMove | undefined];
    if (is === undefined) this.#since.delete(name.vm);
    if (is === undefined || is.answer.kind !== "open" || is.at === was?.at) return;
    if (isEvening(is) && writer !== null) this.#begins(is, writer);
    else this.#takenFrom.clear();
    this.#since.set(name.vm, now);
  }

  /** What guests use is measured otherwise from now on. */
  standsStill(): void {
    this.scales.standsStill();
  }

  #begins(move: VmMove, writer: Writer): void {
    const { autoRebalance, mode } = this.#policy();
    if (!autoRebalance.enabled || mode === "basic")
      this.#fail(`${move.vm} is moved to even out the hosts, and nobody asked for that`);
    if (mode === "basic") return;
    this.#checkBack(move, mode);
    this.#checkClass(move);
    const id = `${move.at} ${move.from} ${move.to}`;
    if (this.#bundle?.id === id && this.#bundle.writer.life === writer.life) {
      this.#bundle.vms.add(move.vm);
      return;
    }
    this.#checkStated(move, autoRebalance);
    this.#checkOthers(move);
    this.#checkHold(move, autoRebalance.holdMs);
    this.#bundle = { id, from: move.from, to: move.to, writer, vms: new Set([move.vm]) };
    this.#begunAt = this.#world.scheduler.now;
    this.#world.count("evenings");
    this.#checkWorth(this.#bundle, autoRebalance, mode);
  }

  /** What it says of itself is what the policy asks for. */
  #checkStated({ vm, reason }: VmMove, { threshold, margin }: Scheduler["autoRebalance"]): void {
    const [before, after] = [Number(reason.params["before"]), Number(reason.params["after"])];
    if (before + rounding < threshold)
      this.#fail(`${vm} is moved at an imbalance of ${before}, borne are ${threshold}`);
    if (after - rounding > (before + rounding) * (1 - margin))
      this.#fail(`${vm} is moved for an imbalance of ${after} instead of ${before}, asked for is ${margin} less`);
  }

  /** Nothing is looked for while anything moves that whoever decides must have heard of. */
  #checkOthers({ vm }: VmMove): void {
    for (const [other, at] of this.#since) {
      const open = this.#world.truth.values.get(keys.vmMove(other)) as VmMove | undefined;
      if (other !== vm && open?.answer.kind === "open" && this.#world.scheduler.now - at > behindMs)
        this.#fail(`${vm} is moved to even out the hosts while ${other} moves`);
    }
  }

  /** It has lasted for as long as the policy asks, by looks that are so far apart: in this term, and since the last of these moves. */
  #checkHold({ vm }: VmMove, holdMs: number): void {
    const looks = Math.ceil(holdMs / limits.balanceRoundMs);
    const leastMs = looks * limits.balanceRoundMs * rateSlack;
    const waitedMs = this.#world.scheduler.now - Math.max(this.#begunAt, this.#termAt);
    if (waitedMs < leastMs)
      this.#fail(
        `${vm} is moved to even out the hosts ${Math.floor(waitedMs)} ms after the last one, or the term's begin`,
      );
  }

  #checkBack({ vm, from, to, at }: VmMove, mode: "static" | "dynamic"): void {
    const last = this.#takenFrom.get(vm);
    const { now } = this.#world.scheduler;
    // A guest that stood still has used less, and uses more again: that is a change.
    const isSame = last !== undefined && (mode === "static" || this.scales.isTrue(last.since));
    if (isSame && last.host === to && last.at !== at)
      this.#fail(
        `${vm} goes back to ${to} to even out the hosts, and nothing has changed since it was taken from there`,
      );
    // Another one that was moved since has changed what there is to even out.
    for (const [other, { at: movedAt }] of this.#takenFrom)
      if (other !== vm && movedAt !== at) this.#takenFrom.delete(other);
    this.#takenFrom.set(vm, { host: from, at, since: now });
  }

  #checkClass({ vm, from, to }: VmMove): void {
    if (!this.#certainty.areRulesSettled()) return;
    const rules = new Closure(this.#world.truth.rules.values());
    const [was, is] = [rules.classOf(vm, from), rules.classOf(vm, to)];
    if (is === undefined || (was !== undefined && is < was))
      this.#fail(`${vm} is moved to even out the hosts, from a better class on ${from} to ${to}`);
  }

  /** Looked at once all of it is written: that it is whole, and does what it is for. */
  #checkWorth(bundle: Bundle, { threshold, margin }: Scheduler["autoRebalance"], mode: "static" | "dynamic"): void {
    const { truth, scheduler } = this.#world;
    if (!this.#certainty.areRulesSettled() || !this.#certainty.hears(bundle.writer.life)) return;
    const rules = new Closure(truth.rules.values());
    const team = [...bundle.vms].flatMap((vm) => [...rules.team(vm)]);
    const wanted = team.filter((vm) => truth.vms.get(vm)?.requested === "started");
    const weighed = this.scales.weigh(mode, bundle.from, wanted);
    if (weighed === undefined) return;
    scheduler.after(writtenMs, () => {
      if (!this.#isWhole(bundle, wanted, weighed)) return;
      const after = weighed.imbalanceWith(bundle.to);
      // What was measured may be a little older: that it becomes more even at all is sure.
      const asked = mode === "static" ? { threshold, margin } : { threshold: 0, margin: 0 };
      if (!isWorth(weighed.imbalance, after, asked))
        this.#fail(
          `with ${[...bundle.vms].join(", ")} on ${bundle.to} the imbalance is ${after}, was ${weighed.imbalance}`,
        );
    });
  }

  #isWhole({ vms, writer, to }: Bundle, wanted: readonly VmId[], weighed: Weighed): boolean {
    const missing = wanted.filter((vm) => !vms.has(vm));
    const [vm] = missing;
    if (vm === undefined) return true;
    const records = missing.flatMap((one) => [keys.owner(one), keys.vm(one), keys.vmMove(one)]);
    const isOnItsWay = writer.life.ended || this.#world.quietMs() < behindMs || !this.#certainty.hears(writer.life);
    if (!isOnItsWay && this.#termAt < weighed.at && this.scales.isUntouched(records, weighed))
      this.#fail(`${[...vms].join(", ")} goes to ${to} without ${vm}, which belongs with it`);
    return false;
  }

  /** Everything else that a choice may rest on. */
  #isAnotherCause({ name, value, before }: Written): boolean {
    switch (name.kind) {
      case "owner":
        // By such a move the VM changes hands, too; one that starts anew where it is does so for another cause.
        return (
          !this.#takenFrom.has(name.vm) || (before as Owner | undefined)?.host === (value as Owner | undefined)?.host
        );
      case "vm":
      case "rule":
      case "policy":
      case "maintenance":
      case "host":
      case "host-mode":
      case "host-losses":
      case "host-facts":
      case "fence":
        return JSON.stringify(value) !== JSON.stringify(before);
      default:
        return false;
    }
  }

  #policy(): Scheduler {
    return policySchema.parse(this.#world.truth.values.get(keys.policy) ?? defaultPolicy).scheduler;
  }
}

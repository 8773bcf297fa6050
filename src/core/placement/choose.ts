import type { HostId } from "../../model/ids.ts";
import { type Asked, besideHomes, togetherAt, whyNot } from "./asked.ts";
import { doubtOf } from "./reach.ts";
import type { PlacementRound, Slot } from "./round.ts";
import { byCost, cheapest, type Scores, scoresOf } from "./score.ts";

/** What was chosen, and by which step of the selection (PL2). */
export type Choice = {
  readonly asked: Asked;
  readonly on: Slot;
  readonly by: "stay" | "return" | "together" | "retry" | "score" | "next";
  /** Its class by the rules; lower classes had no turn. */
  readonly class: number;
  /** Where the score decided: how they compared. */
  readonly scores: Scores | undefined;
};

/**
 * Undefined: no host can take it. Where nobody else can take a VM that would otherwise not run, hosts in quarantine have their
 * turn: a doubtful host is better than none (HM6). Then those on which VMs that are kept apart from it merely lie: else two
 * that lie on one host would wait for each other.
 */
export function choose(round: PlacementRound, asked: Asked): Choice | undefined {
  const choice = chooseOpen(round, asked);
  if (choice !== undefined || (asked.held && asked.wish.preference !== "best")) return choice;
  const isClosed = round.slots.some(({ closed }) => closed !== undefined);
  const last = isClosed ? chooseOpen(round, { ...asked, lastResort: true }) : undefined;
  if (last !== undefined) return last;
  const beside = besideHomes(round, asked);
  return beside === undefined ? undefined : chooseOpen(round, { ...beside, lastResort: true });
}

function chooseOpen(round: PlacementRound, asked: Asked): Choice | undefined {
  const { at } = asked;
  const isHeld = asked.held && asked.wish.preference === "stay" && asked.wish.returnTo === undefined;
  if (isHeld && at !== undefined && whyNot(round, asked, at) === undefined && isBest(round, asked, at))
    return { asked, on: at, by: "stay", class: round.book.topClassOf(asked.vm.id), scores: undefined };
  const tiers = tiersOf(round, asked);
  return byOwnChoice(round, asked, tiers) ?? byClass(round, asked, tiers) ?? again(round, asked, tiers);
}

/** Whether no other host could be better for a VM than the one that holds it, whatever else is there. */
function isBest(round: PlacementRound, asked: Asked, at: Slot): boolean {
  if (!asked.ruled) return true;
  if (round.book.classOf(asked.vm.id, at.host) !== round.book.topClassOf(asked.vm.id)) return false;
  const together = togetherAt(round, asked, false);
  return together.size === 0 || (together.size === 1 && together.has(at.host));
}

type Tier = { readonly class: number; readonly slots: readonly Slot[] };

/** The hosts that can take the VM, by the classes of its rules, the highest first. */
function tiersOf(round: PlacementRound, asked: Asked): readonly Tier[] {
  if (!asked.ruled) {
    const slots = round.slots.filter((slot) => whyNot(round, asked, slot) === undefined);
    return slots.length === 0 ? [] : [{ class: 0, slots }];
  }
  const byClass = new Map<number, Slot[]>();
  for (const slot of round.slots) {
    if (whyNot(round, asked, slot) !== undefined) continue;
    const number = round.book.classOf(asked.vm.id, slot.host) ?? 0;
    const slots = byClass.get(number);
    if (slots === undefined) byClass.set(number, [slot]);
    else slots.push(slot);
  }
  return [...byClass].sort(([a], [b]) => b - a).map(([number, slots]) => ({ class: number, slots }));
}

/** A VM without failback stays wherever the rules let it, or goes back to where maintenance drove it from. */
function byOwnChoice(round: PlacementRound, asked: Asked, tiers: readonly Tier[]): Choice | undefined {
  if (asked.vm.failback || asked.wish.preference !== "stay") return undefined;
  const returns = asked.returnsAnyway ? asked.returnTo : undefined;
  for (const [slot, by] of [
    [returns, "return"],
    [asked.at, "stay"],
  ] as const) {
    if (slot === undefined) continue;
    const tier = tiers.find(({ slots }) => slots.includes(slot));
    if (tier === undefined) continue;
    const together = togetherAt(round, asked, by === "return");
    if (together.size === 0 || together.has(slot.host))
      return { asked, on: slot, by, class: tier.class, scores: undefined };
  }
  return undefined;
}

/** The highest class that has a host on which the VM has not failed (PL3). */
function byClass(round: PlacementRound, asked: Asked, tiers: readonly Tier[]): Choice | undefined {
  for (const tier of tiers) {
    const failed = asked.failedHosts.length > 0;
    const untried = failed ? tier.slots.filter((slot) => !asked.failedOn(slot)) : tier.slots;
    if (untried.length > 0 && !isOutranked(round, asked, untried, tiers))
      return among(round, asked, { class: tier.class, slots: untried });
  }
  return undefined;
}

/** HM2: it leaves its host, would hardly get to any of these, and another one can take it: the rules' best comes later then. */
function isOutranked(round: PlacementRound, asked: Asked, slots: readonly Slot[], tiers: readonly Tier[]): boolean {
  const { reach } = asked;
  if (reach === undefined || asked.wish.without === undefined) return false;
  if (mostCompany(slots, togetherAt(round, asked, false)) !== undefined) return false;
  const least = leastDoubt(asked, slots);
  return tiers.some((tier) => tier.slots.some((slot) => doubtOf(reach, slot) < least && !asked.failedOn(slot)));
}

function leastDoubt({ reach }: Asked, slots: readonly Slot[]): number {
  return Math.min(...slots.map((slot) => doubtOf(reach, slot)));
}

/** HM2: those to which it gets most likely. */
function likeliest(asked: Asked, slots: readonly Slot[]): readonly Slot[] {
  if (asked.reach === undefined) return slots;
  const least = leastDoubt(asked, slots);
  return slots.filter((slot) => doubtOf(asked.reach, slot) === least);
}

function among(round: PlacementRound, asked: Asked, tier: Tier): Choice {
  const { at, returnTo, wish } = asked;
  const found = (on: Slot, by: Choice["by"], scores?: Scores): Choice => {
    return { asked, on, by, class: tier.class, scores };
  };
  const home = returnTo !== undefined && tier.slots.includes(returnTo) ? returnTo : undefined;
  const company = mostCompany(tier.slots, togetherAt(round, asked, home !== undefined));
  const slots = company ?? tier.slots;
  if (home !== undefined && slots.includes(home)) return found(home, "return");
  if (wish.preference === "stay" && at !== undefined && slots.includes(at)) return found(at, "stay");
  const only = slots[0];
  if (company !== undefined && only !== undefined) return found(only, "together");
  const scores = scoresOf(round, asked.vm);
  if (wish.preference === "try-next" && at !== undefined && slots.includes(at)) {
    const ranked = byCost(slots, scores);
    const next = ranked[ranked.indexOf(at) + 1];
    if (next !== undefined) return found(next, "next", scores);
  }
  const best = cheapest(likeliest(asked, slots), scores);
  return found(best as Slot, "score", scores);
}

/** The one host of those with the most VMs that belong together with this one; undefined: none of them is on any. */
function mostCompany(slots: readonly Slot[], together: ReadonlyMap<HostId, number>): readonly Slot[] | undefined {
  let best: Slot | undefined;
  for (const slot of together.size === 0 ? [] : slots) {
    const count = together.get(slot.host) ?? 0;
    if (count > (best === undefined ? 0 : (together.get(best.host) ?? 0))) best = slot;
  }
  return best === undefined ? undefined : [best];
}

/** PL3: it failed on every host that could take it: once more where it is, as long as `maxRelocate` allows. */
function again(round: PlacementRound, asked: Asked, tiers: readonly Tier[]): Choice | undefined {
  if (asked.failedHosts.length > asked.vm.maxRelocate) return undefined;
  const [top] = tiers;
  if (top === undefined) return undefined;
  const tier = tiers.find(({ slots }) => asked.at !== undefined && slots.includes(asked.at));
  if (tier !== undefined && asked.at !== undefined)
    return { asked, on: asked.at, by: "retry", class: tier.class, scores: undefined };
  return among(round, asked, top);
}

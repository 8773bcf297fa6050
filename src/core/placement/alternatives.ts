import type { Alternative, Reason } from "../../model/reason.ts";
import { type Asked, whyNot } from "./asked.ts";
import type { Choice } from "./choose.ts";
import { reason } from "./fitness.ts";
import { doubtOf, whyDoubtful } from "./reach.ts";
import type { PlacementRound, Slot } from "./round.ts";

/** Up to so many hosts are told one by one; of more, those that lost for the same reason are told together. */
const toldOneByOneMax = 16;

/** Why each host that was not chosen lost: first those that could not take the VM, then the others, the best first. */
export function alternativesTo(round: PlacementRound, asked: Asked, choice: Choice | undefined): Alternative[] {
  const lost = losers(round, asked, choice);
  if (round.slots.length > toldOneByOneMax) return grouped(lost, choice);
  const unfit = lost.filter(({ fit }) => !fit);
  const others = lost.filter(({ fit }) => fit).sort((a, b) => byCost(a, b, choice));
  return [...unfit, ...others].map(({ slot, why }) => ({ option: slot.host, why }));
}

type Lost = { readonly slot: Slot; readonly why: Reason; readonly fit: boolean };

function losers(round: PlacementRound, asked: Asked, choice: Choice | undefined): Lost[] {
  const lost: Lost[] = [];
  for (const slot of round.slots) {
    if (slot === choice?.on) continue;
    const why = whyNot(round, asked, slot);
    lost.push({ slot, why: why ?? whyAfter(round, asked, choice, slot), fit: why === undefined });
  }
  return lost;
}

function byCost(a: Lost, b: Lost, choice: Choice | undefined): number {
  const scores = choice?.scores;
  return (scores === undefined ? 0 : scores.cost(a.slot) - scores.cost(b.slot)) || a.slot.order - b.slot.order;
}

/** One for each reason: the host that came closest, with how many more. */
function grouped(lost: readonly Lost[], choice: Choice | undefined): Alternative[] {
  const groups = new Map<string, { first: Lost; others: number }>();
  for (const loser of lost) {
    const group = groups.get(loser.why.code);
    if (group === undefined) groups.set(loser.why.code, { first: loser, others: 0 });
    else {
      group.others += 1;
      if (loser.fit && byCost(loser, group.first, choice) < 0) group.first = loser;
    }
  }
  return [...groups.values()].map(({ first: { slot, why }, others }) => {
    const option = others === 0 ? slot.host : `${slot.host} and ${others} more`;
    return { option, why: { ...why, params: { ...why.params, others } } };
  });
}

/** Why a host that could take the VM came after the chosen one; without one, it failed everywhere. */
function whyAfter(round: PlacementRound, asked: Asked, choice: Choice | undefined, slot: Slot): Reason {
  const { host } = slot;
  if (choice === undefined || (asked.failedOn(slot) && choice.by !== "retry"))
    return reason("PL3", "vm-failed-here", { host });
  const doubtful =
    doubtOf(asked.reach, slot) > doubtOf(asked.reach, choice.on) ? whyDoubtful(asked.reach, slot) : undefined;
  if (doubtful !== undefined && choice.by === "score") return doubtful;
  const best = choice.on.host;
  const lower = asked.ruled ? (round.book.classOf(asked.vm.id, host) ?? 0) : 0;
  if (lower < choice.class) return reason("PL2", "host-in-lower-class", { host, class: lower, best: choice.class });
  switch (choice.by) {
    case "stay":
      return reason("PL2", "vm-stays", { host, best });
    case "return":
      return reason("PL2", "vm-goes-back", { host, best });
    case "together":
      return reason("PL2", "vm-belongs-elsewhere", { host, best });
    case "retry":
      return reason("PL3", "vm-tried-again", { host, best });
    case "next":
      return reason("PL3", "host-not-next", { host, best });
    case "score":
      return choice.scores?.whyLost(slot, choice.on) ?? reason("PL3", "vm-failed-here", { host });
  }
}

import type { SeededRandom } from "../base/random.ts";
import type { DrawContext, FaultKind } from "./faults/fault.ts";
import type { FaultEvent } from "./plan.ts";

/** Troubles come after a quiet start, and are over in time for everything to come to rest. */
export const quietStartMs = 40_000;
export const healAtMs = 440_000;

/** One fault of the menu, or a burst of two. */
export function drawOne(random: SeededRandom, context: DrawContext, menu: readonly FaultKind[]): FaultEvent[] {
  const kind = pickByWeight(random, menu);
  const atMs = quietStartMs + random.below(healAtMs - quietStartMs - 20_000);
  const rest = kind.draw(random, context);
  if (rest === undefined) return [];
  const event = { atMs, kind: kind.name, ...rest };
  // Troubles like company: some come as a burst around the same moment.
  if (!random.chance(0.3)) return [event];
  const second = pickByWeight(random, menu);
  const more = second.draw(random, context);
  if (more === undefined) return [event];
  return [event, { atMs: atMs + random.below(8_000), kind: second.name, ...more }];
}

function pickByWeight(random: SeededRandom, menu: readonly FaultKind[]): FaultKind {
  let draw = random.below(menu.reduce((sum, kind) => sum + kind.weight, 0));
  for (const kind of menu) {
    draw -= kind.weight;
    if (draw < 0) return kind;
  }
  return random.pick(menu);
}

import { measureMove, ticksAfter, untilSeen } from "../migration/measure.ts";
import { openRig, type Rig } from "../migration/rig.ts";
import { watchTicks } from "../migration/tick-watch.ts";
import type { Switching } from "./calls.ts";
import { openSwitchByHand } from "./switch-by-hand.ts";
import { openSwitchOurs } from "./switch-ours.ts";

const memoryMiB = 80;

/** For how long the guest wrote nothing, in milliseconds, of each switchover; whoever opens the rig closes it by `onClose`. */
export async function switchoverGaps(
  trials: number,
  log: (line: string) => void,
  onClose: (close: () => Promise<void> | void) => void,
): Promise<{ readonly ours: readonly number[]; readonly raw: readonly number[] }> {
  const rig = await openRig(memoryMiB, "shared-nothing");
  onClose(() => rig.close());
  const ours = await watched(rig, "port", openSwitchOurs, onClose);
  const raw = await watched(rig, "hand", openSwitchByHand, onClose);
  for (let trial = 0; trial < trials; trial++) {
    // Whoever comes first finds the machine as the other left it: in turns.
    for (const one of trial % 2 === 0 ? [ours, raw] : [raw, ours]) await one.switch();
    const last = ({ gaps }: typeof ours): string => `${Math.round(gaps.at(-1) ?? 0)} ms`;
    log(`switchover ${trial + 1}: ours ${last(ours)}; by hand ${last(raw)}`);
  }
  return { ours: ours.gaps, raw: raw.gaps };
}

async function watched(
  rig: Rig,
  name: string,
  open: (rig: Rig, name: string) => Promise<Switching>,
  onClose: (close: () => Promise<void> | void) => void,
) {
  const switching = await open(rig, name);
  onClose(() => switching.close());
  const ticks = watchTicks(...rig.images(name));
  onClose(() => ticks.close());
  await untilSeen(ticks, ticksAfter);
  const gaps: number[] = [];
  return {
    gaps,
    switch: async (): Promise<void> => {
      await switching.mirror();
      gaps.push((await measureMove(switching, ticks)).downtimeMs);
    },
  };
}

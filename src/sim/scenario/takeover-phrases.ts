import { onceBegun } from "../faults/takeover.ts";
import type { World } from "../world/world.ts";
import type { PhraseArgs } from "./phrase-words.ts";

type Play = (world: World, args: PhraseArgs, forMs: number | undefined) => unknown;

export function asItIsWritten(play: Play): (world: World, args: PhraseArgs, forMs: number | undefined) => undefined {
  return (world, args, forMs) => {
    onceBegun(world, () => play(world, args, forMs));
    return undefined;
  };
}

import type { World } from "../world/world.ts";

/** Between two heartbeats of anybody: beyond this nobody reaches the store. */
const nobodyBeatsMs = 2_000;

/**
 * The time in which somebody got through to the store, told by the heartbeats of all. While nobody does, nobody can see what
 * stands there, or do anything about it.
 */
export class Reached {
  readonly #world: World;
  #newestAt = 0;
  #ms = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** Some host's heartbeat was committed now. */
  beat(): void {
    this.#ms = this.ms();
    this.#newestAt = this.#world.scheduler.now;
  }

  /** In sum, up to now. */
  ms(): number {
    return this.#ms + Math.min(this.#world.scheduler.now - this.#newestAt, nobodyBeatsMs);
  }
}

/** The kernel takes what it has room for within this; what waits for longer waits for the peer to take what went before. */
const atOnceMs = 50;

/**
 * Whether the way out of a connection says anything of its peer. Megabytes leave for one that hangs, too, as long as the kernels
 * between have room: taken for a sign, they would keep a guest waiting for as long as anybody goes on writing (S25). So only what
 * had to wait before it left is one.
 */
export class Backlog {
  #since: number | undefined;

  /** `isFull`: not all that was written has left yet. */
  wrote(isFull: boolean, now: number): void {
    if (isFull) this.#since ??= now;
  }

  /** All of it has left. True: the peer has taken something meanwhile. */
  left(now: number): boolean {
    const since = this.#since;
    this.#since = undefined;
    return since !== undefined && now - since >= atOnceMs;
  }
}

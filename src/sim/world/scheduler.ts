/** One entry of virtual time; `run` is emptied where it is cancelled. */
export type Timer = { readonly at: number; readonly order: number; run: (() => void) | undefined };

/** Virtual time in milliseconds: a heap ordered by (time, order of asking). Nothing else decides what comes next. */
export class Scheduler {
  now = 0;
  executed = 0;
  readonly #heap: Timer[] = [];
  #order = 0;

  at(when: number, run: () => void): Timer {
    const timer: Timer = { at: Math.max(when, this.now), order: this.#order++, run };
    this.#push(timer);
    return timer;
  }

  after(ms: number, run: () => void): Timer {
    return this.at(this.now + ms, run);
  }

  /** Runs the next entry that is due before `limit`. False: there is none. */
  step(limit: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > limit) return false;
      this.#pop();
      const { run } = next;
      if (run === undefined) continue;
      this.now = next.at;
      this.executed += 1;
      run();
      return true;
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(timer);
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || !isBefore(timer, parent)) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let down = 2 * i + 1;
      const left = heap[down];
      if (left === undefined) break;
      const right = heap[down + 1];
      let child = left;
      if (right !== undefined && isBefore(right, left)) {
        child = right;
        down += 1;
      }
      if (!isBefore(child, last)) break;
      heap[i] = child;
      i = down;
    }
    heap[i] = last;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

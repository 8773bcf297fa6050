import type { Address, Reach } from "../../lab/reach.ts";

/** The name under which this program's numbers stand on the disk. */
export const clientName = "bench";

/** Writes numbers, one after the other, and keeps which were acknowledged. */
export interface Writer {
  readonly acknowledged: readonly number[];
  /** The newest acknowledgement: when it came, and from which epoch. */
  readonly last: { readonly at: number; readonly epoch: number } | undefined;
  /** Paused, it sends nothing. */
  pause(paused: boolean): void;
  stop(): void;
}

const writeTimeoutMs = 800;
const writePauseMs = 25;

export function startWriter(reach: Reach, to: Address): Writer {
  const acknowledged: number[] = [];
  let last: Writer["last"];
  let stopped = false;
  let paused = false;
  const run = async (): Promise<void> => {
    for (let number = 1; !stopped; number++) {
      while (paused) await rest();
      const path = `/write?n=${number}&client=${clientName}`;
      const answer = await reach.http(to, { path, timeoutMs: writeTimeoutMs });
      const epoch = answer.kind === "answered" && answer.status === 200 ? epochIn(answer.body) : undefined;
      // An answer that came counts, whatever else went wrong: the client was told that its number is safe.
      if (epoch !== undefined) {
        acknowledged.push(number);
        last = { at: performance.now(), epoch };
      }
      await rest();
    }
  };
  void run();
  return {
    acknowledged,
    get last() {
      return last;
    },
    pause: (wanted) => {
      paused = wanted;
    },
    stop: () => {
      stopped = true;
      paused = false;
    },
  };
}

function rest(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, writePauseMs));
}

const askEveryMs = 40;
const askTimeoutMs = 600;

/**
 * When the VM first answers with an epoch of at least `epoch`; undefined after `limitMs`. Asks anew every 40 ms over a
 * connection of its own: one that hangs in its first packet must not hide that the next would be answered.
 */
export function firstAnswer(reach: Reach, to: Address, epoch: number, limitMs: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const end = (at: number | undefined): void => {
      clearInterval(asking);
      clearTimeout(limit);
      resolve(at);
    };
    const ask = async (): Promise<void> => {
      const answer = await reach.http(to, { path: "/status", timeoutMs: askTimeoutMs });
      if (answer.kind === "answered" && (epochIn(answer.body) ?? -1) >= epoch) end(performance.now());
    };
    const asking = setInterval(() => void ask(), askEveryMs);
    const limit = setTimeout(() => end(undefined), limitMs);
    void ask();
  });
}

function epochIn(body: string): number | undefined {
  const [, digits] = /"epoch":(\d+)/u.exec(body) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

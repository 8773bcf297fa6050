import type { Reach } from "../../lab/reach.ts";

/** A client of the guest: asks it to write rising numbers, one after the other, and remembers each that it acknowledged. */
export interface Writer {
  readonly acknowledged: readonly number[];
  /** Requests that got no answer, in a row. */
  readonly failing: number;
  stop(): Promise<void>;
}

const timeoutMs = 1_000;
const pauseMs = 25;

export function writeNumbers(reach: Reach, address: string, client: string): Writer {
  const acknowledged: number[] = [];
  let failing = 0;
  let stopped = false;
  const work = async (): Promise<void> => {
    for (let n = 1; !stopped; n++) {
      const path = `/write?n=${n}&client=${client}`;
      const end = await reach.http({ address, port: 80 }, { path, timeoutMs });
      if (end.kind === "answered" && end.status === 200) {
        acknowledged.push(n);
        failing = 0;
      } else failing += 1;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const done = work();
  return {
    acknowledged,
    get failing() {
      return failing;
    },
    stop: async () => {
      stopped = true;
      await done;
    },
  };
}

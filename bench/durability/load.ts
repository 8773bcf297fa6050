import type { Reach } from "../../lab/reach.ts";
import { waitFor } from "../../test/support/lab-cluster.ts";

/** Clients of one guest that let it write numbers, each of them one after the other. */
export interface Load {
  /** By client; an answer that came counts, whatever happened meanwhile. */
  readonly acknowledged: ReadonlyMap<string, readonly number[]>;
  /** When the newest acknowledgement came (performance.now). */
  readonly lastAt: number;
  /** As fast as the guest answers, or a few a second. */
  press(hard: boolean): void;
  /** The longest time without an acknowledgement since the last call, the present silence included; ms. */
  takeStallMs(): number;
  /** Ends once each client had one more acknowledged. */
  goesOn(): Promise<void>;
  stop(): Promise<void>;
}

const clients = ["north", "south"] as const;
/** Longer than the bound of a group: what was only held up is no lost answer. */
const timeoutMs = 2_700;
const pauseMs = { hard: 5, easy: 250 } as const;

export function openLoad(reach: Reach, address: string): Load {
  const acknowledged = new Map(clients.map((client) => [client as string, [] as number[]]));
  let lastAt = performance.now();
  let stallMs = 0;
  let isHard = false;
  let stopped = false;
  const answered = (numbers: number[], number: number): void => {
    const now = performance.now();
    stallMs = Math.max(stallMs, now - lastAt);
    lastAt = now;
    numbers.push(number);
  };
  const work = async (client: string, numbers: number[]): Promise<void> => {
    for (let number = 1; !stopped; number++) {
      const path = `/write?n=${number}&client=${client}`;
      const end = await reach.http({ address, port: 80 }, { path, timeoutMs });
      if (end.kind === "answered" && end.status === 200) answered(numbers, number);
      await new Promise((resolve) => setTimeout(resolve, isHard ? pauseMs.hard : pauseMs.easy));
    }
  };
  const done = Promise.all([...acknowledged].map(([client, numbers]) => work(client, numbers)));
  const counts = () => [...acknowledged.values()].map(({ length }) => length);
  return {
    acknowledged,
    get lastAt() {
      return lastAt;
    },
    press: (hard) => {
      isHard = hard;
    },
    takeStallMs: () => {
      const stall = Math.max(stallMs, performance.now() - lastAt);
      stallMs = 0;
      return stall;
    },
    goesOn: async () => {
      const before = counts();
      const isOn = () => counts().every((count, i) => count > (before[i] ?? 0)) || undefined;
      await waitFor("an acknowledged write of each client", isOn);
    },
    stop: async () => {
      stopped = true;
      await done;
    },
  };
}

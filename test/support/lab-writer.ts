import { lostNumbers } from "../../bench/failover/disk-check.ts";
import type { GuestDisk } from "../../lab/guest/disk.ts";
import type { Reach } from "../../lab/reach.ts";
import { waitFor } from "./lab-cluster.ts";

/** A client of the guest: asks it to write rising numbers, one after the other, and remembers each that it acknowledged. */
export interface Writer {
  readonly acknowledged: readonly number[];
  /** Requests that got no answer, in a row. */
  readonly failing: number;
  /** Ends once one more was acknowledged than when this was called. */
  goesOn(): Promise<void>;
  /** What was acknowledged before the disk is read now, and is not on it. */
  lost(read: () => GuestDisk): readonly number[];
  /** When the first of those was acknowledged, by the wall clock; undefined: nothing is lost. */
  lostSince(read: () => GuestDisk): number | undefined;
  stop(): Promise<void>;
}

const timeoutMs = 1_000;
const usualPauseMs = 25;

export function writeNumbers(reach: Reach, address: string, client: string, pauseMs = usualPauseMs): Writer {
  const acknowledged: number[] = [];
  const times = new Map<number, number>();
  let failing = 0;
  let stopped = false;
  const work = async (): Promise<void> => {
    for (let n = 1; !stopped; n++) {
      const path = `/write?n=${n}&client=${client}`;
      const end = await reach.http({ address, port: 80 }, { path, timeoutMs });
      if (end.kind === "answered" && end.status === 200) {
        acknowledged.push(n);
        times.set(n, Date.now());
        failing = 0;
      } else failing += 1;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const done = work();
  const lost = (read: () => GuestDisk): readonly number[] => {
    const before = [...acknowledged];
    return lostNumbers(read().records, client, before);
  };
  return {
    acknowledged,
    get failing() {
      return failing;
    },
    goesOn: async () => {
      const before = acknowledged.length;
      await waitFor("the next acknowledged write", () => acknowledged.length > before || undefined);
    },
    lost,
    lostSince: (read) => {
      const [first] = lost(read);
      return first === undefined ? undefined : times.get(first);
    },
    stop: async () => {
      stopped = true;
      await done;
    },
  };
}

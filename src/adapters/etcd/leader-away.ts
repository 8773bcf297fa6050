import type { Params } from "../../model/reason.ts";
import type { StoreMaintenance } from "./maintenance.ts";

export type LeaderWatch = {
  readonly maintenance: Pick<StoreMaintenance, "moveLeader">;
  /** Only the active manager's host moves it. */
  readonly isMine: () => boolean;
  /** Addresses of hosts that say nothing although this process hears the store. */
  readonly silent: () => ReadonlySet<string>;
  readonly log: (code: string, params: Params) => void;
};

const everyMs = 500;

/**
 * Moves the store's leader off hosts that are about to be fenced: the power-off would else cost an election in the midst of
 * a takeover (measured: 2 s, in which no proof can be committed). Nothing rests on it. Returns the stop.
 */
export function keepLeaderAway({ maintenance, isMine, silent, log }: LeaderWatch): () => void {
  let running = false;
  const timer = setInterval(() => {
    if (running || !isMine()) return;
    const addresses = silent();
    if (addresses.size === 0) return;
    running = true;
    const away = (endpoint: string): boolean => addresses.has(endpoint.slice(0, endpoint.lastIndexOf(":")));
    void maintenance.moveLeader(away).then((end) => {
      running = false;
      if (end.kind === "unknown") log("store-leader-not-moved", { cause: end.cause });
      else if (end.value !== null) log("store-leader-moved", { to: end.value });
    });
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

import type { Reach } from "../../lab/reach.ts";

/** Asks a VM's page again and again: the user who must not notice anything. */
export interface PageWatch {
  /** Ends after the request under way. */
  stop(): Promise<{ readonly answered: number; readonly failed: number; readonly slowestMs: number }>;
}

/** Far above what a guest under TCG on a busy machine needs, far below what a restart takes. */
const timeoutMs = 3_000;
const pauseMs = 50;

export function watchPage(reach: Reach, address: string): PageWatch {
  let [answered, failed, slowestMs] = [0, 0, 0];
  let stopped = false;
  const work = async (): Promise<void> => {
    while (!stopped) {
      const began = performance.now();
      const end = await reach.http({ address, port: 80 }, { path: "/status", timeoutMs });
      slowestMs = Math.max(slowestMs, performance.now() - began);
      if (end.kind === "answered" && end.status === 200) answered += 1;
      else failed += 1;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const done = work();
  return {
    stop: async () => {
      stopped = true;
      await done;
      return { answered, failed, slowestMs };
    },
  };
}

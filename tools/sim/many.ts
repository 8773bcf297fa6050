import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { SeedLayout } from "../../src/sim/plan.ts";
import type { SeedReport } from "../../src/sim/report.ts";

export type Seeds = { readonly layout: SeedLayout; readonly first: number; readonly count: number };

/**
 * Plays `count` seeds of a layout from `first` on all cores. Reports come as they end; `take` returns false to end early. A worker
 * that dies rejects: it is a bug of the simulator, not a finding.
 */
export function playMany({ layout, first, count }: Seeds, take: (report: SeedReport) => boolean): Promise<void> {
  let next = first;
  const workers: Worker[] = [];
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: layout });
      workers.push(worker);
      const give = (): void => {
        if (next >= first + count) {
          resolve();
          void worker.terminate();
        } else worker.postMessage(next++);
      };
      worker.on("error", reject);
      worker.on("message", (report: SeedReport) => {
        if (!take(report)) next = first + count;
        give();
      });
      give();
    });
  const all = Promise.all(Array.from({ length: Math.min(count, availableParallelism()) }, one));
  return all.then(
    () => undefined,
    async (error: unknown) => {
      await Promise.all(workers.map((worker) => worker.terminate()));
      throw error;
    },
  );
}

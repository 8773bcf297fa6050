import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Played } from "./case.ts";

type Answer = { readonly played: Played } | { readonly trouble: string };

/** Plays all files on all cores; the answers come in the order of the files. */
export async function playAll(paths: readonly string[]): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  let next = 0;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL("./worker.ts", import.meta.url));
      let at = -1;
      const give = (): void => {
        at = next++;
        const path = paths[at];
        if (path !== undefined) worker.postMessage(path);
        else void worker.terminate().then(() => resolve());
      };
      worker.on("error", reject);
      worker.on("message", (answer: Answer) => {
        answers[at] = answer;
        give();
      });
      give();
    });
  await Promise.all(Array.from({ length: Math.min(paths.length, availableParallelism()) }, one));
  return answers;
}

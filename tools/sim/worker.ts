import { parentPort, workerData } from "node:worker_threads";
import type { SeedLayout } from "../../src/sim/plan.ts";
import { playSeed } from "./play.ts";

// One seed at a time, all of one layout: the number comes in, its report goes out.
const layout = workerData as SeedLayout;
parentPort?.on("message", (seed: number) => parentPort?.postMessage(playSeed(seed, layout)));

import { parentPort } from "node:worker_threads";
import { playSeed } from "./play.ts";

// One seed at a time: the number comes in, its report goes out.
parentPort?.on("message", (seed: number) => parentPort?.postMessage(playSeed(seed)));

import { parentPort } from "node:worker_threads";
import { playCase } from "./case.ts";

// One file at a time: its path comes in, how it went goes out.
parentPort?.on("message", (path: string) => {
  try {
    parentPort?.postMessage({ played: playCase(path) });
  } catch (error) {
    parentPort?.postMessage({ trouble: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});

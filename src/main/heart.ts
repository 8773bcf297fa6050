import { loadLean } from "./lean.ts";

// holdfast-heart: the process that keeps a host's VMs running, by committing heartbeats (docs/designs/0001).
const { main } = await loadLean(() => import("./heart-process.ts"));
const code = main(process.argv.slice(2));
if (code !== undefined) process.exitCode = code;

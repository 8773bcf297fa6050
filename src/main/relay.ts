import { loadLean } from "./lean.ts";

// holdfast-relay: the process between a VM's QEMU and its replica (docs/designs/0006-replication.md). While it
// starts, writes wait.
const { main } = await loadLean(() => import("./relay-process.ts"), true);
await main(process.argv.slice(2));

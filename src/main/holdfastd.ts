import { loadLean } from "./lean.ts";

// holdfastd: agent, standby or active manager and API server of one host. It may crash, hang or be upgraded at any time
// without touching a VM; a supervisor restarts it and it takes up what runs.
const { main } = await loadLean(() => import("./holdfastd-process.ts"));
const code = await main(process.argv.slice(2));
if (code !== undefined) process.exit(code);

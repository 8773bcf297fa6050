// Runs projects of vitest.config.ts: node tools/lanes/run-vitest.ts REPORT.json PROJECT…
// Its own program, because vitest's command dies at once on SIGINT and SIGTERM: suites on real processes would leave
// namespaces, cgroups and QEMUs behind. Here the run is cancelled, and the clean-up of what runs is waited for.
import { createVitest } from "vitest/node";

const [outputFile = "", ...project] = process.argv.slice(2);
const vitest = await createVitest("test", {
  project,
  watch: false,
  reporters: ["default", ["json", { outputFile }]],
});
let cancelled = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.removeAllListeners(signal); // vitest's own, which end the process at once
  process.on(signal, () => {
    if (cancelled) return;
    cancelled = true;
    console.log(`\n${signal}: no further test begins; cleaning up`);
    void vitest.cancelCurrentRun("keyboard-input");
  });
}
await vitest.start();
await vitest.close();
if (cancelled) process.exitCode = 130;

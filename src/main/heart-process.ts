import { join } from "node:path";
import { parseArgs } from "node:util";
import { openEtcdStore } from "../adapters/etcd/store.ts";
import { readHostConfig } from "../adapters/host-config.ts";
import { systemClock } from "../adapters/linux/clock.ts";
import { openGuards } from "../adapters/linux/guard-client.ts";
import { serveAgents } from "../adapters/linux/heart-socket.ts";
import { incarnationFile } from "../adapters/linux/incarnation-file.ts";
import { systemRandom } from "../adapters/linux/random.ts";
import { type CertificateTexts, loadCertificates } from "../adapters/pki/check.ts";
import type { HostConfig } from "../model/config.ts";
import type { AgentLine } from "../ports/heart-host.ts";
import { forwardOnly } from "../runtime/forward-only.ts";
import { runHeart } from "../runtime/heart.ts";

/** One line of JSON each on stderr, for the supervisor's log. */
function log(code: string, params: Readonly<Record<string, string | number | boolean | null>>): void {
  console.error(JSON.stringify({ at: new Date().toISOString(), process: "heart", code, ...params }));
}

/** For the guards' commands to leave this process, and for the agent to hear why. */
const lastWordsMs = 1_000;

/**
 * Each change of what the agent hears goes to the log too: it is the story of this host's heart. A heart that gave up
 * has frozen the VMs and ends (S1); the one that the supervisor starts looks at the store afresh.
 */
function telling(agents: AgentLine): AgentLine {
  let last = "";
  return {
    listen: (alive) => agents.listen(alive),
    tell: (says) => {
      const now = JSON.stringify(says);
      if (now !== last) log("heart-says", says);
      if (now !== last && says.phase === "refused") setTimeout(() => process.exit(1), lastWordsMs);
      last = now;
      agents.tell(says);
    },
  };
}

function run(config: HostConfig, tls: CertificateTexts): void {
  const warn = (line: string): void => log("heart-trouble", { line });
  const { host, machine, profile, runDir } = config;
  const store = openEtcdStore({ endpoints: config.store.endpoints, tls, cluster: config.cluster, log: warn });
  const heart = runHeart(
    { host, machine, ...profile },
    {
      clock: systemClock(),
      // A heart that refuses sends nothing more: the guards freeze at the deadline. It stays, or its next life would not know.
      store: forwardOnly(store, (seen) => log("store-went-back", seen)),
      random: systemRandom(),
      file: incarnationFile(join(runDir, "incarnation.json"), warn),
      agents: telling(serveAgents(join(runDir, "heart.sock"), warn)),
      guards: openGuards(runDir, warn),
    },
  );
  const end = (): void => {
    // The guards keep the deadline; the next heart goes on with this incarnation (S1).
    heart.stop();
    process.exit(0);
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
}

/** holdfast-heart: `--config FILE`. Returns the exit code where it cannot start; else it runs until a signal. */
export function main(args: readonly string[]): number | undefined {
  const { values } = parseArgs({ args: [...args], options: { config: { type: "string" } }, strict: false });
  if (typeof values["config"] !== "string") {
    console.error("usage: heart --config FILE (the host's configuration, YAML)");
    return 2;
  }
  const end = readHostConfig(values["config"]);
  if (end.kind === "refused") {
    log(end.code, end.params);
    return 1;
  }
  const { cluster, host, store } = end.config;
  const certificates = loadCertificates(store, { cluster, host, addresses: [], now: new Date() });
  if (certificates.kind === "refused") {
    log(certificates.code, certificates.params);
    return 1;
  }
  run(end.config, certificates.tls);
  return undefined;
}

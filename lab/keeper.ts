import { watch } from "node:fs";
import { isPopulated } from "./cgroup.ts";
import type { LabHost } from "./host.ts";
import { LabError } from "./lab-error.ts";
import { until } from "./shell.ts";

/** Boots every host whose switch is on and that does not run: at the start, after a power-on, after its init has died. */
export interface Keeper {
  /** The first boot of all hosts; rejects where one fails. */
  start(): Promise<void>;
  /** Ends once no boot is under way any more; none comes after it. */
  stop(): Promise<void>;
}

/** Between two boots of a host whose init dies at once. */
const pauseMs = 200;
const emptyLimitMs = 60_000;
/** After a boot that came to nothing. */
const retryMs = 1_000;

export function keepBooted(hosts: readonly LabHost[], switchDir: string, log: (line: string) => void): Keeper {
  const boots = new Map<LabHost, Promise<void>>();
  let stopped = false;

  const look = (host: LabHost): Promise<void> => {
    if (stopped || boots.has(host) || host.isUp || !host.isOn) return Promise.resolve();
    const boot = bootOnce(host).finally(() => boots.delete(host));
    boots.set(host, boot);
    return boot;
  };
  const lookAgain = (host: LabHost): void => {
    look(host).catch((error: Error) => {
      log(`${host.name} does not boot: ${error.message}`);
      // Nothing else calls for it: the switch is on, and stays so. What was in the way (cables of its earlier life) goes.
      setTimeout(() => lookAgain(host), retryMs).unref();
    });
  };
  const bootOnce = async (host: LabHost): Promise<void> => {
    // The first process is gone before the last one is: memory of a big guest takes a moment to be given back.
    await until(
      () => (isPopulated(host.plan.cgroup) ? undefined : true),
      emptyLimitMs,
      () => stuck(host),
    );
    if (host.boots > 0) log(`${host.name} boots.`);
    await host.boot(() => setTimeout(() => lookAgain(host), pauseMs).unref());
  };
  const watcher = watch(switchDir, () => hosts.forEach(lookAgain));

  return {
    start: async () => {
      await Promise.all(hosts.map(look));
    },
    stop: async () => {
      stopped = true;
      watcher.close();
      await Promise.allSettled(boots.values());
    },
  };
}

function stuck(host: LabHost): LabError {
  return new LabError(
    `${host.name} cannot boot: processes of its earlier life are still there.`,
    "It stays off.",
    `Look at them: cgroup.procs below ${host.plan.cgroup}.`,
  );
}

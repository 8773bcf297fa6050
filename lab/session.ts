import { failureOf } from "../src/api/client/index.ts";
import { render } from "../src/model/messages/index.ts";
import { clientOf, createCluster, firstVm, firstVmAddress, startGuest } from "./bootstrap.ts";
import { type Cluster, type Layout, labLocalPool } from "./cluster.ts";
import { playFailover } from "./demo.ts";
import { LabError } from "./lab-error.ts";
import type { Address } from "./reach.ts";
import { until } from "./shell.ts";
import { pageStatus, showEvents, showFreezes, showPage, standingLine } from "./show.ts";

export { clientOf, createCluster, daemons, daemonsBeside, startGuest } from "./bootstrap.ts";

/** What happens in a cluster once its store serves: the first VM, what is shown, the demonstration. */
export interface Session {
  /** Where the first VM's page is. */
  page(): Address;
  /** Creates the cluster and its first VM; returns what to tell once. Events are shown through `show` as they come. */
  start(): Promise<readonly string[]>;
  /** Plays a failover by itself. Returns the exit code. */
  demo(): Promise<number>;
  stop(): void;
}

export function openSession(cluster: Cluster, show: (line: string) => void, layout: Layout = "hosts"): Session {
  const page: Address = { address: firstVmAddress, port: 80 };
  const stops: (() => void)[] = [];
  return {
    page: () => page,
    start: async () => {
      await createCluster(cluster);
      stops.push(showEvents(cluster, show));
      const pool = layout === "hosts" ? undefined : labLocalPool;
      await startGuest(clientOf(cluster, "h1"), firstVm, firstVmAddress, 500, pool).catch((error: unknown) => {
        throw refusedBy(error, "The first VM could not be started.");
      });
      stops.push(showFreezes(cluster, show));
      stops.push(showPage(cluster, page, show));
      await until(
        () => pageStatus(cluster, page),
        90_000,
        () => noPage(cluster.kvmDoubted),
        100,
      );
      if (layout !== "hosts") await protect(cluster, firstVm);
      return [standingLine(await clientOf(cluster, "h1").cluster.status())];
    },
    demo: () => playFailover(cluster, page, firstVm, show),
    stop: () => {
      for (const stop of stops) stop();
    },
  };
}

async function protect(cluster: Cluster, vm: string): Promise<void> {
  const group = { group: "pair", from: "h1", to: "h2", vms: [vm] };
  await clientOf(cluster, "h1")
    .group.create(group)
    .catch((error: unknown) => {
      throw refusedBy(error, "The first VM could not be protected.");
    });
}

function refusedBy(error: unknown, what: string): LabError {
  const failure = failureOf(error);
  if (!("code" in failure)) return new LabError(`${what} ${failure.cause}`, "The lab ends.", "Look at HOST/log.");
  const { cause, effect, remedy } = render(failure.code, failure.params);
  return new LabError(`${what} ${cause}`, effect ?? "The lab ends.", remedy ?? "Look at HOST/log.");
}

function noPage(kvmDoubted: boolean): LabError {
  return new LabError(
    kvmDoubted
      ? "The first VM's page does not answer: probably its guest hangs under KVM, as a trial guest did."
      : "The first VM's page does not answer.",
    "The lab ends.",
    kvmDoubted ? "Leave --accel out, or give --accel tcg." : "Start it with --keep and look at HOST/log.",
  );
}

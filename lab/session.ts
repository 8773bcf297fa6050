import type { Cluster } from "./cluster.ts";
import type { HostPlan } from "./host.ts";
import type { HostProgram } from "./host-init.ts";
import { LabError } from "./lab-error.ts";
import type { Address } from "./reach.ts";

/** What a host runs besides etcd and the guards: the seam to the daemons of src/main. */
export function daemons(_host: HostPlan, _configFile: string): readonly HostProgram[] {
  return [];
}

/** What happens in a cluster once its store serves: the first VM, what is shown, the demonstration. */
export interface Session {
  /** Where the first VM's page is at this moment; undefined while it has none. */
  page(): Address | undefined;
  /** Prepares everything; returns what to tell once. Events are shown through `show` as they come. */
  start(): Promise<readonly string[]>;
  /** Plays a failover by itself. Returns the exit code. */
  demo(): Promise<number>;
  /** Ends what `start` left running; the world is closed afterwards. */
  stop(): Promise<void>;
}

export function openSession(cluster: Cluster, _show: (line: string) => void): Session {
  return {
    page: () => undefined,
    start: async () => {
      const names = cluster.world.hosts.map((host) => host.name).join(", ");
      return [`Cluster ${cluster.id}: ${names}; each member of the store serves.`];
    },
    demo: async () => {
      throw new LabError("There is no daemon yet.", "Nothing fails over.", "Try the faults by hand.");
    },
    stop: async () => undefined,
  };
}

import { isFrozen, processState } from "./cgroup.ts";
import { isFilled } from "./disk.ts";
import type { LabHost } from "./host.ts";
import type { World } from "./world.ts";

/** What is in force at this moment, by host; `pool`: of the shared pool. An empty list: all is well. */
export type LabStatus = Readonly<Record<string, string | readonly string[]>>;

export async function labStatus(world: World): Promise<LabStatus> {
  const cables = await world.network.faults(world.hosts.map((host) => host.name));
  return {
    lab: `${world.run} in ${world.dir}`,
    ...Object.fromEntries(
      world.hosts.map((host) => [host.name, [...faultsOf(host), ...(cables.get(host.name) ?? [])]]),
    ),
    pool: isFilled(world.poolDir) ? ["its disk is filled"] : [],
  };
}

function faultsOf(host: LabHost): readonly string[] {
  if (!host.isOn) return ["no power"];
  if (!host.isUp) return ["boots"];
  const faults = isFrozen(host.plan.cgroup)
    ? ["stands still"]
    : host.programNames().flatMap((name) => trouble(host, name));
  return isFilled(host.plan.dirs.state) ? [...faults, "its disk is filled"] : faults;
}

function trouble(host: LabHost, program: string): readonly string[] {
  const pid = host.pidOf(program);
  if (pid === undefined) return [`${program} is not running`];
  return processState(pid) === "T" ? [`${program} is stopped`] : [];
}

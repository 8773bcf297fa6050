import { join } from "node:path";
import { quote } from "./shell.ts";

/** One daemon of a host, kept running by the host's init. */
export type HostProgram = {
  /** Names its log and is what faults call it: etcd, guard-a, guard-b, heart, holdfastd … */
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
};

/**
 * The script that is process 1 of a host. A shell, because it must cost next to nothing: it starts each program again
 * 0.3 s after it has ended, and reaps what detached processes leave. Programs leave their inner pid in `pidDir`.
 */
export function initScript(host: string, programs: readonly HostProgram[], pidDir: string, logDir: string): string {
  return `#!/bin/sh
trap 'exit 0' TERM
hostname ${quote(host)}
supervise() {
  name=$1; shift
  while :; do
    sh -c 'echo $$ > "$0"; exec "$@"' ${quote(pidDir)}/"$name" "$@" </dev/null >>${quote(logDir)}/"$name.log" 2>&1
    sleep 0.3
  done
}
${programs.map(superviseLine).join("\n")}
while :; do wait; sleep 1; done
`;
}

function superviseLine(program: HostProgram): string {
  const env = Object.entries(program.env ?? {}).map(([name, value]) => `${name}=${value}`);
  const words = env.length === 0 ? program.argv : ["env", ...env, ...program.argv];
  return `supervise ${[program.name, ...words].map(quote).join(" ")} &`;
}

export type LaunchPlan = {
  readonly systemCgroup: string;
  readonly powerState: string;
  readonly namespace: string;
  readonly script: string;
};

/**
 * What the lab spawns to boot a host. It enters the cgroup first and looks at the power switch second: a power-off
 * writes the switch first and kills second, so whichever comes first, nothing of a switched-off host goes on.
 */
export function launchCommand(plan: LaunchPlan): readonly [string, ...string[]] {
  const { systemCgroup, powerState, namespace, script } = plan;
  const lines = [
    `echo 0 > ${quote(join(systemCgroup, "cgroup.procs"))} || exit 1`,
    `[ "$(cat ${quote(powerState)})" = on ] || exit 1`,
    // Not `ip netns exec`: that mounts a new /sys, and the cgroups would be gone.
    `exec nsenter --net=${quote(`/run/netns/${namespace}`)} -- unshare --uts --pid --fork --kill-child --mount-proc --propagation slave -- /bin/sh ${quote(script)}`,
  ];
  return ["/bin/sh", "-c", lines.join("\n")];
}

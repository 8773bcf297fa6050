import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FenceDevice } from "../src/model/records.ts";
import { LabError } from "./lab-error.ts";
import { quote, until } from "./shell.ts";

/** A virtual BMC: `ipmi_sim`, whose power switch is a script. */
export type BmcPlan = {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly password: string;
  /** Called with `get power`, `set power 0|1`, `set reset 1`. Its path must hold no space. */
  readonly script: string;
  readonly dir: string;
  /** Words put before the program's own: a namespace, a cgroup. */
  readonly prefix?: readonly string[];
};

export type Bmc = { readonly process: ChildProcess; readonly device: FenceDevice };

const user = "holdfast";

/** The device record with which `fence_ipmilan` reaches a BMC. It proves each power-off itself: no wait is needed. */
export function bmcDevice(plan: Pick<BmcPlan, "address" | "port" | "password">): FenceDevice {
  const where = { ip: plan.address, ipport: String(plan.port), username: user, password: plan.password };
  return { schema: 1, agent: "fence_ipmilan", options: { ...where, lanplus: "1", cipher: "3", power_wait: "0" } };
}

/** Ends once the BMC listens. The caller ends `process`. */
export async function startBmc(plan: BmcPlan): Promise<Bmc> {
  const state = join(plan.dir, `${plan.name}.state`);
  mkdirSync(state, { recursive: true });
  const lan = join(plan.dir, `${plan.name}.lan`);
  const commands = join(plan.dir, `${plan.name}.cmd`);
  writeFileSync(lan, lanConfig(plan), { mode: 0o600 });
  writeFileSync(commands, "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nmc_enable 0x20\n");
  const [file = "ipmi_sim", ...args] = [
    ...(plan.prefix ?? []),
    "ipmi_sim",
    "-n",
    "-c",
    lan,
    "-f",
    commands,
    "-s",
    state,
  ];
  const logPath = join(plan.dir, `${plan.name}.log`);
  const log = openSync(logPath, "a");
  // A session of its own: Ctrl-C on the lab's terminal must not reach it before the clean-up does.
  const child = spawn(file, args, { stdio: ["ignore", log, log], detached: true });
  closeSync(log);
  let failed = false;
  child.once("error", () => {
    failed = true;
  });
  await until(
    () => (!failed && child.exitCode === null && listens(child.pid, plan.port) ? true : undefined),
    10_000,
    () => bmcTrouble(plan.name, logPath),
  );
  return { process: child, device: bmcDevice(plan) };
}

function bmcTrouble(name: string, log: string): LabError {
  return new LabError(
    `The power controller of ${name} does not answer.`,
    "No host could be fenced.",
    `Is ipmi_sim there (package openipmi)? Its words are in ${log}.`,
  );
}

/** Reads the UDP sockets of the process's own network namespace. */
function listens(pid: number | undefined, port: number): boolean {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  try {
    return readFileSync(`/proc/${pid}/net/udp`, "utf8").includes(hex);
  } catch {
    return false;
  }
}

function lanConfig(plan: BmcPlan): string {
  const auths = ["callback", "user", "operator", "admin"].map((priv) => `    allowed_auths_${priv} md5 straight`);
  return [
    `name "${plan.name}"`,
    "set_working_mc 0x20",
    "  startlan 1",
    `    addr ${plan.address} ${plan.port}`,
    "    priv_limit admin",
    ...auths,
    "    guid a123456789abcdefa123456789abcdef",
    "  endlan",
    `  chassis_control "${plan.script}"`,
    `  user 2 true "${user}" "${plan.password}" admin 10 md5 straight`,
    "",
  ].join("\n");
}

export type SwitchPlan = {
  /** Holds `on` or `off`. */
  readonly state: string;
  readonly cgroup: string;
  readonly namespace: string;
  readonly ports: readonly string[];
  readonly path: string;
};

/**
 * The power switch of a host. Off = the switch first (no boot gets past it), the cables second (nothing dying says
 * goodbye to its peers: a host without power does not), then everything in the host's cgroup, frozen or not. It answers
 * `power:0` only while the switch is off and the kernel says that the cgroup is empty. On: the lab sees the switch and boots.
 */
export function writePowerSwitch(plan: SwitchPlan): void {
  const down = plan.ports.map((port) => `link set ${port} down`).join("\\n");
  const script = `#!/bin/sh
state=${quote(plan.state)}
cgroup=${quote(plan.cgroup)}
empty() { [ ! -d "$cgroup" ] || grep -qx 'populated 0' "$cgroup/cgroup.events"; }
put() { echo "$1" > "$state.$$" && mv "$state.$$" "$state"; }
off() {
  put off || exit 1
  printf '${down}\\n' | ip -n ${quote(plan.namespace)} -force -batch - >/dev/null 2>&1
  [ ! -d "$cgroup" ] || echo 1 > "$cgroup/cgroup.kill" || exit 1
  tries=0
  until empty; do
    tries=$((tries + 1))
    [ "$tries" -lt 1000 ] || exit 1
    sleep 0.01
  done
}
case "$*" in
  "get power") if [ "$(cat "$state")" = off ] && empty; then echo power:0; else echo power:1; fi ;;
  "set power 0") off ;;
  "set power 1") put on ;;
  "set reset 1") off; put on ;;
  *) exit 0 ;;
esac
`;
  writeFileSync(plan.path, script);
  chmodSync(plan.path, 0o755);
}

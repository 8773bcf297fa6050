import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FenceDevice } from "../src/model/records.ts";
import { cgroupPids, cgroupTree, innerPid, makeCgroup, removeCgroupSync, setFrozen, treePids } from "./cgroup.ts";
import { type HostProgram, initScript, launchCommand } from "./host-init.ts";
import { LabError } from "./lab-error.ts";
import { hostAddress, hostNamespace, labAddress, linkNames, portName } from "./names.ts";
import type { Network } from "./network.ts";
import { bmcDevice, writePowerSwitch } from "./power.ts";
import { type CommandEnd, command, succeed, until } from "./shell.ts";

/** What is fixed about a host before it boots: enough to write its configuration and certificates. */
export type HostPlan = {
  readonly name: string;
  /** From 1. */
  readonly index: number;
  readonly addresses: { readonly management: string; readonly availability: string };
  readonly namespace: string;
  /** Everything of the host; `system` and `vms` are below it. */
  readonly cgroup: string;
  readonly vmsCgroup: string;
  readonly dirs: { readonly run: string; readonly state: string; readonly etc: string; readonly log: string };
  /** What the store gets as this host's fence device. */
  readonly device: FenceDevice;
  /** The script behind its power controller. */
  readonly powerSwitch: string;
  readonly powerState: string;
};

export function planHost(
  run: string,
  dir: string,
  cgroup: string,
  index: number,
  password: string,
  port: number,
): HostPlan {
  const name = `h${index}`;
  const home = join(dir, name);
  const own = join(cgroup, name);
  const power = join(dir, "power");
  return {
    name,
    index,
    addresses: { management: hostAddress("management", index), availability: hostAddress("availability", index) },
    namespace: hostNamespace(run, name),
    cgroup: own,
    vmsCgroup: join(own, "vms"),
    dirs: { run: join(home, "run"), state: join(home, "state"), etc: join(home, "etc"), log: join(home, "log") },
    device: bmcDevice({ address: labAddress("management"), port, password }),
    powerSwitch: join(power, `${name}.sh`),
    powerState: join(power, `${name}.power`),
  };
}

/** A host that can be switched on and off. */
export class LabHost {
  readonly plan: HostPlan;
  readonly #network: Network;
  readonly #programs: readonly HostProgram[];
  #process: ChildProcess | undefined;
  /** How often it has booted. */
  boots = 0;

  constructor(plan: HostPlan, labNamespace: string, network: Network, programs: readonly HostProgram[]) {
    this.plan = plan;
    this.#network = network;
    this.#programs = programs;
    const ports = linkNames.map((link) => portName(link, plan.name));
    const { powerSwitch: path, powerState: state, cgroup } = plan;
    writePowerSwitch({ path, state, cgroup, namespace: labNamespace, ports });
  }

  get name(): string {
    return this.plan.name;
  }

  /** The switch, not whether anything runs: a host that is booting is on. */
  get isOn(): boolean {
    return readFileSync(this.plan.powerState, "utf8").trim() === "on";
  }

  get isUp(): boolean {
    return this.#process !== undefined;
  }

  /** Sets the switch without booting; `openWorld` and the watch on the switch boot. */
  switchOn(): void {
    writeFileSync(this.plan.powerState, "on\n");
  }

  /** Boots with an empty run folder, fresh interfaces and no cgroup of its earlier life. `ended` once nothing runs any more. */
  async boot(ended: () => void): Promise<void> {
    const { plan } = this;
    const pids = join(plan.dirs.etc, "pids");
    for (const folder of [plan.dirs.etc, plan.dirs.log, pids]) mkdirSync(folder, { recursive: true });
    for (const entry of readdirSync(plan.dirs.run))
      rmSync(join(plan.dirs.run, entry), { recursive: true, force: true });
    for (const entry of readdirSync(pids)) rmSync(join(pids, entry), { force: true });
    removeCgroupSync(plan.cgroup);
    for (const folder of ["system", "vms"]) makeCgroup(join(plan.cgroup, folder));
    await this.#network.plugIn(plan.name, plan.index);
    const script = join(plan.dirs.etc, "init.sh");
    writeFileSync(script, initScript(plan.name, this.#programs, pids, plan.dirs.log));
    this.#launch(script, ended);
    this.boots += 1;
  }

  #launch(script: string, ended: () => void): void {
    const { plan } = this;
    const { powerState, namespace } = plan;
    const [file, ...args] = launchCommand({ systemCgroup: join(plan.cgroup, "system"), powerState, namespace, script });
    const log = openSync(join(plan.dirs.log, "init.log"), "a");
    const child = spawn(file, args, { stdio: ["ignore", log, log], detached: true, env: hostEnvironment() });
    closeSync(log);
    this.#process = child;
    const over = (): void => {
      this.#process = undefined;
      ended();
    };
    child.once("exit", over);
    child.once("error", over);
  }

  /** Everything at once, as the power controller does it; ends once the cgroup is verified empty. */
  async powerOff(): Promise<void> {
    await succeed(this.plan.powerSwitch, ["set", "power", "0"]);
  }

  async powerOn(): Promise<void> {
    await succeed(this.plan.powerSwitch, ["set", "power", "1"]);
  }

  freeze(frozen: boolean): void {
    if (!existsSync(this.plan.cgroup)) throw this.#notThere("the host is off");
    setFrozen(this.plan.cgroup, frozen);
  }

  /** The pid, as this process sees it, of a program; undefined while it is not running. */
  pidOf(program: string): number | undefined {
    const file = join(this.plan.dirs.etc, "pids", program);
    if (!existsSync(file)) return undefined;
    const inner = Number(readFileSync(file, "utf8"));
    return this.#findPid(inner);
  }

  #findPid(inner: number): number | undefined {
    return cgroupPids(join(this.plan.cgroup, "system")).find((pid) => innerPid(pid) === inner);
  }

  /** The processes of a VM's newest epoch on this host (the folder is `…/N/VM.EPOCH`). */
  vmPids(vm: string): readonly number[] {
    const runs = cgroupTree(this.plan.vmsCgroup).flatMap((folder) => {
      const [, name, epoch] = /\/([^/]+)\.(\d+)$/u.exec(folder) ?? [];
      return name === vm && cgroupPids(folder).length > 0 ? [{ folder, epoch: Number(epoch) }] : [];
    });
    const newest = runs.sort((a, b) => b.epoch - a.epoch)[0];
    return newest === undefined ? [] : cgroupPids(newest.folder);
  }

  programNames(): readonly string[] {
    return this.#programs.map((program) => program.name);
  }

  pids(): readonly number[] {
    return treePids(this.plan.cgroup);
  }

  /** Runs a command inside the host, as one of its processes: it dies with the host. */
  async exec(argv: readonly [string, ...string[]], options: { readonly timeoutMs?: number } = {}): Promise<CommandEnd> {
    const init = await until(
      () => this.#findPid(1),
      5_000,
      () => this.#notThere("it is not up"),
    );
    const enter = ["-t", String(init), "--net", "--pid", "--mount", "--uts", "--", ...argv];
    const script = `echo 0 > '${join(this.plan.cgroup, "system", "cgroup.procs")}' && exec nsenter "$@"`;
    return command("/bin/sh", ["-c", script, "sh", ...enter], options);
  }

  #notThere(cause: string): LabError {
    return new LabError(`Nothing can be done inside ${this.name}: ${cause}.`, "Nothing was changed.", "Power it on.");
  }
}

function hostEnvironment(): NodeJS.ProcessEnv {
  const here = join(import.meta.dirname, "..", "node_modules", ".bin");
  return {
    PATH: `${here}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    LANG: "C.UTF-8",
    HOME: "/root",
  };
}

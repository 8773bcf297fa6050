import { join } from "node:path";
import { connectClient } from "../src/api/client/index.ts";
import { isFrozen, processState } from "./cgroup.ts";
import { fillDisk, freeDisk, noOwnDisk } from "./disk.ts";
import { type CheckedFault, checkFault, type FaultRequest, nothingDone } from "./fault-menu.ts";
import type { LabHost } from "./host.ts";
import { LabError } from "./lab-error.ts";
import { until } from "./shell.ts";
import type { World } from "./world.ts";

/** A daemon that is frozen or hung does not answer at all. */
const askMs = 1_000;

/** What people call a program, where its own name differs. */
const aliases: Readonly<Record<string, string>> = { agent: "holdfastd", daemon: "holdfastd" };

/**
 * Makes trouble, or ends it; returns a line that says what was done. Ends once the fault is in force: a power-off is
 * verified, a frozen host stands still. Throws `LabError` and changes nothing where a name is unknown or does not fit.
 */
export async function applyFault(world: World, request: FaultRequest): Promise<string> {
  const fault = checkFault(request);
  const host = fault.host === undefined ? undefined : world.host(fault.host);
  const done = host === undefined ? await applyToAll(world, fault) : await applyToHost(world, host, fault);
  world.log(done);
  return done;
}

async function applyToAll(world: World, { fault, links }: CheckedFault): Promise<string> {
  const names = world.hosts.map((host) => host.name);
  switch (fault) {
    case "outage":
      await world.network.cut(names, links, "both");
      return "The whole network is cut.";
    case "heal":
      await world.network.heal(names, links);
      return "All cables are whole.";
    case "fill-disk":
      if (!world.ownDisks) throw noOwnDisk("the pool");
      await fillDisk(world.poolDir);
      return "The shared pool is full.";
    case "free-disk":
      freeDisk(world.poolDir);
      return "The shared pool has room again.";
    default:
      throw nothingDone(`The fault ${fault} needs a host.`, "Name one.");
  }
}

async function applyToHost(world: World, host: LabHost, checked: CheckedFault): Promise<string> {
  const { fault, links, rate } = checked;
  const cables = `${host.name}'s cables (${links.join(", ")})`;
  switch (fault) {
    case "power-off":
      await host.powerOff();
      return `${host.name} has no power.`;
    case "power-on":
      if (host.isOn) throw nothingDone(`${host.name} is on already.`, "Power it off first.");
      await host.powerOn();
      return `${host.name} is switched on.`;
    case "freeze-host":
    case "thaw-host":
      return freezeHost(host, fault === "freeze-host");
    case "freeze":
    case "thaw":
    case "kill":
      return signalProcess(world, host, fault, checked.process ?? "");
    case "cut":
      await world.network.cut([host.name], links, "both");
      return `${cables} are cut.`;
    case "cut-in":
      await world.network.cut([host.name], links, "in");
      return `${cables} carry nothing to it.`;
    case "cut-out":
      await world.network.cut([host.name], links, "out");
      return `${cables} carry nothing from it.`;
    case "slow-link":
      await world.network.slow([host.name], links, rate);
      return `${cables} are limited to ${rate}.`;
    case "heal":
      await world.network.heal([host.name], links);
      return `${cables} are whole.`;
    case "fill-disk":
      if (!world.ownDisks) throw noOwnDisk(host.name);
      await fillDisk(host.plan.dirs.state);
      return `${host.name}'s disk is full.`;
    case "free-disk":
      freeDisk(host.plan.dirs.state);
      return `${host.name}'s disk has room again.`;
    case "outage":
      throw nothingDone("The fault outage takes no host.", "Leave it out, or use cut.");
  }
}

async function freezeHost(host: LabHost, frozen: boolean): Promise<string> {
  host.freeze(frozen);
  await until(
    () => (isFrozen(host.plan.cgroup) === frozen ? true : undefined),
    5_000,
    () => nothingDone(`${host.name} does not ${frozen ? "stand still" : "go on"}.`, "Try again."),
    2,
  );
  return `${host.name} ${frozen ? "stands still" : "goes on"}.`;
}

const signals = { freeze: "SIGSTOP", thaw: "SIGCONT", kill: "SIGKILL" } as const;

async function signalProcess(world: World, host: LabHost, fault: keyof typeof signals, name: string): Promise<string> {
  const pids = await pidsOf(world, host, name);
  for (const pid of pids) process.kill(pid, signals[fault]);
  // A signal takes effect only when each thread has seen it. What a cgroup holds frozen never does: it stands still anyway.
  const settled = (pid: number): boolean => isFrozen(host.plan.cgroup) || inForce[fault](processState(pid));
  for (const pid of pids)
    await until(
      () => settled(pid) || undefined,
      5_000,
      () => notInForce(name, signals[fault]),
      1,
    );
  return `${signals[fault]} was sent to ${name} of ${host.name}.`;
}

/** The letter of the kernel's process state says that a signal has arrived; undefined: the process is gone. */
const inForce = {
  freeze: (state) => state === "T" || state === undefined,
  thaw: (state) => state !== "T",
  kill: (state) => state === "Z" || state === undefined,
} as const satisfies Record<keyof typeof signals, (state: string | undefined) => boolean>;

function notInForce(name: string, signal: string): LabError {
  return new LabError(
    `${name} does not react to ${signal}.`,
    "The signal was sent; it waits until the process leaves the kernel.",
    "Is it waiting for a disk? Look at it with ps.",
  );
}

async function pidsOf(world: World, host: LabHost, name: string): Promise<readonly number[]> {
  if (name.startsWith("qemu:")) return qemuPids(world, host, name.slice("qemu:".length));
  const program = Object.hasOwn(aliases, name) ? (aliases[name] ?? name) : name;
  const known = host.programNames();
  if (!known.includes(program))
    throw nothingDone(`${host.name} has no process ${name}.`, `Known are: ${known.join(", ")}, qemu:VM.`);
  if (!host.isOn) throw nothingDone(`${host.name} has no power: nothing runs in it.`, "Switch it on: power-on.");
  const pid = host.pidOf(program);
  if (pid === undefined) throw nothingDone(`${name} of ${host.name} is not running at this moment.`, "Try again.");
  return [pid];
}

/** `vm`: its id, which the cgroup bears, or its name, which only the cluster knows. */
async function qemuPids(world: World, host: LabHost, vm: string): Promise<readonly number[]> {
  const byId = host.vmPids(vm);
  if (byId.length > 0) return byId;
  const id = await idOf(world, vm);
  const pids = id === undefined ? [] : host.vmPids(id);
  if (pids.length > 0) return pids;
  throw nothingDone(`${vm} does not run on ${host.name}.`, "Ask where: ./holdfast vm list");
}

/** Any host that answers knows the names; undefined: none does, or there is no such VM. */
async function idOf(world: World, name: string): Promise<string | undefined> {
  for (const host of world.hosts) {
    const client = connectClient(join(host.plan.dirs.run, "api.sock"));
    const found = await client.vm.show({ vm: name }, { signal: AbortSignal.timeout(askMs) }).catch(() => undefined);
    if (found !== undefined) return found.vm.id;
  }
  return undefined;
}

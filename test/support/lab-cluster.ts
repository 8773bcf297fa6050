import { execFile } from "node:child_process";
import { join } from "node:path";
import { type Cluster, type Layout, labLocalPool, labPool, localPoolDir, openCluster } from "../../lab/cluster.ts";
import { serveControl } from "../../lab/control.ts";
import type { FaultRequest } from "../../lab/fault-menu.ts";
import { applyFault } from "../../lab/faults.ts";
import type { GuestDisk } from "../../lab/guest/disk.ts";
import { openedFile, readOpenedDisk } from "../../lab/guest/opened-disk.ts";
import type { LabHost } from "../../lab/host.ts";
import { clientOf, createCluster, daemons, daemonsBeside, startGuest } from "../../lab/session.ts";
import { until } from "../../lab/shell.ts";
import type { World } from "../../lab/world.ts";
import type { Client } from "../../src/api/client/index.ts";
import type { HostId, VmId } from "../../src/model/ids.ts";
import type { HeldOwner } from "../../src/model/records.ts";
import { fenceOf } from "../../src/model/view.ts";
import { type History, readHistory } from "./lab-history.ts";
import { readLayered } from "./lab-layers.ts";
import { type Copy, type Watcher, watchCopies } from "./lab-watch.ts";

const root = join(import.meta.dirname, "..", "..");
/** Ends only what hangs: nothing here is asserted on seconds. */
export const limitMs = 90_000;
/** A host counts as heard while its last heartbeat is younger; far below every deadline. */
const heardMs = 1_500;

export type GuestStatus = { readonly boots: number; readonly epoch: number; readonly lastNumber: number };
export type Ended = { readonly code: number; readonly out: string; readonly err: string };

/** A whole lab with its product, and what watches it from outside. */
export interface TestLab {
  readonly cluster: Cluster;
  readonly world: World;
  readonly history: History;
  readonly watcher: Watcher;
  host(name: string): LabHost;
  /** The API of the first host whose power is on, or of the one named. */
  client(host?: string): Client;
  fault(fault: string, where?: Omit<FaultRequest, "fault">): Promise<string>;
  /** Ends once its page answers. `tickMs`: how often the guest writes by itself; null: never. */
  guest(
    name: string,
    last: number,
    tickMs?: number | null,
    pool?: string,
    more?: Parameters<typeof startGuest>[5],
  ): Promise<TestVm>;
  /** Undoes every fault, boots what is off, and waits until all hosts are in and all wanted VMs execute. */
  settle(): Promise<void>;
  /** ./holdfast as a process of its own, told which lab is meant. */
  holdfast(...line: readonly string[]): Promise<Ended>;
  close(): Promise<void>;
}

/** A VM with the lab's tiny guest. */
export interface TestVm {
  readonly name: string;
  readonly id: VmId;
  readonly address: string;
  /** The newest owner record, which must be held. */
  owner(): HeldOwner;
  /** Its copy that executes now; undefined: none does. */
  running(): Copy | undefined;
  /** QEMU's processes on its owner's host. */
  pids(): readonly number[];
  status(): Promise<GuestStatus | undefined>;
  /** Ends once its page answers; throws after the limit. */
  answers(): Promise<GuestStatus>;
  disk(): GuestDisk;
  /** Of its first disk where it lies on this host, whether or not it is there; in the shared pool the same for all. */
  image(host: string): string;
}

/** What the lab of this test file did last: told with each failure. */
let lastEvents = (): string => "";

/** Throws after the limit with what was waited for and what happened last. */
export function waitFor<T>(what: string, probe: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const late = () => new Error(`Waited ${limitMs / 1000} s in vain for: ${what}${lastEvents()}`);
  return until(probe, limitMs, late, 10);
}

/** `control`: takes faults from other processes, as `./holdfast lab fault`; without it nobody else's fault can hit it. */
export async function openTestLab(
  control = false,
  layout: Layout = "hosts",
  { hosts = 3, takeover = "order" }: { hosts?: number; takeover?: "order" | "device" } = {},
): Promise<TestLab> {
  const said: string[] = [];
  const log = (line: string): number => said.push(line);
  const programs = layout === "pair" ? daemonsBeside("h3") : daemons;
  const cluster = await openCluster({
    hosts: layout === "two" ? 2 : hosts,
    layout,
    takeover,
    profile: "default",
    accel: "auto",
    log,
    daemons: programs,
  });
  try {
    return await populate(cluster, control, said);
  } catch (error) {
    await cluster.world.close();
    throw error;
  }
}

async function populate(cluster: Cluster, control: boolean, said: readonly string[]): Promise<TestLab> {
  const { world } = cluster;
  const stopControl = control ? await serveControl(world) : () => undefined;
  const named = control ? world.run : join(world.dir, "lab.sock");
  const history = await readHistory(cluster);
  const watcher = watchCopies(world.hosts);
  lastEvents = () => tellLast(history, watcher, said);
  await createCluster(cluster);
  const vms: TestVm[] = [];
  const lab: TestLab = {
    cluster,
    world,
    history,
    watcher,
    host: (name) => world.host(name),
    client: (host) => clientOf(cluster, host ?? world.hosts.find((one) => one.isOn)?.name ?? "h1"),
    fault: (fault, where = {}) => applyFault(world, { fault, ...where }),
    guest: async (name, last, tickMs = 100, pool = labPool, more = {}) => {
      const address = `10.93.0.${last}`;
      await startGuest(lab.client(), name, address, tickMs, pool, more);
      const vm = testVm(lab, name, address);
      vms.push(vm);
      await vm.answers();
      return vm;
    },
    settle: () => settle(lab, vms),
    holdfast: (...line) => runCommand(join(root, "holdfast"), line, { HOLDFAST_LAB: named }),
    close: async () => {
      watcher.stop();
      history.close();
      stopControl();
      await world.close();
    },
  };
  await settle(lab, []);
  return lab;
}

/** The lab's own words (faults and boots), the last events with their reasons, and what runs. */
function tellLast(history: History, watcher: Watcher, said: readonly string[]): string {
  const events = history
    .events()
    .slice(-20)
    .map(({ event }) => {
      const reason = event.reason === null ? "" : ` because ${event.reason.code}`;
      return `${event.host} ${event.type} ${JSON.stringify(event.params)}${reason}`;
    });
  const copies = watcher.copies.slice(-4).map((copy) => JSON.stringify(copy));
  return ["", ...said, ...events, ...copies].join("\n    ");
}

function testVm(lab: TestLab, name: string, address: string): TestVm {
  const { history, watcher, world } = lab;
  const record = () => [...history.view.vms.values()].find(({ value }) => value.name === name)?.value;
  const id = (): VmId => {
    const found = record()?.id;
    if (found === undefined) throw new Error(`There is no VM ${name}`);
    return found;
  };
  const vm: TestVm = {
    name,
    address,
    get id() {
      return id();
    },
    owner: () => {
      const owner = history.view.owners.get(id())?.value;
      if (owner?.kind !== "held") throw new Error(`Nobody holds ${name}`);
      return owner;
    },
    running: () => watcher.alive(id()).find((copy) => copy.frozenAt === null && !copy.waits),
    pids: () => world.host(vm.owner().host).vmPids(id()),
    status: async () => {
      const end = await world.reach.http({ address, port: 80 }, { path: "/status", timeoutMs: 1_000 });
      return end.kind === "answered" && end.status === 200 ? (JSON.parse(end.body) as GuestStatus) : undefined;
    },
    answers: () => waitFor(`the page of ${name}`, vm.status),
    disk: () => {
      const opened = openedFile(vm.pids(), record()?.spec.disks[0]?.volume ?? "-");
      return opened === undefined ? readLayered(vm.image(vm.owner().host)) : readOpenedDisk(opened);
    },
    image: (host) => {
      const disk = record()?.spec.disks[0];
      const folder = disk?.pool === labLocalPool ? localPoolDir(world.host(host).plan) : world.poolDir;
      return join(folder, `${disk?.volume}.raw`);
    },
  };
  return vm;
}

async function settle(lab: TestLab, vms: readonly TestVm[]): Promise<void> {
  const { history, world } = lab;
  await lab.fault("heal");
  for (const host of world.hosts) {
    if (!host.isOn) await lab.fault("power-on", { host: host.name });
    else if (host.isUp) await thaw(lab, host);
  }
  const { workers } = lab.cluster;
  for (const host of workers)
    await waitFor(`${host.name} to be in`, async () => {
      // A fence that was decided before everything was whole again may have cut its power since.
      if (!host.isOn && !isBeingCut(history, host.name)) await lab.fault("power-on", { host: host.name });
      return isIn(history, host.name) || undefined;
    });
  const pool = history.view.pools.get(labPool as never)?.value.id;
  const hasPool = () =>
    [...history.view.facts.values()].filter(({ value }) =>
      [labPool, labLocalPool].every((name) => value.pools.some((p) => p.pool === name && p.unfit === null)),
    );
  if (pool !== undefined)
    await waitFor("the pool on all hosts", () => hasPool().length === workers.length || undefined);
  for (const vm of vms) if (isWanted(history, vm)) await waitFor(`${vm.name} to run`, vm.running);
}

function isWanted(history: History, vm: TestVm): boolean {
  return [...history.view.vms.values()].some(({ value }) => value.name === vm.name && value.requested === "started");
}

async function thaw(lab: TestLab, { name }: LabHost): Promise<void> {
  await lab.fault("thaw-host", { host: name });
  for (const program of lab.host(name).programNames()) {
    if (lab.host(name).pidOf(program) !== undefined) await lab.fault("thaw", { host: name, process: program });
  }
}

/** Whoever switches it on now makes the device cut it once more. */
function isBeingCut({ view }: History, host: string): boolean {
  const incarnation = view.hosts.get(host as HostId)?.value.incarnation;
  return incarnation !== undefined && fenceOf(view, host as HostId, incarnation)?.value.device === "begun";
}

/** Registered, not fenced, heard just now with its agent, nothing frozen. */
function isIn(history: History, host: string): boolean {
  const { view } = history;
  const registration = view.hosts.get(host as HostId)?.value;
  if (registration === undefined) return false;
  const { incarnation } = registration;
  const heartbeat = view.heartbeats.get(host as HostId)?.get(incarnation)?.value;
  const fresh = performance.now() - history.heardAt(host) < heardMs;
  const whole = heartbeat !== undefined && !heartbeat.frozen && (heartbeat.agentAgeMs ?? heardMs * 2) < heardMs * 2;
  return fresh && whole && fenceOf(view, host as HostId, incarnation) === undefined;
}

export function runCommand(
  file: string,
  line: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const { PATH = "" } = process.env;
    execFile(file, [...line], { env: { PATH, ...env }, timeout: limitMs, killSignal: "SIGKILL" }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, out, err });
    });
  });
}

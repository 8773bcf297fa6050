import { refuse } from "../../model/reason.ts";
import type { HypervisorEnd, VmRun } from "../../ports/hypervisor.ts";
import type { IncomingRequest } from "../../ports/migration.ts";
import type { LiveRun, QemuHost } from "./host.ts";
import { executeAll } from "./move-qmp.ts";
import { tlsId } from "./move-tls.ts";
import { createToFill, openVolumes } from "./volumes.ts";

// The target's side of disks that a guest takes along: images that are made for it, and what its source fills them by.

/**
 * The convention of this field for guests that come in and their disks, so that firewalls know them; doors are opened among them as
 * well, from the last one down. The one behind them (adapters/linux/links.ts) stays free for whoever looks at a link.
 */
export const incomingPorts: { readonly first: number; readonly last: number } = { first: 49_152, last: 49_214 };

const done: HypervisorEnd = { kind: "done" };

/** The epoch is part of the name: a connection of another move finds nothing (S19). */
export function exportName(run: VmRun, disk: number): string {
  return `${run.vm}.${run.epoch}.${disk}`;
}

type Made = {
  readonly end: HypervisorEnd;
  /** When all of them are sure to be there after a power loss: nobody waits for it before a guest is to be sent. */
  readonly onDisk: Promise<HypervisorEnd>;
};

/** Empty and new, all or none; one that is there already is nobody's copy, and is not touched. */
export async function makeImages(host: QemuHost, request: IncomingRequest): Promise<Made> {
  const made: number[] = [];
  const syncs: Promise<HypervisorEnd>[] = [];
  for (const i of request.copied ?? []) {
    const { end, onDisk } = await makeImage(host, request, i);
    syncs.push(onDisk);
    if (end.kind === "done") made.push(i);
    else {
      await Promise.all(syncs);
      await removeImages(host, { ...request, copied: made });
      return { end, onDisk };
    }
  }
  return { end: done, onDisk: Promise.all(syncs).then((ends) => ends.find(({ kind }) => kind !== "done") ?? done) };
}

async function makeImage(host: QemuHost, request: IncomingRequest, i: number): Promise<Made> {
  const { disk, pool } = diskAt(request, i);
  const refused = (end: HypervisorEnd): Made => ({ end, onDisk: Promise.resolve(end) });
  if (disk === undefined || pool === undefined)
    return refused(refuse("pool-not-in-cluster", { pool: disk?.pool ?? "" }));
  return createToFill(host.options, { ...disk, pool }, { vm: request.vm.name, epoch: request.run.epoch });
}

/** Of a run that never came to wait. */
export async function removeImages(host: QemuHost, request: IncomingRequest): Promise<void> {
  const volumes = openVolumes(host.options);
  for (const i of request.copied ?? []) {
    const { disk, pool } = diskAt(request, i);
    if (disk !== undefined && pool !== undefined)
      await new Promise<HypervisorEnd>((over) => volumes.removeArrived(pool, disk.volume, request.run.epoch, over));
  }
}

function diskAt({ vm, pools }: IncomingRequest, i: number) {
  const disk = vm.spec.disks[i];
  return { disk, pool: pools.find(({ id }) => id === disk?.pool) };
}

/** Lets the source write to the images; answers with the port, or why not. */
export async function openExports(
  live: LiveRun,
  address: string,
  { copied, tls }: { readonly copied: readonly number[]; readonly tls: boolean },
): Promise<{ readonly nbd: number } | { readonly no: string }> {
  const started = await startServer(live, address, tls);
  if ("no" in started) return started;
  live.exports = true;
  for (const i of copied) {
    const one = { type: "nbd", id: `move${i}`, "node-name": `disk${i}`, name: exportName(live.run, i), writable: true };
    const end = await executeAll(live, [["block-export-add", one]]);
    if (end.kind !== "done") return { no: end.kind === "failed" ? end.description : "its QEMU does not answer" };
  }
  return started;
}

async function startServer(live: LiveRun, host: string, tls: boolean): Promise<{ nbd: number } | { no: string }> {
  const creds = tls ? { "tls-creds": tlsId } : {};
  for (let port = incomingPorts.last; port >= incomingPorts.first; port--) {
    const addr = { type: "inet", data: { host, port: String(port) } };
    const end = await executeAll(live, [["nbd-server-start", { addr, ...creds }]]);
    if (end.kind === "done") return { nbd: port };
    if (end.kind !== "failed") return { no: "its QEMU does not answer" };
    if (!/in use/u.test(end.description)) return { no: end.description };
  }
  return { no: `all ports from ${incomingPorts.first} to ${incomingPorts.last} are in use` };
}

/** Nobody but the guest writes to its disks from here on. Also where an earlier driver has opened them. */
export async function closeExports(live: LiveRun): Promise<void> {
  if (live.exports === false) return;
  const end = await executeAll(live, [["nbd-server-stop"]]);
  if (end.kind === "done" || end.kind === "failed") live.exports = false;
}

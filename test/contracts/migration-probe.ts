/**
 * Runs in a network namespace of its own (migration-real.test.ts): a guest with a tap in a bridge moves between two drivers,
 * there and back and there again, while it is written to over HTTP. Prints what it found as one line of JSON.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { guestAppend } from "../../lab/guest/append.ts";
import { readGuestDisk } from "../../lab/guest/disk.ts";
import type { Epoch, HostId, Incarnation, NetworkId, VmId } from "../../src/model/ids.ts";
import type { HypervisorEnd, StartRequest, VmRun } from "../../src/ports/hypervisor.ts";
import type { IncomingEnd } from "../../src/ports/migration.ts";
import { openRealRig } from "./real-rig.ts";

const network = "vms" as NetworkId;
const address = "10.93.0.50";
const run = (epoch: number): VmRun => ({ vm: "web" as VmId, incarnation: 1 as Incarnation, epoch: epoch as Epoch });

function ip(...args: string[]): string {
  return execFileSync("ip", args, { encoding: "utf8" });
}

/** Writes one number after the other, as fast as they are acknowledged. */
function writeAll(): { readonly acknowledged: number[]; readonly stop: () => Promise<void> } {
  const acknowledged: number[] = [];
  let stopped = false;
  const write = async (): Promise<void> => {
    for (let n = 1; !stopped; n++) {
      const url = `http://${address}/write?n=${n}&client=probe`;
      const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
      if (answer?.ok === true) acknowledged.push(n);
    }
  };
  const over = write();
  return {
    acknowledged,
    stop: async () => {
      stopped = true;
      await over;
    },
  };
}

ip("link", "set", "lo", "up");
ip("link", "add", "hfbr", "type", "bridge");
ip("addr", "add", "10.93.0.1/24", "dev", "hfbr");
ip("link", "set", "hfbr", "up");
const a = await openRealRig({ networks: { [network]: "hfbr" } });
const b = await openRealRig({ networks: { [network]: "hfbr" }, poolFolder: a.poolFolder });
try {
  for (const rig of [a, b]) rig.openIncarnation(1 as Incarnation);
  const request = (of: VmRun): StartRequest => {
    const base = a.request(of, { act: "stay", disk: "web" });
    const kernel = base.vm.spec.kernel;
    if (kernel === null) throw new Error("The tiny guest boots from a kernel");
    const append = guestAppend({ name: "web", address: `${address}/24`, tickMs: null });
    const nics = [{ network, mac: "52:54:00:93:00:50" }];
    return { ...base, vm: { ...base.vm, spec: { ...base.vm.spec, nics, kernel: { ...kernel, append } } } };
  };
  await a.end<HypervisorEnd>((end) => a.hypervisor.start(request(run(1)), end));
  const writing = writeAll();
  const grows = async (): Promise<void> => {
    const before = writing.acknowledged.length;
    await a.until("writes are acknowledged", () => writing.acknowledged.length > before + 2);
  };
  await grows();
  const ends: HypervisorEnd[] = [];
  for (const [epoch, source, target] of [[1, a, b] as const, [2, b, a] as const, [3, a, b] as const]) {
    const [here, there] = [run(epoch), run(epoch + 1)];
    const wait = { ...request(there), from: "a" as HostId, addresses: ["127.0.0.1"], tls: false };
    const ready = await target.end<IncomingEnd>((end) => target.hypervisor.prepareIncoming(wait, end));
    const doors = ready.kind === "waiting" ? ready.doors : [];
    const out = { to: "b" as HostId, as: there, doors, tls: false, bandwidthMiBps: null, downtimeMs: 300 };
    const take = async (call: (end: (end: HypervisorEnd) => void) => void) => ends.push(await source.end(call));
    await take((end) => source.hypervisor.migrateOut(here, out, end));
    await take((end) => source.hypervisor.switchOver(here, end));
    await take((end) => target.hypervisor.completeIncoming(there, 20_000, end));
    await take((end) => source.hypervisor.kill(here, end));
    await grows();
  }
  await writing.stop();
  const disk = readGuestDisk(join(a.poolFolder, "web.raw"));
  const found = new Set(disk.records.map(({ number }) => number));
  const lost = writing.acknowledged.filter((number) => !found.has(number));
  await b.end<HypervisorEnd>((end) => b.hypervisor.kill(run(4), end));
  const left = ip("link", "show", "type", "tun");
  const { acknowledged } = writing;
  process.stdout.write(
    `${JSON.stringify({ ends, lost, acknowledged: acknowledged.length, boots: disk.boots, left })}\n`,
  );
} finally {
  await b.close();
  await a.close();
}

/**
 * Runs in a network namespace of its own (hypervisor-real.test.ts): one guest with a tap in a bridge, spoken to over
 * HTTP, its disk read from outside. Prints what it found as one line of JSON.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { guestAppend } from "../../lab/guest/append.ts";
import { readGuestDisk } from "../../lab/guest/disk.ts";
import type { Epoch, Incarnation, NetworkId, VmId } from "../../src/model/ids.ts";
import type { HypervisorEnd, StartRequest, VmRun } from "../../src/ports/hypervisor.ts";
import { openRealRig } from "./real-rig.ts";

const network = "vms" as NetworkId;
const absent = "absent" as NetworkId;
const address = "10.93.0.50";
const run: VmRun = { vm: "web" as VmId, incarnation: 1 as Incarnation, epoch: 5 as Epoch };

function ip(...args: string[]): string {
  return execFileSync("ip", args, { encoding: "utf8" });
}

async function get(path: string): Promise<unknown> {
  const answer = await fetch(`http://${address}${path}`, { signal: AbortSignal.timeout(3_000) });
  return answer.json();
}

async function firstStatus(): Promise<unknown> {
  for (;;) {
    const status = await get("/status").catch(() => undefined);
    if (status !== undefined) return status;
    await sleep(20);
  }
}

ip("link", "add", "hfbr", "type", "bridge");
ip("addr", "add", "10.93.0.1/24", "dev", "hfbr");
ip("link", "set", "hfbr", "up");
const rig = await openRealRig({ networks: { [network]: "hfbr", [absent]: "nobridge" } });
try {
  rig.openIncarnation(run.incarnation);
  const base = rig.request(run, { act: "stay", disk: "web" });
  const kernel = base.vm.spec.kernel;
  if (kernel === null) throw new Error("The tiny guest boots from a kernel");
  const append = guestAppend({ name: "web", address: `${address}/24`, tickMs: 20 });
  const withNic = (id: NetworkId): StartRequest => ({
    ...base,
    vm: {
      ...base.vm,
      spec: { ...base.vm.spec, nics: [{ network: id, mac: "52:54:00:93:00:50" }], kernel: { ...kernel, append } },
    },
  });
  const start = (request: StartRequest) => rig.end<HypervisorEnd>((end) => rig.hypervisor.start(request, end));
  const refused = await start(withNic(absent));
  const leftAfterRefusal = ip("link", "show", "type", "tun");
  const began = performance.now();
  const started = await start(withNic(network));
  const startMs = Math.round(performance.now() - began);
  const status = await firstStatus();
  const httpMs = Math.round(performance.now() - began);
  const wrote = [await get("/write?n=41&client=probe"), await get("/write?n=42&client=probe")];
  const adopted: VmRun = { ...run, incarnation: 2 as Incarnation, epoch: 6 as Epoch };
  rig.openIncarnation(adopted.incarnation);
  await rig.freeze(run.incarnation, true);
  const adoption = await rig.end<HypervisorEnd>((end) => rig.hypervisor.adopt(run, adopted, end));
  const afterAdoption = await get("/write?n=43&client=probe");
  const killed = await rig.end<HypervisorEnd>((end) => rig.hypervisor.kill(adopted, end));
  const disk = readGuestDisk(join(rig.runDir, "pool", "web.raw"));
  const left = {
    taps: ip("link", "show", "type", "tun"),
    folder: existsSync(join(rig.runDir, "vms", "web.6")),
    process: rig.processExists(adopted),
  };
  const numbers = disk.records.filter(({ number }) => number > 0).map(({ number, epoch }) => `${number}@${epoch}`);
  const ticks = disk.records.length - numbers.length;
  const found = { refused, leftAfterRefusal, started, startMs, httpMs, status, wrote, adoption, afterAdoption, killed };
  process.stdout.write(`${JSON.stringify({ ...found, numbers, ticks, boots: disk.boots, left })}\n`);
} finally {
  await rig.close();
}

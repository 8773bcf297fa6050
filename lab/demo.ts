import { join } from "node:path";
import type { EventOutput } from "../src/api/contract/event.ts";
import { alternativeText } from "../src/cli/text.ts";
import { clientOf } from "./bootstrap.ts";
import type { Cluster } from "./cluster.ts";
import { applyFault } from "./faults.ts";
import { readGuestDisk } from "./guest/disk.ts";
import { LabError } from "./lab-error.ts";
import type { Address } from "./reach.ts";
import { until } from "./shell.ts";
import { eventText, pageStatus } from "./show.ts";

const writes = 20;
const takeoverLimitMs = 90_000;

/**
 * Powers off the host that runs `vm`, waits until the VM serves from another, checks from outside that every
 * acknowledged write is on its disk, and brings the old host back. Returns the exit code; says what did not hold.
 */
export async function playFailover(
  cluster: Cluster,
  page: Address,
  vm: string,
  show: (line: string) => void,
): Promise<number> {
  const acknowledged = await write(cluster, page, 1);
  show(`demo: ${acknowledged.length} writes acknowledged by the guest`);
  const before = await ownerOf(cluster, vm, "h1");
  const survivor = cluster.world.hosts.find((host) => host.name !== before.host)?.name ?? "h1";
  const faultAt = Date.now();
  show(`demo: power off ${before.host}, which runs ${vm}`);
  await applyFault(cluster.world, { fault: "power-off", host: before.host });
  await until(
    async () => ((await pageStatus(cluster, page))?.epoch ?? 0) > before.epoch || undefined,
    takeoverLimitMs,
    () =>
      new LabError(
        `${vm} did not come back.`,
        "The demonstration failed.",
        "Start it with --keep and look at HOST/log.",
      ),
    50,
  );
  const serviceMs = Date.now() - faultAt;
  const after = await ownerOf(cluster, vm, survivor);
  acknowledged.push(...(await write(cluster, page, writes + 1)));
  await applyFault(cluster.world, { fault: "power-on", host: before.host });
  await rejoined(cluster, survivor, before.host);
  showTimeline(await history(cluster, survivor, faultAt), faultAt, show);
  return judge(cluster, { vm, before, after, acknowledged, serviceMs }, show);
}

type Place = { readonly host: string; readonly epoch: number; readonly volume: string };

async function ownerOf(cluster: Cluster, vm: string, ask: string): Promise<Place> {
  const { vm: shown } = await clientOf(cluster, ask).vm.show({ vm });
  if (shown.host === null || shown.epoch === null) {
    throw new LabError(`${vm} runs nowhere.`, "There is nothing to fail over.", "Look at the events above.");
  }
  return { host: shown.host, epoch: shown.epoch, volume: shown.disks[0]?.volume ?? "" };
}

/** Numbers `first` … acknowledged by the guest, each after its own fdatasync. */
async function write(cluster: Cluster, page: Address, first: number): Promise<number[]> {
  const acknowledged: number[] = [];
  for (let number = first; number < first + writes; number++) {
    const end = await cluster.world.reach.http(page, { path: `/write?n=${number}`, method: "POST", timeoutMs: 5_000 });
    if (end.kind === "answered" && end.status === 200) acknowledged.push(number);
  }
  return acknowledged;
}

async function rejoined(cluster: Cluster, ask: string, host: string): Promise<void> {
  const isUp = async (): Promise<true | undefined> => {
    const { hosts } = await clientOf(cluster, ask).host.list();
    return hosts.find((other) => other.name === host)?.state === "up" ? true : undefined;
  };
  await until(
    () => isUp().catch(() => undefined),
    takeoverLimitMs,
    () =>
      new LabError(`${host} did not rejoin.`, "The demonstration failed.", "Start it with --keep and look at its log."),
    200,
  );
}

async function history(cluster: Cluster, ask: string, since: number): Promise<EventOutput[]> {
  const { events } = await clientOf(cluster, ask).event.list({ limit: 500 });
  return events.filter((event) => event.at >= since);
}

function showTimeline(events: readonly EventOutput[], faultAt: number, show: (line: string) => void): void {
  show("demo: the timeline, in seconds after the power went:");
  for (const event of events) {
    show(`  ${((event.at - faultAt) / 1000).toFixed(2).padStart(6)}  ${event.host}  ${eventText(event)}`);
    for (const other of event.alternatives) show(`          ${alternativeText(other)}`);
  }
}

type Played = {
  readonly vm: string;
  readonly before: Place;
  readonly after: Place;
  readonly acknowledged: readonly number[];
  readonly serviceMs: number;
};

function judge(cluster: Cluster, played: Played, show: (line: string) => void): number {
  const { vm, before, after, acknowledged, serviceMs } = played;
  const disk = readGuestDisk(join(cluster.world.poolDir, `${after.volume}.raw`));
  const onDisk = new Set(disk.records.map((record) => record.number));
  const lost = acknowledged.filter((number) => !onDisk.has(number));
  const epochs = disk.records.map((record) => record.epoch);
  const mixed = epochs.some((epoch, i) => i > 0 && epoch < (epochs[i - 1] ?? 0));
  const old = cluster.world.host(before.host).vmPids(vm);
  const checks: readonly (readonly [boolean, string])[] = [
    [after.host !== before.host, `${vm} moved from ${before.host} to ${after.host}`],
    [after.epoch > before.epoch, `its epoch grew from ${before.epoch} to ${after.epoch}`],
    [
      acknowledged.length === 2 * writes && lost.length === 0,
      `${acknowledged.length} of ${2 * writes} writes were acknowledged, ${lost.length} of them are missing on the disk`,
    ],
    [!mixed, "no record of an older epoch follows one of a newer"],
    [old.length === 0, `${before.host} is back and runs nothing of ${vm}`],
  ];
  for (const [holds, text] of checks) show(`demo: ${holds ? "ok  " : "FAIL"} ${text}`);
  const passed = checks.every(([holds]) => holds);
  show(
    `demo: ${passed ? "went well" : "FAILED"}; ${vm} served again ${(serviceMs / 1000).toFixed(1)} s after the power went`,
  );
  return passed ? 0 : 1;
}

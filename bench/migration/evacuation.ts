import type { TestLab, TestVm } from "../../test/support/lab-cluster.ts";
import { waitFor } from "../../test/support/lab-cluster.ts";
import { type Writer, writeNumbers } from "../../test/support/lab-writer.ts";

export type EvacuationRow = {
  readonly kind: "evacuation";
  readonly vms: number;
  readonly hosts: number;
  /** From the order until every VM had left, and until every one was back. */
  readonly awaySeconds: number;
  readonly backSeconds: number;
  /** Guests that booted again. */
  readonly restarted: number;
  readonly lostWrites: number;
  readonly doubleRuns: number;
};

/** Each guest is asked for a write so often; ten of them share this machine with three hosts. */
const pauseMs = 250;

type Guest = { readonly vm: TestVm; readonly writer: Writer; readonly boots: number };

/** Puts a host with so many writing guests into maintenance, and takes it back. */
export async function evacuate(lab: TestLab, count: number, log: (line: string) => void): Promise<EvacuationRow> {
  const client = lab.client();
  const [home = "", ...others] = lab.world.hosts.map(({ name }) => name);
  // Where all of them start.
  for (const host of others) await client.host.maintenance({ host, reason: "" });
  const guests: Guest[] = [];
  for (let n = 1; n <= count; n++) {
    guests.push(await openGuest(lab, n));
    log(`guest ${n} of ${count} serves on ${guests.at(-1)?.vm.owner().host}`);
  }
  for (const host of others) await client.host.release({ host });
  const awaySeconds = await until(lab, guests, () => client.host.maintenance({ host: home, reason: "" }), home, false);
  log(`all away after ${awaySeconds} s`);
  const backSeconds = await until(lab, guests, () => client.host.release({ host: home }), home, true);
  log(`all back after ${backSeconds} s`);
  const ends = await Promise.all(guests.map((guest) => endOf(guest)));
  const sum = (of: (end: (typeof ends)[number]) => number) => ends.reduce((total, end) => total + of(end), 0);
  const [restarted, lostWrites] = [sum((end) => end.restarts), sum((end) => end.lost)];
  const doubleRuns = new Set(lab.watcher.doubleRuns).size;
  const hosts = lab.world.hosts.length;
  return { kind: "evacuation", vms: count, hosts, awaySeconds, backSeconds, restarted, lostWrites, doubleRuns };
}

async function openGuest(lab: TestLab, n: number): Promise<Guest> {
  const vm = await lab.guest(`guest${n}`, 100 + n, 500);
  const writer = writeNumbers(lab.world.reach, vm.address, "evacuation", pauseMs);
  await writer.goesOn();
  return { vm, writer, boots: (await vm.answers()).boots };
}

/** Seconds until every guest executes on `home`, or none does there and every one elsewhere; and writes on. */
async function until(
  lab: TestLab,
  guests: readonly Guest[],
  order: () => Promise<unknown>,
  home: string,
  wanted: boolean,
): Promise<number> {
  const began = performance.now();
  await order();
  for (const { vm } of guests)
    await waitFor(`${vm.name} to ${wanted ? "be back on" : "have left"} ${home}`, () => {
      const isOver = !lab.history.view.moves.has(vm.id) && (vm.running()?.host === home) === wanted;
      return (isOver && vm.running() !== undefined) || undefined;
    });
  const seconds = Math.round((performance.now() - began) / 100) / 10;
  await Promise.all(guests.map(({ writer }) => writer.goesOn()));
  return seconds;
}

async function endOf({ vm, writer, boots }: Guest): Promise<{ readonly restarts: number; readonly lost: number }> {
  await writer.stop();
  return { restarts: (await vm.answers()).boots - boots, lost: writer.lost(vm.disk).length };
}

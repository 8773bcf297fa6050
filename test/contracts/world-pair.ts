import { seededRandom } from "../../src/base/random.ts";
import { profiles } from "../../src/core/limits.ts";
import type { HostId } from "../../src/model/ids.ts";
import type { VmEvent, VmRun } from "../../src/ports/hypervisor.ts";
import type { MoveEvent } from "../../src/ports/migration.ts";
import { MoveNetwork } from "../../src/sim/move/qemu.ts";
import { HostClock } from "../../src/sim/world/clock.ts";
import { runKey } from "../../src/sim/world/copy.ts";
import { Driver } from "../../src/sim/world/driver.ts";
import { moveAddress } from "../../src/sim/world/driver-moves.ts";
import { type Copy, SimHost } from "../../src/sim/world/host.ts";
import { Qemus } from "../../src/sim/world/qemus.ts";
import { Scheduler } from "../../src/sim/world/scheduler.ts";
import type { GuestAct } from "./hypervisor-suite.ts";
import type { MigrationRig, MoveHost } from "./migration-calls.ts";
import { simVm } from "./sim-rig.ts";

const stepsMax = 50_000;
const stillMs = 500;
/** From its first instruction on until the tiny guest is up, and does what it is there for. */
const guestBootMs = 300;

const noWitness = {
  starting: () => undefined,
  adopting: () => undefined,
  ended: () => undefined,
  isReplicated: () => false,
  isWriting: () => false,
  awaits: () => undefined,
  left: () => undefined,
  takesUp: () => undefined,
};

/** One host of the simulated world, without its daemons. */
export async function openWorldRig(): Promise<MoveHost> {
  return openHost(0, new Scheduler(), new Qemus(seededRandom("rig"), noWitness), new MoveNetwork());
}

/** Two hosts of the simulated world: what really runs there, and a driver each. */
export function openWorldHosts(scheduler: Scheduler) {
  const qemus = new Qemus(seededRandom("pair"), noWitness);
  const network = new MoveNetwork();
  const [source, target] = [0, 1].map((number) => openHost(number, scheduler, qemus, network));
  if (source === undefined || target === undefined) throw new Error("There are two hosts");
  return { source, target };
}

/** Two hosts of the simulated world, without its daemons: the drivers over what really runs there. */
export async function openWorldPair(): Promise<MigrationRig> {
  const scheduler = new Scheduler();
  const { source, target } = openWorldHosts(scheduler);
  const hosts = [source, target];
  const works = (disk: string): boolean =>
    hosts.some(({ host }) =>
      [...host.copies.values()].some(
        (copy) => copy.vm.spec.disks.some(({ volume }) => volume === disk) && host.executes(copy),
      ),
    );
  return {
    source,
    target,
    address: moveAddress(target.host),
    agent: "absent",
    homeAddress: moveAddress(source.host),
    foreignAddress: "192.0.2.1",
    deadDoor: { address: "10.0.2.2", port: 1 },
    untilWorks: (disk) => source.until("the guest works", () => works(disk)),
    standsStill: async (disk) => {
      const over = scheduler.now + stillMs;
      while (!works(disk) && scheduler.step(over));
      return !works(disk);
    },
    close: async () => undefined,
  };
}

function openHost(
  number: number,
  scheduler: Scheduler,
  qemus: Qemus,
  network: MoveNetwork,
): MoveHost & { readonly host: SimHost } {
  const clock = new HostClock(scheduler, 0);
  const host = new SimHost(`h${number + 1}` as HostId, number, scheduler, clock, profiles.default);
  host.on = true;
  const events: VmEvent[] = [];
  const moves: MoveEvent[] = [];
  const open = (): Driver => {
    const driver = new Driver(host, host.processes.daemon.begin(clock), qemus, network);
    driver.listen((event) => events.push(event));
    driver.watchMoves((event) => moves.push(event));
    return driver;
  };
  let hypervisor = open();
  const acts = actingGuests(host, scheduler, qemus);
  const copyOf = (run: VmRun) => {
    const copy = host.copies.get(runKey(run));
    if (copy === undefined) throw new Error(`There is no copy ${runKey(run)}`);
    return copy;
  };
  const until: MoveHost["until"] = async (what, holds) => {
    for (let i = 0; !(await holds()); i++)
      if (i > stepsMax || !scheduler.step(Number.POSITIVE_INFINITY)) throw new Error(`Waited in vain until ${what}`);
  };
  return {
    host,
    events,
    moves,
    get hypervisor() {
      return hypervisor;
    },
    request: (run, { act, disk }) => {
      acts.set(runKey(run), act);
      qemus.missing.add("missing");
      const pool = { schema: 1, id: "pool", name: "pool", kind: "shared-dir", path: "", quotaMiB: null, createdAt: 0 };
      return { run, vm: simVm(run.vm, act, disk), pools: [pool as never] };
    },
    openIncarnation: (n) => void host.tree.folders.set(n, { frozen: false, runs: new Set() }),
    removeIncarnation: (n) => void host.tree.folders.delete(n),
    freeze: async (n, frozen) => {
      const folder = host.tree.folders.get(n);
      if (folder !== undefined) folder.frozen = frozen;
      if (!frozen) qemus.goOn(host);
    },
    killProcess: (run) => qemus.endByItself(copyOf(run), "killed"),
    quitProcess: (run) => qemus.endByItself(copyOf(run), "host-quit"),
    guestIsUp: (run) => host.executes(copyOf(run)),
    guestIsDown: (run) => host.records.get(runKey(run))?.exit !== undefined,
    reopen: async (meanwhile) => {
      host.processes.daemon.end();
      host.driver = undefined;
      await meanwhile?.();
      hypervisor = open();
    },
    processExists: (run) => host.copies.has(runKey(run)),
    until,
    end: async <T>(call: (done: (end: T) => void) => void) => {
      const ends: T[] = [];
      call((end) => ends.push(end));
      await until("a call has ended", () => ends.length > 0);
      const [end] = ends;
      return end as T;
    },
    close: async () => undefined,
  };
}

/** What the tiny guest of each run does once it is up, by run. */
function actingGuests(host: SimHost, scheduler: Scheduler, qemus: Qemus): Map<string, GuestAct> {
  const acts = new Map<string, GuestAct>();
  const actOnce = (key: string, copy: Copy): void => {
    const act = acts.get(key);
    acts.delete(key);
    if (act === "poweroff") qemus.endByItself(copy, "guest-shutdown");
    if (act === "panic") qemus.endByItself(copy, "panicked");
    if (act === "reboot") host.driver?.tell({ kind: "guest-rebooted", run: copy.run });
  };
  const look = (): void => {
    for (const [key, copy] of host.copies) if (host.executes(copy)) actOnce(key, copy);
    scheduler.after(guestBootMs, look);
  };
  look();
  return acts;
}

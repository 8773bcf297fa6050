import type { SeededRandom } from "../../base/random.ts";
import { hashText } from "../../base/random.ts";
import type { Epoch } from "../../model/ids.ts";
import { refuse } from "../../model/reason.ts";
import type { Fencing } from "../../ports/fencing.ts";
import { type GuardName, guardNames } from "../../ports/guard.ts";
import type { HeartLink } from "../../ports/heart.ts";
import type { Hypervisor, HypervisorEnd } from "../../ports/hypervisor.ts";
import type { Journal } from "../../ports/journal.ts";
import type { Migration } from "../../ports/migration.ts";
import type { Random } from "../../ports/random.ts";
import { runDaemon } from "../../runtime/daemon.ts";
import { runHeart } from "../../runtime/heart.ts";
import { createSimGuard } from "../guard.ts";
import { createTree } from "../guard-tree.ts";
import { createCluster } from "./create-cluster.ts";
import { Driver } from "./driver.ts";
import { HeartLines } from "./heart-lines.ts";
import { guardProcess, type ProcessName, type SimHost } from "./host.ts";
import type { Life } from "./process.ts";
import { simSensors } from "./sensors.ts";
import { StoreClient } from "./store-client.ts";
import type { World } from "./world.ts";

/** A supervisor starts a dead process again after this. */
const restartMs = 300;
/** How long a machine takes to go down in order. */
const downMs = 2_000;

/** Creates the cluster and switches everything on, in any order. */
export function beginWorld(world: World): void {
  createCluster(world);
  const random = world.random.for("first boot");
  for (const host of world.hosts) world.scheduler.after(random.below(3_000), () => bootHost(world, host));
}

/** Power on: nothing is left of what ran before. Guards first, as the service manager orders them. */
export function bootHost(world: World, host: SimHost): void {
  if (host.on) return;
  host.on = true;
  host.tree = createTree((name) => {
    for (const look of world.hooks.thawing) look(host, name);
  });
  const random = world.random.for(`boot ${host.id} ${host.boots}`);
  host.clock.restart(5_000 + random.below(20_000));
  world.tell(host.id, "power-on");
  world.members.refresh();
  const witness = world.isWitness(host);
  if (!witness) {
    for (const name of guardNames) host.after(100 + random.below(400), () => startGuard(world, host, name));
    host.after(200 + random.below(800), () => startHeart(world, host));
  }
  host.after(500 + random.below(2_000), () => startDaemon(world, host));
}

/** The machine's own shutdown, which takes a moment; its processes work on until then. */
function goDown(world: World, host: SimHost, next: "reboot" | "power-off"): void {
  const offMs = next === "reboot" ? 5_000 + world.random.for(`reboot ${host.id} ${host.boots}`).below(10_000) : null;
  host.after(downMs, () => world.cutPower(host, "itself", offMs ?? Number.POSITIVE_INFINITY));
}

/** SIGKILL, and what the supervisor does about it. */
export function killProcess(world: World, host: SimHost, name: ProcessName): void {
  const process = host.processes[name];
  if (!host.on || process.life === undefined) return;
  process.end();
  world.tell(host.id, "process-killed", { process: name });
  switch (name) {
    case "daemon":
      host.driver = undefined;
      host.hearHeart = undefined;
      world.daemons.delete(host.id);
      host.after(restartMs, () => startDaemon(world, host));
      return;
    case "heart":
      host.heartLines = undefined;
      host.heartSays = undefined;
      host.hearAgent = undefined;
      host.after(1, () => host.hearHeart?.("lost"));
      host.after(restartMs, () => startHeart(world, host));
      return;
    case "guard-a":
    case "guard-b": {
      const guard: GuardName = name === "guard-a" ? "a" : "b";
      delete host.guards[guard];
      host.heartLines?.lost(guard);
      host.after(restartMs, () => startGuard(world, host, guard));
    }
  }
}

function startGuard(world: World, host: SimHost, name: GuardName): void {
  const process = host.processes[guardProcess(name)];
  if (process.life !== undefined) return;
  const life = process.begin(host.clock);
  const random = world.random.for(`guard ${host.id} ${name}`);
  const guard = createSimGuard({
    name,
    clock: life.clock,
    tree: host.tree,
    deadlineMs: host.timing.deadlineMs,
    marginMs: host.timing.marginMs,
    // Lateness and freeze: mostly quick, on a busy host up to what M covers.
    freezeMs: () => (random.chance(0.05) ? 32 + random.below(300) : 4 + random.below(28)),
    stamped: (stamp) => host.heartLines?.stampMade(name, stamp),
    killAll: () => {
      for (const copy of host.copies.values()) world.qemus.kill(copy, "killed", "guard");
    },
  });
  host.guards[name] = guard;
  host.guardDeadlinesMs[name] = host.timing.deadlineMs;
  guard.start();
  life.after(20 + random.below(200), () => host.heartLines?.connect(name));
}

function startHeart(world: World, host: SimHost): void {
  const process = host.processes.heart;
  if (process.life !== undefined) return;
  const life = process.begin(host.clock);
  const { heartbeatMs, deadlineMs, marginMs } = world.profileOf(host);
  const random = world.random.for(`heart ${host.id} ${world.scheduler.executed}`);
  runHeart(
    { host: host.id, machine: `machine-${host.id}`, heartbeatMs, deadlineMs, marginMs },
    {
      clock: life.clock,
      store: storeClient(world, host, life, "heart"),
      random: portRandom(random),
      file: {
        read: () => host.incarnationFile,
        write: (own, done) => {
          host.incarnationFile = own;
          host.whenIncarnationWritten?.(own);
          life.after(1 + random.below(4), () => done(true));
        },
      },
      agents: {
        tell: (says) => {
          host.heartSays = says;
          host.after(0.1, () => host.hearHeart?.(says));
        },
        listen: (alive) => {
          host.hearAgent = (age) => life.post(() => alive(age));
        },
      },
      guards: (listener) => {
        const lines = new HeartLines(host, life, listener, (heart, name, stamp) => {
          for (const look of world.hooks.stamped) look(host, heart, name, stamp);
        });
        host.heartLines = lines;
        return lines.guards();
      },
    },
    world.steps.forHeart(host),
  );
}

function startDaemon(world: World, host: SimHost): void {
  const process = host.processes.daemon;
  if (process.life !== undefined) return;
  const life = process.begin(host.clock);
  const random = world.random.for(`daemon ${host.id} ${world.scheduler.executed}`);
  const daemon = runDaemon(
    {
      self: host.id,
      profile: world.profile,
      role: world.isWitness(host) ? "witness" : "host",
      isHeld: () => host.forced !== undefined,
    },
    {
      store: storeClient(world, host, life, "daemon"),
      clock: life.clock,
      random: portRandom(random),
      journal: noJournal,
      hypervisor: hypervisorOf(world, host, life),
      volumes: {
        remove: (_pool, volume, done) => removeImage(world, host, life, { volume, arrivedFor: null }, done),
        removeArrived: (_pool, volume, arrivedFor, done) =>
          removeImage(world, host, life, { volume, arrivedFor }, done),
      },
      replicas: world.replicas.driversOf(host, life),
      fencing: fencingFor(world, host, life),
      sensors: simSensors(world, host, life, random),
      heart: heartLink(host, life),
      machine: { leave: (next) => goDown(world, host, next) },
      digest: (text) => hashText(text).toString(16),
    },
    world.steps.forDaemon(host),
  );
  world.daemons.set(host.id, daemon);
}

function removeImage(
  world: World,
  host: SimHost,
  life: Life,
  { volume, arrivedFor }: { readonly volume: string; readonly arrivedFor: Epoch | null },
  done: (end: HypervisorEnd) => void,
): void {
  life.after(20, () => {
    const there = host.images.all.get(volume);
    if (arrivedFor !== null && there !== undefined && there.arrivedFor !== arrivedFor) {
      done(refuse("volume-not-of-move", { volume, pool: "", path: volume }));
      return;
    }
    const isOpen = world.qemus.isOpen(host, volume);
    if (!isOpen) {
      host.images.remove(volume);
      // It may have come about by replication.
      world.replicas.imageGone(host, volume);
    }
    done(isOpen ? refuse("volume-in-use", { volume, pool: "" }) : { kind: "done" });
  });
}

function hypervisorOf(world: World, host: SimHost, life: Life): Hypervisor & Migration {
  const driver = new Driver(host, life, world.qemus, world.moves);
  return world.around?.hypervisor(host, life, driver) ?? driver;
}

/** Events are read from the store by the world itself. */
const noJournal: Journal = { add: () => {}, read: () => [], last: () => 0 as ReturnType<Journal["last"]> };

function portRandom(random: SeededRandom): Random {
  return { hex: (length) => random.hex(length), below: (limit) => random.below(limit) };
}

/** A command to a device is carried out whether or not its caller lives to hear of it. */
function fencingFor(world: World, host: SimHost, life: Life): Fencing {
  return {
    powerOff: (device, done) => {
      const target = device.options["device"] ?? "";
      world.tell(host.id, "power-off-asked", { target }, "S9");
      for (const look of world.hooks.powerOffAsked) look(target);
      world.fencing.powerOff(device, (end) => life.post(() => done(end)));
    },
    status: (device, done) => world.fencing.status(device, (end) => life.post(() => done(end))),
  };
}

function heartLink(host: SimHost, life: Life): HeartLink {
  return {
    alive: (poolAgeMs) => host.after(0.1, () => host.hearAgent?.(poolAgeMs)),
    listen: (listener) => {
      host.hearHeart = (says) => life.post(() => listener(says));
      // The heart greets a new agent with its newest word, as soon as it runs.
      life.after(20, () =>
        host.processes.heart.life?.post(() => {
          const says = host.heartSays;
          if (says !== undefined) life.post(() => listener(says));
        }),
      );
    },
  };
}

export function storeClient(world: World, host: SimHost, life: Life, process: ProcessName): StoreClient {
  const writer = { host, process, life };
  const atStart = world.voters();
  return new StoreClient({
    host: host.number,
    life,
    scheduler: world.scheduler,
    network: world.network,
    members: world.members,
    memory: world.memory,
    history: world.history,
    // Both endpoints stand in the configuration of each of two hosts, whichever of them votes when it is read (S23).
    get voters() {
      return world.plan.profile === "two" ? world.voters() : atStart;
    },
    works: (number) => world.memberWorks(number),
    watchLagMs: () => host.trouble.watchLagMs,
    blocked: () => process === "daemon" && host.trouble.storeBlocked,
    around: (transaction, apply) => {
      world.writer = writer;
      const end = apply();
      world.writer = null;
      if (end.kind !== "refused") return end;
      world.count("lostRaces");
      for (const look of world.hooks.refused) look(writer, transaction);
      return end;
    },
    heard: (by) => {
      for (const look of world.hooks.heard) look(life, by);
    },
    asked: (transaction, by) => {
      if (by === 1) for (const trap of world.sendTraps) if (trap(transaction)) world.sendTraps.delete(trap);
      for (const look of world.hooks.asked) look(writer, transaction, by);
    },
  });
}

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { NbdGuest } from "../../lab/guest/nbd-guest.ts";
import { isProcessOf, processesOf } from "../../src/adapters/linux/process.ts";
import { relaySaysSchema } from "../../src/adapters/nbd/relay-control.ts";
import { openGuestFreezer } from "../../src/adapters/qemu/guest-freeze.ts";
import { connectQmp, type Qmp } from "../../src/adapters/qemu/qmp.ts";
import { openCycleSource, type QemuCycleSource } from "../../src/adapters/qemu/replica-cycle-source.ts";
import { editedCopies } from "../../src/adapters/qemu/replica-edited.ts";
import { openPointSource } from "../../src/adapters/qemu/replica-point-source.ts";
import { openReplicaSource, type QemuReplicaSource } from "../../src/adapters/qemu/replica-source.ts";
import { openReplicaTarget, type QemuReplicaTarget } from "../../src/adapters/qemu/replica-target.ts";
import { openVolumes } from "../../src/adapters/qemu/volumes.ts";
import { must } from "../../src/base/assert.ts";
import type { ClusterId, PoolId } from "../../src/model/ids.ts";
import type { VmRun } from "../../src/ports/hypervisor.ts";
import type { ReplicaCopy, ReplicaEvent } from "../../src/ports/replication.ts";
import type { PointSource } from "../../src/ports/replication-points.ts";
import type { PointProver } from "../../src/ports/replication-proof.ts";
import { builtWatch } from "../support/built-watch.ts";
import { controlOrder } from "./control-order.ts";
import type { CycleRig } from "./cycles-calls.ts";
import { diskMiB, diskNames, type Spoilt, type Write } from "./replication-calls.ts";

const limitMs = 30_000;
const blockBytes = 65_536;
const laterMs = 400;
const relay = [process.execPath, resolve(import.meta.dirname, "../../src/main/relay.ts")];
let lastRig = 0;

type Machine = { readonly run: VmRun; readonly qmp: Qmp; readonly process: ChildProcess; readonly guests: NbdGuest[] };
type Machines = { current: Machine | undefined; isSilent: boolean };
export type Certificates = { readonly ca: string; readonly cert: string; readonly key: string };
export type RealReplicaPair = CycleRig & {
  readonly pointSource: PointSource;
  readonly prover: PointProver;
  /** Copies of which nobody sees who else writes them; what was noted of those who did. */
  readonly unwatched: QemuReplicaTarget["unwatched"];
  readonly edited: () => ReturnType<typeof editedCopies>;
  readonly poolFolder: string;
  /** Where the target notes what it receives. */
  readonly receivedFolder: string;
  readonly qmp: () => Qmp;
  /** The guest wants all on disk that it was acknowledged. */
  readonly flush: (disk: number) => Promise<number>;
};
/** `watch`: the program that notes who else writes the copies. */
type Of = { readonly source?: Certificates; readonly target?: Certificates; readonly watch?: string };
const cluster = "test" as ClusterId;

/** Real QEMUs without a guest: NBD writes stand for one. Both hosts on this machine, with an address that can be cut off. */
function makeFolders(): string {
  const folder = mkdtempSync(join(tmpdir(), "hf-rep-"));
  for (const name of ["a", "b", "pool-a", "pool-b", "exports"]) mkdirSync(join(folder, name));
  for (const disk of diskNames)
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", join(folder, "pool-a", `${disk}.qcow2`), `${diskMiB}M`]);
  return folder;
}

function nextAddress(): string {
  lastRig += 1;
  return `127.${78 + (process.pid % 100)}.${Math.floor(process.pid / 100) % 250}.${lastRig}`;
}

function blockIn(path: string, block: number): number {
  return sameValue(readFileSync(path).subarray(block * blockBytes, (block + 1) * blockBytes));
}

export async function openRealReplicaPair(of: Of = {}): Promise<RealReplicaPair> {
  const folder = makeFolders();
  const address = nextAddress();
  const events: ReplicaEvent[] = [];
  const machines: Machines = { current: undefined, isSilent: false };
  let source = openSource(folder, of, machines, events);
  let cycleSource = openCycles(folder, of, machines);
  let target = openTarget(folder, of);
  const faults = faultsIn(folder, address);
  const reopenTarget = async (meanwhile?: () => Promise<void>): Promise<void> => {
    target.close();
    await meanwhile?.();
    target = openTarget(folder, of);
  };
  return {
    get source() {
      return source;
    },
    get target() {
      return target;
    },
    get pointSource() {
      return openPoints(folder, source);
    },
    get cycleSource() {
      return cycleSource;
    },
    get cycleTarget() {
      return target;
    },
    get prover() {
      return target;
    },
    ...{ unwatched: () => target.unwatched(), edited: () => editedCopies([join(folder, "pool-b")]) },
    ...{ poolFolder: join(folder, "pool-b"), receivedFolder: join(folder, "b", "received", "web") },
    events,
    silence: (isSilent) => {
      machines.isSilent = isSilent;
    },
    qmp: () => must(machines.current?.qmp, "Cannot ask: no run"),
    ...{ address, foreignAddress: "192.0.2.1" },
    exportFolder: join(folder, "exports"),
    readImage: async (path, block) => blockIn(path, block),
    ...guestsOf(folder, machines),
    ...faults,
    reopenSource: async (meanwhile) => {
      source.close();
      cycleSource.close();
      await meanwhile?.();
      const inCycles = existsSync(join(folder, "a", "cycles"));
      source = openSource(folder, of, machines, events);
      cycleSource = openCycles(folder, of, machines);
      await until("it is taken up", () => inCycles || events.length > 0);
    },
    reopenTarget,
    ...lossesIn(folder, faults.loseRunFolder, reopenTarget),
    end: (call) => new Promise((done) => call(done)),
    until,
    whileLater: () => sleep(laterMs),
    close: async () => {
      await faults.cut(false);
      source.close();
      cycleSource.close();
      target.close();
      machines.current?.process.kill("SIGKILL");
      await end(folder);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function openPoints(folder: string, source: QemuReplicaSource) {
  const freezer = openGuestFreezer({ runDir: join(folder, "a"), cgroup: folder });
  return openPointSource({ cluster, source, freezer });
}

function openSource(folder: string, of: Of, machines: Machines, events: ReplicaEvent[]): QemuReplicaSource {
  const opened = openReplicaSource({
    cluster,
    runDir: join(folder, "a"),
    relay,
    ...monitorsOf(machines),
    ...(of.source && { certificates: of.source }),
  });
  opened.watchReplicas((event) => events.push(event));
  return opened;
}

function monitorsOf(machines: Machines) {
  const isHere = (run: VmRun): boolean => machines.current?.run.epoch === run.epoch;
  return { qmp: (run: VmRun) => (isHere(run) && !machines.isSilent ? machines.current?.qmp : undefined), isHere };
}

function openCycles(folder: string, of: Of, machines: Machines): QemuCycleSource {
  return openCycleSource({
    cluster,
    runDir: join(folder, "a"),
    relay,
    ...monitorsOf(machines),
    ...(of.source && { certificates: of.source }),
  });
}

function openTarget(folder: string, of: Of): QemuReplicaTarget {
  const pools = { ["pool" as PoolId]: join(folder, "pool-b") };
  const volumes = openVolumes({ cluster, pools });
  const runDir = join(folder, "b");
  const { watch = builtWatch() } = of;
  return openReplicaTarget({ cluster, runDir, pools, volumes, watch, ...(of.target && { certificates: of.target }) });
}

function guestsOf(folder: string, machines: Machines) {
  const guestOf = (disk: number): NbdGuest => must(machines.current?.guests[disk], "Cannot go on: no guest");
  return {
    startRun: async (run: VmRun): Promise<void> => {
      machines.current = await startMachine(folder, run);
    },
    killRun: (run: VmRun): Promise<void> => endRun(machines, run, "SIGKILL"),
    stopRun: (run: VmRun): Promise<void> => endRun(machines, run, "SIGTERM"),
    write: (disk: number, block: number, value: number): Write => {
      const write = { isAcknowledged: false };
      void guestOf(disk)
        .write(block * blockBytes, Buffer.alloc(blockBytes, value))
        .then((error) => {
          write.isAcknowledged = error === 0;
        });
      return write;
    },
    flush: (disk: number): Promise<number> => guestOf(disk).flush(),
    readHere: async (disk: number, block: number): Promise<number> =>
      sameValue(await guestOf(disk).read(block * blockBytes, blockBytes)),
    readCopy: async ({ path, format }: ReplicaCopy, block: number): Promise<number> => {
      const raw = `${path}.${statSync(path).mtimeMs}.raw`;
      if (!existsSync(raw)) execFileSync("qemu-img", ["convert", "-f", format, "-O", "raw", path, raw]);
      return sameValue(readFileSync(raw).subarray(block * blockBytes, (block + 1) * blockBytes));
    },
  };
}

async function endRun(machines: Machines, run: VmRun, by: NodeJS.Signals): Promise<void> {
  const { current } = machines;
  const { process: child, guests } = must(current?.run === run ? current : undefined, "Cannot end: no such run");
  const gone = new Promise((end) => child.once("exit", end));
  child.kill(by);
  await gone;
  for (const guest of guests) guest.close();
  machines.current = undefined;
}

function lossesIn(folder: string, loseRunFolder: () => Promise<void>, reopenTarget: CycleRig["reopenTarget"]) {
  return {
    rebootTarget: () => reopenTarget(loseRunFolder),
    renewTarget: () =>
      reopenTarget(async () => {
        await loseRunFolder();
        const pool = join(folder, "pool-b");
        for (const file of readdirSync(pool)) rmSync(join(pool, file), { recursive: true });
      }),
  };
}

/** A table of its own in the firewall, for one address that nobody else has. */
function faultsIn(folder: string, address: string) {
  const table = `hf_rep_${process.pid}_${lastRig}`;
  const daemonSocket = join(folder, "b", "received", "web", "qmp.sock");
  const relays = join(folder, "a", "relays");
  let isCut = false;
  const cycles = join(folder, "a", "cycles");
  return {
    hasSent: async (): Promise<boolean> => {
      const [name = ""] = readdirSync(cycles);
      const control = join(cycles, name, "control.sock");
      // It may not serve yet.
      const says = await controlOrder(control, { kind: "tell" }).catch(() => undefined);
      return says !== undefined && relaySaysSchema.parse(says).state.mode === "hold";
    },
    sentMiB: async (): Promise<number> => {
      const [name = ""] = readdirSync(relays);
      const says = await controlOrder(join(relays, name, "control.sock"), { kind: "tell" });
      return relaySaysSchema.parse(says).state.sentBytes / 1024 / 1024;
    },
    cut: async (cut: boolean): Promise<void> => {
      if (cut === isCut) return;
      isCut = cut;
      const chain = `chain c { type filter hook input priority 0; ip daddr ${address} drop; ip saddr ${address} drop; }`;
      const text = cut ? `table inet ${table} {\n ${chain}\n}\n` : `delete table inet ${table}\n`;
      execFileSync("nft", ["-f", "-"], { input: text });
    },
    killRelay: async (): Promise<void> => void signal(relays, "SIGKILL"),
    hangRelay: async (): Promise<void> => void signal(relays, "SIGSTOP"),
    killDaemon: (): Promise<void> => end(daemonSocket),
    loseRunFolder: async (): Promise<void> => {
      await end(daemonSocket);
      rmSync(join(folder, "b", "received"), { recursive: true, force: true });
    },
    hangDaemon: async (hangs: boolean): Promise<void> => void signal(daemonSocket, hangs ? "SIGSTOP" : "SIGCONT"),
    spoil: async (how: Spoilt): Promise<void> => spoil(join(folder, "pool-b"), how),
  };
}

/** The first disk: its image, or what lies beside it. */
function spoil(pool: string, how: Spoilt): void {
  const [disk] = diskNames;
  const beside = join(pool, `${disk}.replica`);
  const identity = JSON.parse(readFileSync(beside, "utf8"));
  if (how === "missing") rmSync(beside);
  else if (how === "foreign") writeFileSync(beside, JSON.stringify({ ...identity, vm: "mail" }));
  else if (how === "restored") writeFileSync(beside, JSON.stringify({ ...identity, counter: identity.counter - 1 }));
  else if (how === "sealed") appendFileSync(join(pool, `${disk}.qcow2`), "x");
  else {
    const top = join(pool, `${disk}.1.qcow2`);
    copyFileSync(top, `${top}.copy`);
    renameSync(`${top}.copy`, top);
  }
}

function signal(needle: string, name: NodeJS.Signals): readonly number[] {
  const pids = processesOf(needle);
  for (const pid of pids) process.kill(pid, name);
  return pids;
}

/** Nothing of them is left, what a kill met in the midst of a write neither. */
async function end(needle: string): Promise<void> {
  const pids = signal(needle, "SIGKILL");
  await until(`nothing of ${needle} is left`, () => !pids.some((pid) => isProcessOf(pid, needle)));
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const giveUpAt = performance.now() + limitMs; !(await holds()); await sleep(10))
    if (performance.now() > giveUpAt) throw new Error(`Waited in vain until ${what}`);
}

/** QEMU with two disks and no machine around them; each disk is served to the test as a guest would have it. */
async function startMachine(folder: string, run: VmRun): Promise<Machine> {
  const [qmpPath, nbdPath] = [join(folder, `qmp-${run.epoch}.sock`), join(folder, `guest-${run.epoch}.sock`)];
  const disks = diskNames.flatMap((disk, i) => [
    "-blockdev",
    JSON.stringify({
      driver: "qcow2",
      "node-name": `disk${i}`,
      file: { driver: "file", filename: join(folder, "pool-a", `${disk}.qcow2`) },
    }),
  ]);
  const chardev = `socket,id=qmp,path=${qmpPath},server=on,wait=off`;
  const args = [
    "-machine",
    "none",
    "-nodefaults",
    "-display",
    "none",
    "-chardev",
    chardev,
    "-mon",
    "chardev=qmp,mode=control",
  ];
  const log = openSync(join(folder, `qemu-${run.epoch}.log`), "a");
  const child = spawn("qemu-system-x86_64", [...args, ...disks], { stdio: ["ignore", "ignore", log] });
  closeSync(log);
  let qmp: Qmp | undefined;
  await until("QEMU answers", async () => {
    qmp = await connectQmp(qmpPath, { event: () => undefined, end: () => undefined }, 1_000);
    return qmp !== undefined;
  });
  const opened = must(qmp, "Cannot go on: no QMP");
  await opened.execute("nbd-server-start", { addr: { type: "unix", data: { path: nbdPath } } });
  const guests: NbdGuest[] = [];
  for (const i of diskNames.keys()) {
    const node = { id: `guest${i}`, name: `guest${i}`, "node-name": `disk${i}` };
    await opened.execute("block-export-add", { type: "nbd", ...node, writable: true });
    guests.push(await NbdGuest.open(nbdPath, `guest${i}`));
  }
  return { run, qmp: opened, process: child, guests };
}

function sameValue(block: Buffer): number {
  const [value = 0] = block;
  if (!block.every((byte) => byte === value)) throw new Error("A block is not of one value");
  return value;
}

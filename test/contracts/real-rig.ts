import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { guestAppend, guestMemoryMiB } from "../../lab/guest/append.ts";
import {
  cgroupChildren,
  cgroupPids,
  findCgroupMount,
  freezeCgroup,
  killCgroup,
  makeCgroup,
  readCgroupEvents,
  removeCgroup,
  waitCgroupEmpty,
} from "../../src/adapters/linux/cgroup.ts";
import { openQemuHypervisor, type QemuHypervisor, type QemuOptions } from "../../src/adapters/qemu/driver.ts";
import { must } from "../../src/base/assert.ts";
import type { ClusterId, PoolId, VolumeId, WallMs } from "../../src/model/ids.ts";
import { type Pool, type Vm, vmDefaults } from "../../src/model/records.ts";
import type { StartRequest, VmEvent, VmRun } from "../../src/ports/hypervisor.ts";
import type { MoveEvent } from "../../src/ports/migration.ts";
import type { GuestOptions, HypervisorRig } from "./hypervisor-suite.ts";
import type { MoveHost } from "./migration-calls.ts";

const limitMs = 60_000;
const guestFolder = resolve(import.meta.dirname, "../../.build/guest");
const pool: Pool = {
  schema: 1,
  id: "pool" as PoolId,
  name: "pool",
  kind: "shared-dir",
  path: "/nowhere",
  quotaMiB: null,
  createdAt: 0 as WallMs,
};

export type RealRigOptions = Partial<Pick<QemuOptions, "networks" | "certificates" | "accel" | "binary">> & {
  /** Of another host, with which it shares the pool. */
  readonly poolFolder?: string;
};

type RealHost = MoveHost & {
  readonly runDir: string;
  readonly cgroup: string;
  readonly poolFolder: string;
  /** Of a run's QEMU. */
  pids(run: VmRun): readonly number[];
};

/** Real QEMUs in real cgroups of their own; the tiny guest must have been built. */
export async function openRealRig({ poolFolder: shared, ...wanted }: RealRigOptions = {}): Promise<RealHost> {
  if (!existsSync(join(guestFolder, "vmlinuz")))
    throw new Error("The tiny guest is not built: run `node lab/guest/build.mjs`");
  const { runDir, cgroup, poolFolder } = makeFolders(shared);
  const options: QemuOptions = {
    cluster: "test" as ClusterId,
    runDir,
    cgroup,
    accel: "tcg",
    networks: {},
    pools: { ["pool" as PoolId]: poolFolder },
    ...wanted,
  };
  const events: VmEvent[] = [];
  const moves: MoveEvent[] = [];
  const open = (): QemuHypervisor => {
    const opened = openQemuHypervisor(options);
    opened.listen((event) => events.push(event));
    opened.watchMoves((event) => moves.push(event));
    return opened;
  };
  let hypervisor = open();
  const incarnation = (n: number) => join(cgroup, "a/b", String(n));
  const folder = (run: VmRun) => join(incarnation(run.incarnation), `${run.vm}.${run.epoch}`);
  const serialLog = (run: VmRun) => {
    const log = join(runDir, "vms", `${run.vm}.${run.epoch}`, "serial.log");
    return existsSync(log) ? readFileSync(log, "utf8") : "";
  };
  const signal = (run: VmRun, name: NodeJS.Signals) => {
    for (const pid of cgroupPids(folder(run))) process.kill(pid, name);
  };
  return {
    runDir,
    cgroup,
    poolFolder,
    pids: (run) => cgroupPids(folder(run)),
    moves,
    get hypervisor() {
      return hypervisor;
    },
    events,
    request: (run, guest) => request(poolFolder, run, guest),
    openIncarnation: (n) => void makeCgroup(incarnation(n)),
    removeIncarnation: (n) => void removeCgroup(incarnation(n)),
    freeze: async (n, frozen) => {
      freezeCgroup(incarnation(n), frozen);
      await until("it is frozen", () => readCgroupEvents(incarnation(n))?.frozen === frozen);
    },
    killProcess: (run) => signal(run, "SIGKILL"),
    quitProcess: (run) => signal(run, "SIGTERM"),
    reopen: async (meanwhile) => {
      hypervisor.close();
      await meanwhile?.();
      hypervisor = open();
    },
    processExists: (run) => readCgroupEvents(folder(run))?.populated === true,
    guestIsUp: (run) => serialLog(run).includes("holdfast-guest ready"),
    guestIsDown: (run) => /reboot: Power down|Kernel panic/u.test(serialLog(run)),
    until,
    end: (call) => new Promise((done) => call(done)),
    close: async () => {
      hypervisor.close();
      killCgroup(cgroup);
      await waitCgroupEmpty(cgroup, limitMs);
      removeTree(cgroup);
      rmSync(runDir, { recursive: true, force: true });
    },
  };
}

/** A run folder, a cgroup with both guards' levels, and a pool folder, all with one name of their own. */
function makeFolders(shared: string | undefined): {
  readonly runDir: string;
  readonly cgroup: string;
  readonly poolFolder: string;
} {
  const runDir = mkdtempSync(join(tmpdir(), "hf-hyp-"));
  const mount = must(findCgroupMount(), "Cannot test: this machine has no cgroup v2");
  const cgroup = join(mount, must(runDir.split("/").at(-1), "Cannot test: no name"));
  const poolFolder = shared ?? join(runDir, "pool");
  mkdirSync(poolFolder, { recursive: true });
  for (const folder of [cgroup, join(cgroup, "a"), join(cgroup, "a/b")]) makeCgroup(folder);
  return { runDir, cgroup, poolFolder };
}

const until: HypervisorRig["until"] = async (what, holds) => {
  const giveUpAt = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw new Error(`Waited in vain until ${what}`);
    await sleep(20);
  }
};

function request(poolFolder: string, run: VmRun, { act, disk, ticks }: GuestOptions): StartRequest {
  const image = join(poolFolder, `${disk}.raw`);
  if (disk !== "missing") {
    writeFileSync(image, "", { flag: "a" });
    truncateSync(image, 4 * 1024 * 1024);
  }
  const vm: Vm = {
    schema: 1,
    id: run.vm,
    name: run.vm,
    spec: {
      cpus: 1,
      memoryMiB: guestMemoryMiB,
      cpuModel: "host",
      disks: [{ volume: disk as VolumeId, pool: pool.id, sizeMiB: 4, format: "raw" }],
      nics: [],
      kernel: {
        path: join(guestFolder, "vmlinuz"),
        initrd: join(guestFolder, "initrd.gz"),
        append:
          ticks === true
            ? guestAppend({ name: disk, address: "", tickMs: 20 })
            : `console=ttyS0 quiet holdfast.then=${act} holdfast.epoch={epoch}`,
      },
      guestAgent: true,
    },
    requested: "started",
    maxRestart: 0,
    maxRelocate: 0,
    stopGraceMs: 0,
    ...vmDefaults,
    createdAt: 0 as WallMs,
  };
  return { run, vm, pools: [pool] };
}

function removeTree(folder: string): void {
  for (const child of cgroupChildren(folder)) removeTree(join(folder, child));
  removeCgroup(folder);
}

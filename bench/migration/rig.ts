import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { guestAppend } from "../../lab/guest/append.ts";
import { LabError } from "../../lab/lab-error.ts";
import {
  cgroupChildren,
  findCgroupMount,
  killCgroup,
  makeCgroup,
  removeCgroup,
  waitCgroupEmpty,
} from "../../src/adapters/linux/cgroup.ts";
import { createAuthority, issueHostCertificate } from "../../src/adapters/pki/authority.ts";
import { openQemuHypervisor, type QemuHypervisor, type QemuOptions } from "../../src/adapters/qemu/driver.ts";
import type { ClusterId, Epoch, HostId, Incarnation, PoolId, VmId, VolumeId, WallMs } from "../../src/model/ids.ts";
import { type Pool, type Vm, vmDefaults } from "../../src/model/records.ts";
import type { StartRequest, VmRun } from "../../src/ports/hypervisor.ts";

export const cluster = "bench" as ClusterId;
/** So often a guest shows that it executes. */
export const tickMs = 5;
const mebibyte = 1024 * 1024;
const incarnation = 1 as Incarnation;
const kernelFolder = resolve(import.meta.dirname, "../../.build/guest");

export type BenchHost = {
  readonly id: HostId;
  readonly driver: QemuHypervisor;
  readonly runDir: string;
  readonly pools: QemuOptions["pools"];
  readonly certificates: QemuOptions["certificates"];
};
export type Rig = {
  readonly folder: string;
  readonly cgroup: string;
  readonly hosts: readonly [BenchHost, BenchHost];
  readonly memoryMiB: number;
  readonly kind: MoveKind;
  /** Where a guest's disk lies, or may lie: with pools of their own by host. */
  images(name: string): readonly [string, string] | readonly [string];
  request(name: string, epoch: number): StartRequest;
  close(): Promise<void>;
};

export type MoveKind = "shared" | "shared-nothing";

/** Of the guests' disks; written before they start, so that there is something to copy. */
export const diskMiB = 256;
const filledMiB = 128;

/** Two hosts side by side on this machine, with one pool or one each, and the certificates of one cluster. */
export async function openRig(memoryMiB: number, kind: MoveKind): Promise<Rig> {
  const mount = findCgroupMount();
  if (mount === undefined || !existsSync(join(kernelFolder, "vmlinuz")))
    throw new LabError(
      "This machine has no cgroup v2, or the guest is not built.",
      "Nothing was measured.",
      "Run: node tools/setup.mjs --lab",
    );
  const folder = mkdtempSync(join(tmpdir(), "hf-mig-"));
  const pool: Pool = {
    schema: 1,
    id: "pool" as PoolId,
    name: "pool",
    kind: kind === "shared" ? "shared-dir" : "local-dir",
    path: join(folder, "pool"),
    quotaMiB: null,
    createdAt: 0 as WallMs,
  };
  const folders = kind === "shared" ? [pool.path] : ["a", "b"].map((host) => join(folder, `pool-${host}`));
  for (const each of folders) mkdirSync(each);
  const root = join(mount, basename(folder));
  makeCgroup(root);
  const certificates = await issueCertificates(folder);
  const hosts = ["a", "b"].map((name, i) => {
    const pools = { [pool.id]: folders[i] ?? pool.path };
    return openHost(name as HostId, folder, root, { pools, certificates: certificates(name) });
  });
  const images = (name: string) => folders.map((each) => join(each, `${name}.raw`)) as [string];
  const [first, second] = hosts;
  if (first === undefined || second === undefined) throw new TypeError("There are two hosts");
  return {
    folder,
    cgroup: root,
    hosts: [first, second],
    memoryMiB,
    kind,
    images,
    request: (name, epoch) => {
      const run: VmRun = { vm: name as VmId, incarnation, epoch: epoch as Epoch };
      if (epoch === 1) makeImage(images(name)[0], kind);
      return { run, vm: guestVm(name, pool.id, memoryMiB), pools: [pool] };
    },
    close: async () => {
      for (const { driver } of hosts) driver.close();
      killCgroup(root);
      await waitCgroupEmpty(root, 10_000);
      removeTree(root);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function openHost(
  id: HostId,
  folder: string,
  root: string,
  { pools, certificates }: { pools: QemuOptions["pools"]; certificates: QemuOptions["certificates"] },
): BenchHost {
  const cgroup = join(root, id);
  for (const part of [cgroup, join(cgroup, "a"), join(cgroup, "a/b"), join(cgroup, "a/b", String(incarnation))])
    makeCgroup(part);
  const runDir = join(folder, id);
  mkdirSync(runDir, { recursive: true });
  const options = { cluster, runDir, cgroup, accel: "tcg", networks: {}, pools } as const;
  const driver = openQemuHypervisor({ ...options, ...(certificates !== undefined && { certificates }) });
  return { id, driver, runDir, pools, certificates };
}

async function issueCertificates(folder: string) {
  const authority = await createAuthority(cluster);
  const pairs = new Map<string, NonNullable<QemuOptions["certificates"]>>();
  for (const host of ["a", "b"]) {
    const pair = await issueHostCertificate(authority, { host: host as HostId, addresses: [], names: [host] });
    const paths = { ca: join(folder, "ca.pem"), cert: join(folder, `${host}.pem`), key: join(folder, `${host}.key`) };
    writeFileSync(paths.ca, authority.cert);
    writeFileSync(paths.cert, pair.cert);
    writeFileSync(paths.key, pair.key, { mode: 0o600 });
    pairs.set(host, paths);
  }
  return (host: string) => pairs.get(host);
}

/** What its guest never comes to is filled, where it is to be copied. */
function makeImage(image: string, kind: MoveKind): void {
  if (existsSync(image)) return;
  const empty = diskMiB - (kind === "shared" ? 0 : filledMiB);
  writeFileSync(image, "");
  truncateSync(image, empty * mebibyte);
  for (let i = empty; i < diskMiB; i++) appendFileSync(image, Buffer.alloc(mebibyte, "ballast"));
}

function guestVm(name: string, pool: PoolId, memoryMiB: number): Vm {
  return {
    schema: 1,
    id: name as VmId,
    name,
    spec: {
      cpus: 1,
      memoryMiB,
      cpuModel: "max",
      disks: [{ volume: name as VolumeId, pool, sizeMiB: diskMiB, format: "raw" }],
      nics: [],
      kernel: {
        path: join(kernelFolder, "vmlinuz"),
        initrd: join(kernelFolder, "initrd.gz"),
        append: guestAppend({ name, address: "", tickMs }),
      },
      guestAgent: false,
    },
    requested: "started",
    maxRestart: 0,
    maxRelocate: 0,
    stopGraceMs: 0,
    ...vmDefaults,
    createdAt: 0 as WallMs,
  };
}

function removeTree(folder: string): void {
  for (const child of cgroupChildren(folder)) removeTree(join(folder, child));
  removeCgroup(folder);
}

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterId, Epoch, Incarnation, WallMs } from "../../model/ids.ts";
import type { PointProof } from "../../model/point-proof.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { ProofEnd, ProofRequest } from "../../ports/replication-proof.ts";
import { runCommand } from "../linux/command.ts";
import { processesOf } from "../linux/process.ts";
import { commandLine, type DiskImage } from "./command-line.ts";
import { type Booted, checkBooted } from "./point-checks.ts";
import { connectQmp, type Qmp } from "./qmp.ts";
import { upTo } from "./replica-cycles.ts";
import { endDaemon } from "./replica-daemon.ts";
import { type Received, topOf } from "./replica-files.ts";
import { pathsIn, type RunPaths } from "./run-folder.ts";

export type ProverOptions = {
  readonly cluster: ClusterId;
  readonly runDir: string;
  readonly accel: "kvm" | "tcg";
  readonly binary?: string;
};

/** QEMU's words in the last lines of its log. */
const heldByOthers = /Failed to get .* lock|another process using the image/iu;
const limits = { startMs: 30_000, qmpMs: 1_000, pollMs: 50, createMs: 10_000, overheadMiB: 110 } as const;

/** Of an agent that died meanwhile: nothing of a test outlives it for long. */
export async function clearProofs(runDir: string): Promise<void> {
  const root = join(runDir, "proofs");
  if (!existsSync(root)) return;
  for (const vm of readdirSync(root)) await clearProof(join(root, vm));
}

async function clearProof(folder: string): Promise<void> {
  for (const pid of processesOf(`${folder}/`)) await endDaemon(pid, `${folder}/`);
  rmSync(folder, { recursive: true, force: true });
}

/** The point lies still meanwhile: see `whileRead`. */
export async function provePoint(options: ProverOptions, all: Received, request: ProofRequest): Promise<ProofEnd> {
  const received = upTo(all, request.point);
  const { vm } = request;
  const folder = join(options.runDir, "proofs", vm.id);
  if (existsSync(folder)) return refuse("proof-under-way", { vm: vm.name });
  const freeMiB = availableMemoryMiB();
  const needMiB = vm.spec.memoryMiB + limits.overheadMiB;
  if (needMiB > freeMiB) return refuse("vm-memory-short", { vm: vm.name, needMiB, freeMiB });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const layers: string[] = [];
  try {
    const images = await layForTest(received, request, layers);
    if (!Array.isArray(images)) return images;
    const proof = await boot(options, folder, request, images);
    // That is about what somebody does with the images at present, and says nothing of the guest.
    const held = proof.checks.find(
      ({ kind, passed, detail }) => kind === "boot" && !passed && heldByOthers.test(detail),
    );
    if (held !== undefined)
      return refuse("proof-image-held", { vm: vm.name, point: request.point, detail: held.detail });
    return { kind: "ended", proof };
  } finally {
    await clearProof(folder);
    for (const layer of layers) rmSync(layer, { force: true });
  }
}

/** What the guest writes goes into layers of its own, beside the copies, which are given up afterwards. */
async function layForTest(
  received: Received,
  { vm, point }: ProofRequest,
  made: string[],
): Promise<DiskImage[] | Refusal> {
  const images: DiskImage[] = [];
  for (const { volume } of vm.spec.disks) {
    const copy = received.volumes.find((one) => one.volume === volume);
    if (copy === undefined) return refuse("replica-point-absent", { vm: vm.name, point });
    const below = topOf(copy);
    // No image by its name: it takes no room that is promised to others.
    const path = join(copy.folder, `${volume}.proof`);
    rmSync(path, { force: true });
    made.push(path);
    const args = ["create", "-q", "-u", "-f", "qcow2", "-b", below.path, "-F", below.format, path, `${copy.sizeMiB}M`];
    const end = await runCommand("qemu-img", args, { limitMs: limits.createMs });
    if (end.status !== 0) return refuse("replica-point-failed", { vm: vm.name, detail: end.stderr.trim() });
    images.push({ path, format: "qcow2", direct: false, serial: volume });
  }
  return images;
}

async function boot(
  options: ProverOptions,
  folder: string,
  request: ProofRequest,
  disks: readonly DiskImage[],
): Promise<PointProof> {
  const at = Date.now() as WallMs;
  const began = performance.now();
  const giveUpAt = began + request.limitMs;
  const port = await freePort();
  const paths = pathsIn(folder);
  const child = launch(options, request, disks, paths, port);
  let over = false;
  child.once("error", () => {
    over = true;
  });
  child.once("exit", () => {
    over = true;
  });
  let qmp: Qmp | undefined;
  while (qmp === undefined && !over && performance.now() < Math.min(giveUpAt, began + limits.startMs)) {
    qmp = await connectQmp(paths.qmp, { event: () => undefined, end: () => undefined }, limits.qmpMs);
    if (qmp === undefined) await sleep(limits.pollMs);
  }
  const booted: Booted = { qmp, port, paths, isOver: () => over, giveUpAt };
  const checks = await checkBooted(booted, request.checks);
  qmp?.close();
  const tookMs = Math.round(performance.now() - began);
  return { point: request.point, at, tookMs, passed: checks.every(({ passed }) => passed), checks: [...checks] };
}

function launch(
  { cluster, accel, binary }: ProverOptions,
  { vm, checks }: ProofRequest,
  disks: readonly DiskImage[],
  paths: RunPaths,
  port: number,
): ChildProcess {
  const run = { vm: vm.id, incarnation: 0 as Incarnation, epoch: 0 as Epoch };
  const isolated = { ...vm, spec: { ...vm.spec, nics: [] } };
  const args = commandLine({ run, cluster, vm: isolated, accel, disks, taps: [], paths, incoming: false });
  const http = checks.find((check) => check.kind === "http");
  const nics = vm.spec.nics.flatMap(({ mac }, i) => nicArguments(mac, i, i === 0 ? http : undefined, port));
  const log = openSync(paths.log, "w", 0o600);
  const child = spawn(binary ?? "qemu-system-x86_64", [...args, ...nics], {
    detached: true,
    stdio: ["ignore", log, log],
    cwd: "/",
  });
  closeSync(log);
  child.unref();
  return child;
}

/** A network of its own in QEMU, which lets nothing out; the check alone is let in, by a port of this host's loopback. */
function nicArguments(
  mac: string,
  i: number,
  http: Extract<ProofRequest["checks"][number], { kind: "http" }> | undefined,
  port: number,
): string[] {
  const [ip, prefix] = http?.address?.split("/") ?? [];
  const [host, dns] = ip === undefined ? [] : otherAddresses(ip);
  const net = ip === undefined ? "" : `,net=${ip}/${prefix ?? 24},host=${host},dns=${dns},dhcpstart=${ip}`;
  const forward = http === undefined ? "" : `,hostfwd=tcp:127.0.0.1:${port}-${ip ?? ""}:${http.port}`;
  return [
    ["-netdev", `user,id=nic${i},restrict=on,ipv6=off${net}${forward}`],
    ["-device", JSON.stringify({ driver: "virtio-net-pci", netdev: `nic${i}`, mac, romfile: "" })],
  ].flat();
}

/** Others of the same network, for QEMU's own ends. */
function otherAddresses(ip: string): readonly string[] {
  const [a, b, c, d] = ip.split(".");
  return ["2", "3", "4"].filter((last) => last !== d).map((last) => [a, b, c, last].join("."));
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0 }, () => {
      const found = server.address();
      server.close(() => resolve(typeof found === "object" && found !== null ? found.port : 0));
    });
  });
}

function availableMemoryMiB(): number {
  const kib = /^MemAvailable:\s+(\d+) kB$/mu.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
  return Math.floor(Number(kib) / 1024);
}

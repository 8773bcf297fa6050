import { setTimeout as sleep } from "node:timers/promises";
import { refuse } from "../../model/reason.ts";
import type { HypervisorEnd, VmRun } from "../../ports/hypervisor.ts";
import type { IncomingEnd, IncomingRequest } from "../../ports/migration.ts";
import { readCgroupEvents } from "../linux/cgroup.ts";
import { forgetArrivalOf } from "./arrived-image.ts";
import { openDoors, type TlsTexts } from "./door.ts";
import { type LiveRun, type QemuHost, runCgroup, runKey } from "./host.ts";
import { closeExports, incomingPorts, makeImages, openExports, removeImages } from "./move-images.ts";
import {
  awaitMigration,
  awaitQmp,
  capabilities,
  executeAll,
  executeTogether,
  moveRefused,
  queryMigrate,
} from "./move-qmp.ts";
import { readTlsTexts, tlsId, writeTlsFolder } from "./move-tls.ts";
import { areUppermost, openFiles } from "./opened-image.ts";
import { readRunRecords, setPhase } from "./run-folder.ts";
import { launchRun } from "./start.ts";
import { markPool } from "./volumes.ts";
import { announce, clearAway, queryStatus, takeStatus } from "./watch.ts";

const limits = {
  /** The source has let go of its images before the last byte arrives; a storage that is slow to say so gets this long. */
  lockMs: 5_000,
  lockRetryMs: 20,
  statusMs: 5_000,
  statusRetryMs: 5,
} as const;

/** Makes a QEMU ready in its cgroup, and doors at which its source may knock. */
export async function prepareIncoming(host: QemuHost, request: IncomingRequest): Promise<IncomingEnd> {
  if (request.copied !== undefined)
    for (const pool of request.pools) if (pool.kind === "local-dir") markPool(host.options, pool);
  const tls = request.tls ? readTlsTexts(host.options) : null;
  if (tls === undefined) return refuse("move-no-certificate", { vm: request.vm.name });
  const images = await makeImages(host, request);
  if (images.end.kind !== "done") return images.end;
  const end = await launchIncoming(host, request, tls, images.onDisk);
  if (end.kind === "refused") await removeImages(host, request);
  return end;
}

function launchIncoming(
  host: QemuHost,
  request: IncomingRequest,
  tls: TlsTexts | null,
  imagesOnDisk: Promise<HypervisorEnd>,
): Promise<IncomingEnd> {
  const { copied = [] } = request;
  return launchRun<IncomingEnd>(host, request, "incoming", async (live) => {
    live.exports = false;
    const { vm, epoch } = request.run;
    const getReady = executeTogether(live, [
      // Never `return-path`: with it a target that dies after it went on would make its source go on as well.
      capabilities({
        events: true,
        "late-block-activate": true,
        "validate-uuid": true,
        "pause-before-switchover": false,
      }),
      ...credentials(host, tls),
    ]);
    // While QEMU reads its certificates: nobody knows the ports before both are done.
    const opening = openDoors({
      addresses: request.addresses,
      tls,
      from: request.from,
      expects: { cluster: host.options.cluster, vm, epoch },
      tries: incomingPorts,
      within: incomingPorts,
      open: async (address) => {
        await getReady;
        const listening = await listenAt(live, address);
        if ("no" in listening || copied.length === 0) return listening;
        return { ...listening, ...(await openExports(live, address, { copied, tls: tls !== null })) };
      },
    });
    const { doors, close } = await opening;
    live.closeDoors = close;
    const [ready, onDisk] = await Promise.all([getReady, imagesOnDisk]);
    if (onDisk.kind !== "done") return onDisk;
    if (ready.kind !== "done") return moveRefused(live, ready);
    if (doors.length === 0)
      return refuse("move-no-address", { vm: request.vm.name, addresses: request.addresses.join(", ") });
    return live.qmp === undefined ? refuse("vm-not-running", { vm }) : { kind: "waiting", doors };
  });
}

function credentials({ options }: QemuHost, tls: TlsTexts | null): [string, object][] {
  if (tls === null) return [["migrate-set-parameters", { "tls-creds": "" }]];
  const dir = writeTlsFolder(options.runDir, tls);
  return [
    ["object-add", { "qom-type": "tls-creds-x509", id: tlsId, endpoint: "server", dir, "verify-peer": true }],
    ["migrate-set-parameters", { "tls-creds": tlsId }],
  ];
}

/** The source has knocked: QEMU listens on the address that it reached. */
async function listenAt(live: LiveRun, address: string): Promise<{ port: number } | { no: string }> {
  const host = address.includes(":") ? `[${address}]` : address;
  const uri = `tcp:${host}:${incomingPorts.first},to=${incomingPorts.last}`;
  const end = await executeAll(live, [["migrate-incoming", { uri }]]);
  if (end.kind !== "done") return { no: end.kind === "failed" ? end.description : "its QEMU does not answer" };
  const port = Number((await queryMigrate(live))?.["socket-address"]?.[0]?.port);
  return Number.isInteger(port) ? { port } : { no: "its QEMU does not say where it listens" };
}

/** Lets a guest go on that has come in whole. A frozen one is told nothing: nothing may wait in it for its thaw. */
export async function completeIncoming(host: QemuHost, run: VmRun, limitMs: number): Promise<HypervisorEnd> {
  const live = host.runs.get(runKey(run));
  if (live === undefined || !["incoming", "arriving", "running"].includes(live.phase))
    return refuse("move-nothing-incoming", { vm: run.vm });
  const frozen: HypervisorEnd = { kind: "unknown", cause: `${runKey(run)} is frozen` };
  const isFrozen = () => readCgroupEvents(live.cgroup)?.frozen === true;
  if (isFrozen()) return frozen;
  const isThere = () => readCgroupEvents(live.cgroup)?.populated === true;
  if (!(await awaitQmp(live, limitMs)) && isThere())
    return { kind: "unknown", cause: `QEMU of ${runKey(run)} does not answer` };
  // Who died here may have noted it and not done it.
  if (live.phase !== "incoming") return arrive(host, live);
  // Its source has ended every copy before the owner record could name this run.
  await closeExports(live);
  // They stay the same: asked while the rest of the guest comes, for whose sake it stands still.
  const opened = openFiles(live.qmp);
  const status = await awaitMigration(live, ["completed", "failed"], { limitMs });
  if (isFrozen()) return frozen;
  if (status !== "completed") return refuse("move-incomplete", { vm: run.vm, state: status });
  const files = (await opened) ?? (await openFiles(live.qmp));
  if (files === undefined || !areUppermost(files))
    return refuse("move-incomplete", { vm: run.vm, state: "its disks are others by now" });
  // From here on it may execute, whoever asks, also after this agent has died.
  setPhase(live, "arriving");
  const end = await arrive(host, live);
  if (end.kind === "refused" && live.qmp !== undefined) setPhase(live, "incoming");
  return end;
}

async function arrive(host: QemuHost, live: LiveRun): Promise<HypervisorEnd> {
  const end = await goOn(live);
  if (end.kind !== "done") return end;
  if (live.phase === "arriving") setPhase(live, "running");
  live.closeDoors();
  announce(live);
  for (const image of (await openFiles(live.qmp)) ?? []) forgetArrivalOf(image);
  // What happened to the guest meanwhile was no news then.
  void takeStatus(host, live);
  return end;
}

async function goOn(live: LiveRun): Promise<HypervisorEnd> {
  const { vm } = live.run;
  for (const giveUpAt = performance.now() + limits.lockMs; ; await sleep(limits.lockRetryMs)) {
    const end = await executeAll(live, [["cont"]]);
    if (end.kind === "done") return executes(live);
    if (end.kind !== "failed") return { kind: "unknown", cause: `QEMU's answer to the order to go on: ${end.kind}` };
    const isLocked = /Failed to get ".*" lock/u.test(end.description);
    if (!isLocked || performance.now() > giveUpAt)
      return refuse(isLocked ? "vm-image-locked" : "move-qemu-refused", { vm, detail: end.description });
  }
}

async function executes(live: LiveRun): Promise<HypervisorEnd> {
  for (const giveUpAt = performance.now() + limits.statusMs; ; await sleep(limits.statusRetryMs)) {
    const status = await queryStatus(live);
    if (status !== undefined && status !== "paused") return { kind: "done" };
    if (status === undefined || performance.now() > giveUpAt)
      return { kind: "unknown", cause: `QEMU of ${runKey(live.run)} does not say that it executes` };
  }
}

/** Ends a run that never executed; one that may have is not touched. */
export async function abandonIncoming(host: QemuHost, run: VmRun): Promise<HypervisorEnd> {
  const live = host.runs.get(runKey(run));
  const phase =
    live?.phase ??
    readRunRecords(host.options.runDir).find(({ vm, epoch }) => vm === run.vm && epoch === run.epoch)?.phase;
  if (phase === undefined && readCgroupEvents(runCgroup(host.options, run))?.populated !== true)
    return { kind: "done" };
  if (live === undefined || phase !== "incoming") return refuse("move-has-executed", { vm: run.vm });
  live.ending = true;
  if (await clearAway(host, live)) return { kind: "done" };
  return { kind: "unknown", cause: `the cgroup of ${runKey(run)} did not become empty` };
}

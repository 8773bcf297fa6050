import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { commandLine } from "../../src/adapters/qemu/command-line.ts";
import { writeTlsFolder } from "../../src/adapters/qemu/move-tls.ts";
import { connectQmp, type Qmp } from "../../src/adapters/qemu/qmp.ts";
import { runPaths } from "../../src/adapters/qemu/run-folder.ts";
import { cluster, diskMiB, type Rig } from "./rig.ts";
import { readTexts } from "./texts.ts";

type HandQemu = {
  readonly qmp: Qmp;
  readonly process: ChildProcess;
  readonly migration: (state: string) => Promise<void>;
};
const limitMs = 30_000;
const nbdPort = 49_300;

/** The same guest, moved by the same commands, with nothing around them: no cgroup, no records, no door. */
export async function openByHand(rig: Rig, name: string, tls: boolean) {
  let epoch = 1;
  const isLocal = rig.kind === "shared-nothing";
  let source = await startQemu(rig, name, epoch, false);
  const dirs = tls
    ? ["a", "b"].map((host) => writeTlsFolder(join(rig.folder, `tls-${host}`), readTexts(rig.folder, host)))
    : [];
  const turn = () => (epoch % 2 === 1 ? dirs : dirs.toReversed());
  return {
    move: async (): Promise<number> => {
      const began = performance.now();
      const [from, to] = turn();
      if (isLocal) truncateSync(makeEmpty(imageOf(rig, name, epoch + 1)), diskMiB * 1024 * 1024);
      const target = await startQemu(rig, name, epoch + 1, true);
      await capabilities(target.qmp, "events", "late-block-activate", "validate-uuid");
      await credentials(target.qmp, "server", to, {});
      await execute(target.qmp, "migrate-incoming", { uri: "tcp:127.0.0.1:0" });
      const port = portOf(await execute(target.qmp, "query-migrate"));
      await capabilities(source.qmp, "events", "pause-before-switchover", "validate-uuid");
      await credentials(source.qmp, "client", from, { "tls-hostname": epoch % 2 === 1 ? "b" : "a" });
      await execute(source.qmp, "migrate-set-parameters", { "max-bandwidth": 2 ** 40, "downtime-limit": 1 });
      const tlsName = epoch % 2 === 1 ? "b" : "a";
      if (isLocal) await mirror(source.qmp, target.qmp, to === undefined ? undefined : tlsName);
      await execute(source.qmp, "stop");
      await execute(source.qmp, "migrate", { uri: `tcp:127.0.0.1:${port}` });
      await source.migration("pre-switchover");
      if (isLocal) await endMirror(source.qmp, target.qmp);
      await execute(source.qmp, "migrate-continue", { state: "pre-switchover" });
      await Promise.all([source.migration("completed"), target.migration("completed")]);
      await execute(target.qmp, "cont");
      await execute(target.qmp, "query-status");
      const tookMs = performance.now() - began;
      await endQemu(source);
      if (isLocal) rmSync(imageOf(rig, name, epoch));
      source = target;
      epoch += 1;
      return tookMs;
    },
    close: () => endQemu(source),
  };
}

async function startQemu(rig: Rig, name: string, epoch: number, incoming: boolean): Promise<HandQemu> {
  const { run, vm } = rig.request(name, epoch);
  const paths = runPaths(rig.folder, run);
  mkdirSync(paths.folder, { recursive: true });
  const disks = [{ path: imageOf(rig, name, epoch), format: "raw" as const, direct: true, serial: name }];
  const args = commandLine({ run, cluster, vm, accel: "tcg", disks, taps: [], paths, incoming });
  const process = spawn("qemu-system-x86_64", args, { stdio: ["ignore", "ignore", "inherit"] });
  let state = "";
  let hear = (): void => undefined;
  const event = ({ event: what, data }: { event: string; data: Readonly<Record<string, unknown>> }): void => {
    if (what !== "MIGRATION") return;
    state = String(data["status"]);
    hear();
  };
  for (const giveUpAt = performance.now() + limitMs; performance.now() < giveUpAt; await sleep(5)) {
    const qmp = await connectQmp(paths.qmp, { event, end: () => undefined }, limitMs);
    if (qmp === undefined) continue;
    const migration = (wanted: string): Promise<void> =>
      new Promise((resolve, reject) => {
        hear = () => {
          if (state === wanted) resolve();
          if (state === "failed" || state === "cancelled") reject(new Error(`The move by hand is ${state}`));
        };
        hear();
      });
    return { qmp, process, migration };
  }
  process.kill("SIGKILL");
  throw new Error("QEMU does not answer");
}

function imageOf(rig: Rig, name: string, epoch: number): string {
  const [first, second = first] = rig.images(name);
  return epoch % 2 === 1 ? first : second;
}

function makeEmpty(image: string): string {
  writeFileSync(image, "");
  return image;
}

/** The disk follows the guest while it runs, until nothing is left but what it writes at that moment. */
async function mirror(source: Qmp, target: Qmp, host: string | undefined): Promise<void> {
  const creds = host === undefined ? {} : { "tls-creds": "tls" };
  const addr = { type: "inet", data: { host: "127.0.0.1", port: String(nbdPort) } };
  await execute(target, "nbd-server-start", { addr, ...creds });
  const exported = { type: "nbd", id: "e", "node-name": "disk0", name: "disk", writable: true };
  await execute(target, "block-export-add", exported);
  const server = { type: "inet", host: "127.0.0.1", port: String(nbdPort) };
  const name = host === undefined ? {} : { "tls-hostname": host };
  await execute(source, "blockdev-add", { driver: "nbd", "node-name": "t", server, export: "disk", ...creds, ...name });
  const how = { sync: "full", "copy-mode": "background", "auto-dismiss": false };
  await execute(source, "blockdev-mirror", { "job-id": "m", device: "disk0", target: "t", ...how });
  await jobIs(source, "ready");
}

async function endMirror(source: Qmp, target: Qmp): Promise<void> {
  await execute(source, "block-job-cancel", { device: "m" });
  await jobIs(source, "concluded");
  await execute(source, "job-dismiss", { id: "m" });
  await execute(source, "blockdev-del", { "node-name": "t" });
  await execute(target, "nbd-server-stop");
}

async function jobIs(qmp: Qmp, wanted: string): Promise<void> {
  for (const giveUpAt = performance.now() + limitMs; performance.now() < giveUpAt; await sleep(2)) {
    const text = JSON.stringify(await execute(qmp, "query-jobs"));
    if (text.includes('"error"')) throw new Error(`The mirror by hand: ${text}`);
    if (text.includes(`"status":"${wanted}"`)) return;
  }
  throw new Error(`The mirror by hand is never ${wanted}`);
}

async function endQemu({ qmp, process }: HandQemu): Promise<void> {
  const over = new Promise((resolve) => process.on("exit", resolve));
  await qmp.execute("quit");
  await over;
  qmp.close();
}

async function execute(qmp: Qmp, command: string, args?: object): Promise<unknown> {
  const end = await qmp.execute(command, args);
  if (end.kind !== "done") throw new Error(`${command}: ${JSON.stringify(end)}`);
  return end.value;
}

async function capabilities(qmp: Qmp, ...on: readonly string[]): Promise<void> {
  const known = ["events", "late-block-activate", "validate-uuid", "pause-before-switchover"];
  const list = known.map((capability) => ({ capability, state: on.includes(capability) }));
  await execute(qmp, "migrate-set-capabilities", { capabilities: list });
}

async function credentials(qmp: Qmp, endpoint: string, dir: string | undefined, more: object): Promise<void> {
  if (dir === undefined) return;
  await qmp.execute("object-del", { id: "tls" });
  await execute(qmp, "object-add", { "qom-type": "tls-creds-x509", id: "tls", endpoint, dir, "verify-peer": true });
  await execute(qmp, "migrate-set-parameters", { "tls-creds": "tls", ...more });
}

function portOf(info: unknown): string {
  const port = /"port":"(\d+)"/u.exec(JSON.stringify(info))?.[1];
  if (port === undefined) throw new Error("QEMU does not say where it listens");
  return port;
}

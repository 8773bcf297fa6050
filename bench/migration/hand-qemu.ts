import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { commandLine } from "../../src/adapters/qemu/command-line.ts";
import { writeTlsFolder } from "../../src/adapters/qemu/move-tls.ts";
import type { Qmp } from "../../src/adapters/qemu/qmp.ts";
import { runPaths } from "../../src/adapters/qemu/run-folder.ts";
import { execute, qmpOf } from "../qmp.ts";
import { cluster, type Rig } from "./rig.ts";
import { readTexts } from "./texts.ts";

// A guest that is started and moved by QMP commands alone, with nothing around them: no cgroup, no records, no door.

export type HandQemu = {
  readonly qmp: Qmp;
  readonly process: ChildProcess;
  readonly migration: (state: string) => Promise<void>;
};
/** Folders of credentials, and how the target's certificate names it. */
export type HandTls = { readonly from: string; readonly to: string; readonly name: string };

/** Odd epochs run on the first host, even ones on the second. */
export function imageOf(rig: Rig, name: string, epoch: number): string {
  const [first, second = first] = rig.images(name);
  return epoch % 2 === 1 ? first : second;
}

/** Of the move that leaves this epoch's host; called once, before the first one. */
export function handTls(rig: Rig): (epoch: number) => HandTls {
  const [a = "", b = ""] = ["a", "b"].map((host) =>
    writeTlsFolder(join(rig.folder, `tls-${host}`), readTexts(rig.folder, host)),
  );
  return (epoch) => (epoch % 2 === 1 ? { from: a, to: b, name: "b" } : { from: b, to: a, name: "a" });
}

export async function startHandQemu(rig: Rig, name: string, epoch: number, incoming: boolean): Promise<HandQemu> {
  const { run, vm } = rig.request(name, epoch);
  const paths = runPaths(rig.folder, run);
  mkdirSync(paths.folder, { recursive: true });
  const disks = [{ path: imageOf(rig, name, epoch), format: "raw" as const, direct: true, serial: name }];
  const args = commandLine({ run, cluster, vm, accel: "tcg", disks, taps: [], paths, incoming });
  // A session of its own, as everybody gives it who runs guests: the scheduler shares out the processors by session.
  const process = spawn("qemu-system-x86_64", args, { detached: true, stdio: ["ignore", "ignore", "inherit"] });
  let state = "";
  let hear = (): void => undefined;
  const event = ({ event: what, data }: { event: string; data: Readonly<Record<string, unknown>> }): void => {
    if (what !== "MIGRATION") return;
    state = String(data["status"]);
    hear();
  };
  const qmp = await qmpOf(paths.qmp, event).catch((error: unknown) => {
    process.kill("SIGKILL");
    throw error;
  });
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

/** Everything up to the guest that executes on the target, where TCG stops it first. */
export async function moveByHand(
  { source, target, tls }: { readonly source: HandQemu; readonly target: HandQemu; readonly tls: HandTls | undefined },
  /** While the guest still runs, and once it stands still with nearly all of its memory there. */
  at: { readonly running?: () => Promise<void>; readonly paused?: () => Promise<void> },
): Promise<void> {
  await capabilities(target.qmp, "events", "late-block-activate", "validate-uuid");
  await credentials(target.qmp, "server", tls?.to, {});
  await execute(target.qmp, "migrate-incoming", { uri: "tcp:127.0.0.1:0" });
  const port = portOf(await execute(target.qmp, "query-migrate"));
  await capabilities(source.qmp, "events", "pause-before-switchover", "validate-uuid");
  await credentials(source.qmp, "client", tls?.from, { "tls-hostname": tls?.name });
  await execute(source.qmp, "migrate-set-parameters", { "max-bandwidth": 2 ** 40, "downtime-limit": 1 });
  await at.running?.();
  await execute(source.qmp, "stop");
  await execute(source.qmp, "migrate", { uri: `tcp:127.0.0.1:${port}` });
  await source.migration("pre-switchover");
  await at.paused?.();
  await execute(source.qmp, "migrate-continue", { state: "pre-switchover" });
  await Promise.all([source.migration("completed"), target.migration("completed")]);
  await execute(target.qmp, "cont");
  await execute(target.qmp, "query-status");
}

export async function endHandQemu({ qmp, process }: HandQemu): Promise<void> {
  const over = new Promise((resolve) => process.on("exit", resolve));
  await qmp.execute("quit");
  await over;
  qmp.close();
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

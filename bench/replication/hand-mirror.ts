import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Qmp } from "../../src/adapters/qemu/qmp.ts";
import { execute, qmpOf } from "../qmp.ts";
import { ended } from "./rig.ts";

// The same mirror, by the same commands, with nothing between QEMU and the storage daemon.

const port = "49300";
const nodes = { daemon: "d0", export: "ex0", source: "disk0", target: "nbd0", job: "m0" } as const;

export type HandDaemon = { readonly qmp: Qmp; readonly process: ChildProcess; readonly close: () => Promise<void> };

/** It lets in one writer; each write is on disk before it is answered. */
export async function startHandDaemon(folder: string, filename: string, driver: "raw" | "qcow2"): Promise<HandDaemon> {
  const path = join(folder, "daemon.qmp");
  const node = { driver, "node-name": nodes.daemon, file: { driver: "file", filename } };
  const exported = `type=nbd,id=${nodes.export},node-name=${nodes.daemon},name=disk0,writable=on,writethrough=on`;
  const process = spawn(
    "qemu-storage-daemon",
    [
      ...["--chardev", `socket,path=${path},server=on,wait=off,id=qmp`, "--monitor", "chardev=qmp"],
      ...["--blockdev", JSON.stringify(node), "--nbd-server", `addr.type=inet,addr.host=127.0.0.1,addr.port=${port}`],
      ...["--export", exported],
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const qmp = await qmpOf(path);
  return {
    qmp,
    process,
    close: async () => {
      qmp.close();
      await ended(process);
    },
  };
}

/** Until the copy has everything; from then on no write is answered that it lacks. */
export async function mirrorByHand(source: Qmp): Promise<void> {
  const server = { type: "inet", host: "127.0.0.1", port };
  await execute(source, "blockdev-add", { driver: "nbd", "node-name": nodes.target, server, export: "disk0" });
  await execute(source, "blockdev-mirror", {
    "job-id": nodes.job,
    device: nodes.source,
    target: nodes.target,
    sync: "full",
    "copy-mode": "write-blocking",
    "on-target-error": "stop",
  });
  while ((await jobOf(source))?.ready !== true) await sleep(5);
}

/** Of a guest that stands still: the copy is given free for another QEMU. */
export async function endMirrorByHand(source: Qmp, { qmp: daemon }: HandDaemon): Promise<void> {
  await execute(source, "block-job-cancel", { device: nodes.job });
  while ((await jobOf(source)) !== undefined) await sleep(2);
  await execute(source, "blockdev-del", { "node-name": nodes.target });
  await execute(daemon, "block-export-del", { id: nodes.export, mode: "hard" });
  while (((await execute(daemon, "query-block-exports")) as readonly unknown[]).length > 0) await sleep(2);
  await execute(daemon, "blockdev-del", { "node-name": nodes.daemon });
}

async function jobOf(source: Qmp): Promise<{ readonly ready: boolean } | undefined> {
  const [job] = (await execute(source, "query-block-jobs")) as readonly { readonly ready: boolean }[];
  return job;
}

import { spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Mirrored } from "./measure.ts";
import { ended, execute, fill, makeImage, qmpOf, type Rig, startMachine } from "./rig.ts";

const port = "49300";

/** The same mirror, by the same commands, with nothing between QEMU and the storage daemon. */
export async function openByHand(rig: Rig): Promise<Mirrored> {
  const machine = await startMachine(rig, "hand");
  await fill(machine.guest, rig.sizeMiB);
  const image = join(rig.folder, "pool-b", "hand.qcow2");
  makeImage(rig, image);
  const qmpPath = join(rig.folder, "daemon.qmp");
  const node = { driver: "qcow2", "node-name": "d0", file: { driver: "file", filename: image } };
  const daemon = spawn(
    "qemu-storage-daemon",
    [
      ...["--chardev", `socket,path=${qmpPath},server=on,wait=off,id=qmp`, "--monitor", "chardev=qmp"],
      ...["--blockdev", JSON.stringify(node), "--nbd-server", `addr.type=inet,addr.host=127.0.0.1,addr.port=${port}`],
      ...["--export", "type=nbd,id=ex0,node-name=d0,name=disk0,writable=on,writethrough=on"],
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const qmp = await qmpOf(qmpPath);
  return {
    guest: machine.guest,
    copy: async () => {
      const began = performance.now();
      const server = { type: "inet", host: "127.0.0.1", port };
      await execute(machine.qmp, "blockdev-add", { driver: "nbd", "node-name": "nbd0", server, export: "disk0" });
      await execute(machine.qmp, "blockdev-mirror", {
        "job-id": "m0",
        device: "disk0",
        target: "nbd0",
        sync: "full",
        "copy-mode": "write-blocking",
        "on-target-error": "stop",
      });
      for (; ; await sleep(5)) {
        const [job] = (await execute(machine.qmp, "query-block-jobs")) as readonly { readonly ready: boolean }[];
        if (job?.ready === true) return performance.now() - began;
      }
    },
    close: async () => {
      await machine.close();
      qmp.close();
      await ended(daemon);
    },
  };
}

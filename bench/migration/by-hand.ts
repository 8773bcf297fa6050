import { rmSync, truncateSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Qmp } from "../../src/adapters/qemu/qmp.ts";
import { execute } from "../qmp.ts";
import { endHandQemu, handTls, imageOf, moveByHand, startHandQemu } from "./hand-qemu.ts";
import { diskMiB, type Rig } from "./rig.ts";

const limitMs = 30_000;
const nbdPort = 49_300;

/** The same guest, moved by the same commands, with nothing around them: no cgroup, no records, no door. */
export async function openByHand(rig: Rig, name: string, tls: boolean) {
  let epoch = 1;
  const isLocal = rig.kind === "shared-nothing";
  let source = await startHandQemu(rig, name, epoch, false);
  const tlsOf = tls ? handTls(rig) : () => undefined;
  return {
    move: async (): Promise<number> => {
      const began = performance.now();
      const turn = tlsOf(epoch);
      if (isLocal) truncateSync(makeEmpty(imageOf(rig, name, epoch + 1)), diskMiB * 1024 * 1024);
      const target = await startHandQemu(rig, name, epoch + 1, true);
      const ends = { source, target, tls: turn };
      if (!isLocal) await moveByHand(ends, {});
      else
        await moveByHand(ends, {
          running: () => mirror(ends.source.qmp, target.qmp, turn?.name),
          paused: () => endMirror(ends.source.qmp, target.qmp),
        });
      const tookMs = performance.now() - began;
      await endHandQemu(source);
      if (isLocal) rmSync(imageOf(rig, name, epoch));
      source = target;
      epoch += 1;
      return tookMs;
    },
    close: () => endHandQemu(source),
  };
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

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readGuestDisk } from "../../lab/guest/disk.ts";
import type { MigrationRig } from "./migration-calls.ts";
import { openRealRig, type RealRigOptions } from "./real-rig.ts";

/** A guest that ticks every 20 ms and shows none in this time stands still. */
const stillMs = 250;

/** Two hosts on this machine, side by side: real QEMUs, one pool folder, guests that write a record every 20 ms. */
export async function openRealPair(
  of: { readonly source?: RealRigOptions; readonly target?: RealRigOptions } = {},
): Promise<MigrationRig> {
  const source = await openRealRig(of.source);
  const target = await openRealRig({ ...of.target, poolFolder: source.poolFolder });
  const ticks = (disk: string) => readGuestDisk(join(source.poolFolder, `${disk}.raw`)).records.length;
  return {
    source,
    target,
    address: "127.0.0.1",
    agent: "answers",
    homeAddress: "127.0.0.1",
    foreignAddress: "192.0.2.1",
    deadDoor: { address: "127.0.0.2", port: 1 },
    untilWorks: async (disk) => {
      const before = ticks(disk);
      await source.until("the guest works", () => ticks(disk) > before + 1);
    },
    standsStill: async (disk) => {
      const before = ticks(disk);
      await sleep(stillMs);
      return ticks(disk) === before;
    },
    close: async () => {
      await target.close();
      await source.close();
    },
  };
}

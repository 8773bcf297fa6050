import { MoveNetwork } from "../../src/sim/move/qemu.ts";
import type { MigrationRig } from "./migration-calls.ts";
import { openSimRig, VirtualClock } from "./sim-rig.ts";

/** For how long a guest is looked at that should stand still. */
const stillMs = 500;

/** Two simulated machines with one storage and one network under one clock. */
export async function openSimPair(): Promise<MigrationRig> {
  const clock = new VirtualClock();
  const shared = { clock, disks: { images: new Set<string>(), locks: new Map() }, network: new MoveNetwork() };
  const source = await openSimRig({ ...shared, addresses: new Set(["10.0.1.1"]) });
  const target = await openSimRig({ ...shared, addresses: new Set(["10.0.1.2"]) });
  const works = (disk: string): boolean =>
    [source, target].some(({ machine }) =>
      [...machine.processes.values()].some(
        ({ state, moving, run, images }) =>
          images.includes(`pool/${disk}`) &&
          state === "running" &&
          !moving.halted &&
          !machine.isFrozen(run.incarnation),
      ),
    );
  return {
    source,
    target,
    address: "10.0.1.2",
    agent: "absent",
    homeAddress: "10.0.1.1",
    foreignAddress: "192.0.2.1",
    deadDoor: { address: "10.0.2.2", port: 1 },
    untilWorks: (disk) => source.until("the guest works", () => works(disk)),
    standsStill: async (disk) => {
      let over = false;
      clock.after(stillMs, () => {
        over = true;
      });
      while (!over && !works(disk) && clock.step());
      return !works(disk);
    },
    close: async () => {
      await source.close();
      await target.close();
    },
  };
}

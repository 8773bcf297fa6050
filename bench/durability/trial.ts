import { setTimeout as sleep } from "node:timers/promises";
import type { SeededRandom } from "../../src/base/random.ts";
import type { HostId } from "../../src/model/ids.ts";
import { type TestLab, type TestVm, waitFor } from "../../test/support/lab-cluster.ts";
import { lostNumbers, revenants } from "../failover/disk-check.ts";
import { tidyBranches } from "./branches.ts";
import { type Fault, strike } from "./faults.ts";
import type { Load } from "./load.ts";
import type { Trial } from "./row.ts";

export type Rig = {
  readonly lab: TestLab;
  readonly vm: TestVm;
  readonly load: Load;
  readonly group: string;
  readonly random: SeededRandom;
};

/** The fault comes within this time after the load has begun. */
const withinMs = 1_500;
/** Nobody acknowledged anything for so long: the fault would hit a guest that is not writing, and the trial be none. */
const idleMaxMs = 1_000;
/** A host that was lost stays away for so long where the guest does not come back without it. */
const awayMs = 13_000;

/** One fault under load; ends with everything whole and the copy in sync. Throws where it does not become so. */
export async function runTrial(rig: Rig, fault: Fault): Promise<Trial & { readonly told: string }> {
  const { lab, vm, load, random } = rig;
  await untilInSync(rig);
  const source = vm.owner().host;
  const [target] = lab.cluster.workers.map(({ name }) => name as HostId).filter((name) => name !== source);
  if (target === undefined) throw new Error("There is no second host");
  load.press(true);
  await load.goesOn();
  await sleep(random.below(withinMs));
  if (performance.now() - load.lastAt > idleMaxMs) throw new Error("The guest was not writing before the fault");
  load.takeStallMs();
  const done = await strike({ lab, vm, source, target, random }, fault);
  await Promise.race([servesAsOwned(rig), sleep(awayMs)]);
  await lab.settle();
  await servesAsOwned(rig);
  const stallMs = Math.round(load.takeStallMs());
  load.press(false);
  await untilInSync(rig);
  await tidyBranches(lab, vm);
  const told = `${done}; after ${stallMs} ms it wrote again, on ${vm.owner().host} as epoch ${vm.owner().epoch}`;
  const { lost, which } = lostIn(rig);
  return { fault, stallMs, lost, doubleRuns: new Set(lab.watcher.doubleRuns).size, told: `${told}${which}` };
}

/** `in-sync`, told by the product; and only then what lies on its disk is compared. */
async function untilInSync({ lab, vm, group }: Rig): Promise<void> {
  let told = "";
  const normal = waitFor(`group ${group} to be Normal`, async () => {
    const shown = await lab
      .client()
      .group.show({ group })
      .catch(() => undefined);
    if (shown !== undefined) told = JSON.stringify(shown.group);
    return shown?.group.status === "Normal" || undefined;
  });
  await normal.catch((error: unknown) => {
    throw new Error(`It was last: ${told}`, { cause: error });
  });
  await waitFor("one copy that executes", () => isAsOwned(vm) || undefined);
}

/** The run that the owner record names executes, and both clients are answered from then on. */
async function servesAsOwned({ vm, load }: Rig): Promise<void> {
  await waitFor(`${vm.name} to execute`, () => isAsOwned(vm) || undefined);
  await load.goesOn();
}

function isAsOwned(vm: TestVm): boolean {
  const epoch = vm.running()?.epoch;
  return epoch !== undefined && epoch === ownedEpoch(vm);
}

/** Undefined: nobody holds it at this moment. */
function ownedEpoch(vm: TestVm): number | undefined {
  try {
    return vm.owner().epoch;
  } catch {
    return undefined;
  }
}

/** Acknowledged numbers of any trial so far that the disk does not hold, and writes of an epoch after a newer one's. */
function lostIn({ vm, load }: Rig): { readonly lost: number; readonly which: string } {
  const before = [...load.acknowledged].map(([client, numbers]) => ({ client, numbers: [...numbers] }));
  const { records } = vm.disk();
  const late = revenants(records);
  const missing = before.map(({ client, numbers }) => ({ client, numbers: lostNumbers(records, client, numbers) }));
  const gone = missing.filter(({ numbers }) => numbers.length > 0);
  const ranges = gone.map(({ client, numbers }) => `${client} ${numbers[0]} to ${numbers.at(-1)}`);
  return {
    lost: missing.reduce((sum, { numbers }) => sum + numbers.length, late.length),
    which: ranges.length === 0 ? "" : `, which lacks ${ranges.join(", ")}`,
  };
}

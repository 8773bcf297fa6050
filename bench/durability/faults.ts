import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { SeededRandom } from "../../src/base/random.ts";
import type { HostId } from "../../src/model/ids.ts";
import type { TestLab, TestVm } from "../../test/support/lab-cluster.ts";

/** What goes wrong. `…-then-…`: the second follows within some seconds. */
export const faults = [
  "source-power-off",
  "target-power-off",
  "link-cut",
  "source-cut",
  "target-cut",
  "relay-killed",
  "qemu-killed-then-source-lost",
  "target-cut-then-source-lost",
] as const;
export type Fault = (typeof faults)[number];

export type Struck = {
  readonly lab: TestLab;
  readonly vm: TestVm;
  readonly source: HostId;
  readonly target: HostId;
  readonly random: SeededRandom;
};

/** Between the two of a double fault: some of them within a group's bound, some after it. */
const betweenMaxMs = 4_000;
/** How long a cut lasts: some are over before anybody notices, some outlast a host's deadline. */
const cutMaxMs = 9_000;

/** Makes the fault, and ends what ends by itself. Returns what was done; throws where there was nothing that it could hit. */
export async function strike(struck: Struck, fault: Fault): Promise<string> {
  const { lab, source, target, random } = struck;
  const [between, lasts] = [random.below(betweenMaxMs), random.below(cutMaxMs)];
  switch (fault) {
    case "source-power-off":
      await lab.fault("power-off", { host: source });
      return `${source} lost its power`;
    case "target-power-off":
      await lab.fault("power-off", { host: target });
      return `${target} lost its power`;
    case "link-cut":
      await cutFor(lab, { host: target, link: "availability" }, lasts);
      return `the availability link was cut for ${lasts} ms`;
    case "source-cut":
      await cutFor(lab, { host: source }, lasts);
      return `${source} was cut off for ${lasts} ms`;
    case "target-cut":
      await cutFor(lab, { host: target }, lasts);
      return `${target} was cut off for ${lasts} ms`;
    case "relay-killed":
      kill(relaysOf(struck), "relay");
      return `the relay on ${source} was killed`;
    case "qemu-killed-then-source-lost":
      kill(struck.vm.pids(), "QEMU");
      await sleep(between);
      await lab.fault("power-off", { host: source });
      return `QEMU was killed on ${source}, which lost its power ${between} ms later`;
    case "target-cut-then-source-lost":
      await lab.fault("cut", { host: target });
      await sleep(between);
      await lab.fault("power-off", { host: source });
      return `${target} was cut off, and ${source} lost its power ${between} ms later`;
  }
}

async function cutFor(
  lab: TestLab,
  where: { readonly host: string; readonly link?: string },
  ms: number,
): Promise<void> {
  await lab.fault("cut", where);
  await sleep(ms);
  await lab.fault("heal", where);
}

function kill(pids: readonly number[], what: string): void {
  if (pids.length === 0) throw new Error(`There was no ${what} to kill: nothing was tried`);
  for (const pid of pids) process.kill(pid, "SIGKILL");
}

function relaysOf({ lab, source }: Struck): readonly number[] {
  return lab
    .host(source)
    .pids()
    .filter((pid) => commandOf(pid).some((word) => word.endsWith("/main/relay.ts")));
}

function commandOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return []; // gone meanwhile
  }
}

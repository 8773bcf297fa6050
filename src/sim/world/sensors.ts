import { hashText, type SeededRandom } from "../../base/random.ts";
import type { Measurement, Sensors, Use } from "../../ports/sensors.ts";
import { runKey } from "./copy.ts";
import { reading } from "./create-cluster.ts";
import type { Copy, SimHost } from "./host.ts";
import type { Life } from "./process.ts";
import type { World } from "./world.ts";

/** What a host takes for itself. */
export const ownUse = { cores: 0.2, memoryMiB: 300 } as const;

/** How busy a guest is, for as long as it lives: between a tenth and nine tenths of its processors, by its id. */
export function loadOf({ vm }: Pick<Copy, "vm">): { readonly cores: number; readonly memoryMiB: number } {
  return { cores: (vm.spec.cpus * (10 + (hashText(vm.id) % 81))) / 100, memoryMiB: vm.spec.memoryMiB / 2 };
}

/** The sensors of one life of a host's daemon. */
export function simSensors(world: World, host: SimHost, life: Life, random: SeededRandom): Sensors {
  const meter = new Meter(host);
  return {
    read: (done) =>
      life.after(1 + random.below(10), () => {
        const usual = reading(world, host.id);
        done(world.around?.reading(host, usual) ?? usual);
      }),
    measure: (runs, done) => {
      if (world.around?.writesUsage === true) return;
      life.after(1 + random.below(10), () => {
        meter.tick();
        const sees = host.trouble.sensorsBlind === 0;
        const use = (key: string): Use | "unknown" => (sees ? meter.useOf(key) : undefined) ?? "unknown";
        const measured = runs.map((run) => ({ run, use: use(runKey(run)) }));
        done({ atMs: host.clock.now(), host: sees ? meter.host() : "unknown", runs: measured } satisfies Measurement);
      });
    },
  };
}

/** Counts time as the kernel would, but only as often as somebody looks: what happened between is as it is now. */
class Meter {
  readonly #host: SimHost;
  readonly #cpuUs = new Map<string, number>();
  #hostUs = 0;
  #countedTo: number;

  constructor(host: SimHost) {
    this.#host = host;
    this.#countedTo = host.clock.now();
  }

  tick(): void {
    const now = this.#host.clock.now();
    const us = (now - this.#countedTo) * 1_000;
    this.#countedTo = now;
    this.#hostUs += ownUse.cores * us;
    for (const [key, copy] of this.#host.copies) {
      const more = this.#host.executes(copy) ? loadOf(copy).cores * us : 0;
      this.#cpuUs.set(key, (this.#cpuUs.get(key) ?? 0) + more);
      this.#hostUs += more;
    }
  }

  host(): Use {
    let memoryMiB: number = ownUse.memoryMiB;
    for (const copy of this.#host.copies.values()) memoryMiB += loadOf(copy).memoryMiB;
    return { cpuUs: this.#hostUs, memoryMiB };
  }

  useOf(key: string): Use | undefined {
    const copy = this.#host.copies.get(key);
    const cpuUs = this.#cpuUs.get(key);
    return copy === undefined || cpuUs === undefined ? undefined : { cpuUs, memoryMiB: loadOf(copy).memoryMiB };
  }
}

import { put } from "../../core/transactions.ts";
import type { HostUsage, Usage } from "../../model/host-records.ts";
import type { WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import type { SimHost } from "../world/host.ts";
import type { World } from "../world/world.ts";
import type { HaScenario } from "./format.ts";

const measuredEveryMs = 1_000;
/** A change that the file orders is measured at once: how long it lasts is counted in looks at it. */
const noticedAfterMs = 20;
const mib = 2 ** 20;

type Figures = { readonly cpu?: number | null | undefined; readonly memBytes?: number | null | undefined };

/** What guests use, as the file says; measured on each host while they run there. */
export class Usages {
  readonly #world: World;
  readonly #ofVm = new Map<string, Usage>();
  readonly #written = new Map<string, string>();

  constructor(world: World, scenario: HaScenario) {
    this.#world = world;
    for (const { sid, usage } of scenario.resources) this.#keep(sid, usage ?? {});
    if (scenario.options.scheduler.mode === "dynamic") this.#measure();
  }

  set(sid: string, figures: Figures): void {
    this.#keep(sid, figures);
    this.#world.scheduler.after(noticedAfterMs, () => this.#reportAll());
  }

  /** What is not said stays as it was. */
  #keep(sid: string, { cpu, memBytes }: Figures): void {
    const before = this.#ofVm.get(sid) ?? { cores: 0, memoryMiB: 0 };
    this.#ofVm.set(sid, {
      cores: cpu ?? before.cores,
      memoryMiB: memBytes == null ? before.memoryMiB : memBytes / mib,
    });
  }

  #measure(): void {
    this.#world.scheduler.after(measuredEveryMs, () => {
      this.#reportAll();
      this.#measure();
    });
  }

  #reportAll(): void {
    for (const host of this.#world.hosts) if (host.works) this.#report(host);
  }

  /** As the host's agent would: seldom, and only where something has changed. */
  #report(host: SimHost): void {
    const incarnation = host.heartSays?.phase === "beating" ? host.heartSays.incarnation : null;
    if (incarnation === null || this.#world.truth.registrations.get(host.id)?.incarnation !== incarnation) return;
    const vms: Record<string, Usage> = {};
    const sum = { cores: 0, memoryMiB: 0 };
    for (const copy of host.copies.values()) {
      const usage = this.#ofVm.get(copy.run.vm);
      if (usage === undefined || !host.executes(copy)) continue;
      vms[copy.run.vm] = usage;
      sum.cores += usage.cores;
      sum.memoryMiB += usage.memoryMiB;
    }
    const text = JSON.stringify({ incarnation, sum, vms });
    if (this.#written.get(host.id) === text) return;
    this.#written.set(host.id, text);
    const record: HostUsage = { schema: 1, incarnation, host: sum, vms, at: host.clock.wall() as WallMs };
    this.#world.memory.commit({ compares: [], writes: [put(keys.hostUsage(host.id), record)] }, 0, () => {});
  }
}

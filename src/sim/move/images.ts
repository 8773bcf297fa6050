import type { Epoch } from "../../model/ids.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { Pool, Vm } from "../../model/records.ts";
import type { IncomingRequest } from "../../ports/migration.ts";

/** An image in a local pool of one host, with what is in it: enough to see a write that is lost. */
export type SimImage = {
  /** The moment of the last write that it holds. */
  upTo: number;
  /** False while it is being filled: some of this and some of that. */
  whole: boolean;
  /** Made for a guest that was to move here: the epoch of that run. */
  readonly arrivedFor?: Epoch;
};

/** What lies in a host's local pools, by volume. It outlives power cuts. */
export class SimImages {
  readonly all = new Map<string, SimImage>();
  /** Somebody's, under the names of volumes: a copy that was kept, or a file of a person's. */
  readonly foreign = new Set<string>();
  readonly #removed: (volume: string) => void;

  constructor(removed: (volume: string) => void = () => undefined) {
    this.#removed = removed;
  }

  add(volume: string, image: SimImage = { upTo: -1, whole: true }): void {
    this.all.set(volume, image);
  }

  addForeign(volume: string): void {
    this.foreign.add(volume);
    this.add(volume, { upTo: Number.POSITIVE_INFINITY, whole: true });
  }

  takeForeignAway(volume: string): void {
    if (this.foreign.delete(volume)) this.all.delete(volume);
  }

  remove(volume: string): void {
    if (this.all.delete(volume)) this.#removed(volume);
  }

  /** New and empty, all or none; one that is there already is nobody's copy. */
  make({ run, vm, pools, copied = [] }: IncomingRequest): Refusal | undefined {
    const disks = copied.flatMap((i) => vm.spec.disks[i] ?? []);
    const there = disks.find(({ volume }) => this.all.has(volume));
    if (there !== undefined) return refuse("move-image-exists", { vm: vm.name, path: there.volume });
    for (const pool of pools) {
      const needMiB = disks.filter((disk) => disk.pool === pool.id).reduce((sum, { sizeMiB }) => sum + sizeMiB, 0);
      const quotaMiB = pool.quotaMiB ?? Number.POSITIVE_INFINITY;
      if (needMiB > quotaMiB) return refuse("pool-quota", { pool: pool.name, needMiB, freeMiB: quotaMiB, quotaMiB });
    }
    for (const { volume } of disks) this.add(volume, { upTo: -1, whole: false, arrivedFor: run.epoch });
    return undefined;
  }

  /** Of a run that never came to wait: what nobody has filled was no image yet, and no record has to give it up. */
  unmake({ vm, copied = [] }: IncomingRequest): void {
    for (const i of copied) {
      const volume = vm.spec.disks[i]?.volume ?? "";
      if (this.all.get(volume)?.whole === false) this.all.delete(volume);
      else this.remove(volume);
    }
  }
}

/** The volumes of a VM in local pools. */
export function localVolumesOf(vm: Vm, pools: readonly Pool[]): readonly string[] {
  const local = new Set(pools.filter(({ kind }) => kind === "local-dir").map(({ id }) => id));
  return vm.spec.disks.filter(({ pool }) => local.has(pool)).map(({ volume }) => volume);
}

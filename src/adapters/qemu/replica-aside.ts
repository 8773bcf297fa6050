import { existsSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ReplicaPoint } from "../../ports/replication.ts";
import type { GoBack } from "../../ports/replication-cycles.ts";
import type { Layer, Received, ReceivedVolume } from "./replica-files.ts";
import { stamped } from "./replica-points.ts";

// What lies above a point to which a VM's disks went back: it is written no more, and lies on the point's layer as the disks do.
// Nothing of it is ever merged; it goes as a whole, once nobody wants a point of it any more (S18, S20).

type Aside = Received["aside"][number];
const mebibyte = 1024 * 1024;

/**
 * `sealed`: what is left of `all`, up to the point. `at`: milliseconds since 1970, for people. `gone`: layers that hold no moment
 * that there was, to be removed once the rest is on record.
 */
export function setAside(
  all: Received,
  sealed: Received,
  { id, keeps }: GoBack,
  at: number,
): { readonly aside: readonly Aside[]; readonly gone: readonly string[] } {
  const from = sealed.points.length;
  const later = all.points.slice(from);
  const top = { id, at, whole: true, origin: "branch-kept" as const, consistency: "crash" as const };
  const isNeeded = (index: number): boolean => all.volumes.some((volume) => isLainUpon(all, volume, from + index));
  const last = later.findLastIndex(({ whole }, i) => whole || isNeeded(i));
  const points = keeps ? [...later, top] : later.slice(0, last + 1);
  const volumes = all.volumes.map((volume) => {
    const { folder, volume: of, layers } = keeps ? stamped(volume, volume.layers.length - 1) : volume;
    const on = layers[from - 1]?.file ?? "";
    return { volume: of, folder, on, layers: layers.slice(from, from + points.length) };
  });
  const gone = all.volumes.flatMap(({ folder, layers }) =>
    layers.slice(from + points.length).map(({ file }) => join(folder, file)),
  );
  return { aside: points.length === 0 ? [] : [{ id, volumes, points }], gone };
}

/** Oldest first, by the time at which they were set aside. */
export function pointsAside({ aside }: Received): readonly ReplicaPoint[] {
  return aside.flatMap(({ points, volumes }) =>
    points.flatMap(({ whole, ...point }, i) => {
      const bytes = volumes.map(({ folder, layers }) => takenBytes(join(folder, layers[i]?.file ?? "-")));
      const sizeMiB = Math.ceil(bytes.reduce((sum, one) => sum + one, 0) / mebibyte);
      const origin = point.origin === "branch-kept" ? ("branch-kept" as const) : ("branch" as const);
      return whole ? [{ ...point, origin, sizeMiB }] : [];
    }),
  );
}

export function takenBytes(path: string): number {
  return existsSync(path) ? statSync(path).blocks * 512 : 0;
}

/** The layer of each volume that holds such a point; undefined: there is none of that name. */
export function layersAside(
  { aside }: Received,
  point: string,
): readonly { readonly volume: string; readonly folder: string; readonly layer: Layer | undefined }[] | undefined {
  for (const { points, volumes } of aside) {
    const index = points.findIndex(({ id, whole }) => id === point && whole);
    if (index >= 0) return volumes.map(({ volume, folder, layers }) => ({ volume, folder, layer: layers[index] }));
  }
  return undefined;
}

/** Without this point; `gone`: files that hold nothing that anybody wants, to be removed once this is on record. */
export function withoutAside(
  received: Received,
  point: string,
): { readonly aside: readonly Aside[]; readonly gone: readonly string[] } {
  const marked = received.aside.map((one) => {
    return { ...one, points: one.points.map((each) => (each.id === point ? { ...each, whole: false } : each)) };
  });
  const wanted = wantedOf(marked);
  const gone = marked
    .filter((one) => !wanted.includes(one))
    .flatMap(({ volumes }) => volumes.flatMap(({ folder, layers }) => layers.map(({ file }) => join(folder, file))));
  return { aside: wanted, gone };
}

/** Those with a point that somebody may want, and those on which such a one lies. */
function wantedOf(all: readonly Aside[]): readonly Aside[] {
  const found = new Set(all.filter(({ points }) => points.some(({ whole }) => whole)));
  // A set goes on with what is added to it meanwhile.
  for (const one of found) for (const below of all) if (liesOn(one, below)) found.add(below);
  return all.filter((one) => found.has(one));
}

function liesOn(one: Aside, below: Aside): boolean {
  const files = below.volumes.flatMap(({ folder, layers }) => layers.map(({ file }) => join(folder, file)));
  return one.volumes.some(({ folder, on }) => files.includes(join(folder, on)));
}

export function removeFiles(paths: readonly string[]): void {
  for (const path of paths) rmSync(path, { force: true });
}

/** Something was set aside that lies on this very layer: it must stay as it is, and where it is. */
export function isLainUpon({ aside }: Received, { volume, layers }: ReceivedVolume, index: number): boolean {
  const file = layers[index]?.file;
  return aside.some(({ volumes }) => volumes.some((one) => one.volume === volume && one.on === file));
}

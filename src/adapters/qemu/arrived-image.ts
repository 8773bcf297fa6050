import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { parseJson } from "../../model/json.ts";
import { writeDurably } from "./replica-files.ts";

// Images that are made for a guest that moves here with its disks. Whoever removes one after a move that came to nothing has to know
// that it is that one: a copy that was kept, or somebody's file, may lie under the same name (S15).

const markSchema = z.object({ schema: z.literal(1), epoch: z.int(), inode: z.string() });

export function arrivalMark(folder: string, volume: string): string {
  return join(folder, `${volume}.arriving`);
}

/**
 * On the disk before the file has its name: one that has it without this was not made for a move. `epoch`: of the run that is to
 * come.
 */
export function markArrival(folder: string, volume: string, epoch: number, part: string): void {
  writeDurably(arrivalMark(folder, volume), { schema: 1, epoch, inode: inodeOf(part) });
}

/** Its guest goes on there: what it lies on is never again something that came about by a move and may go. */
export function forgetArrival(folder: string, volume: string): void {
  rmSync(arrivalMark(folder, volume), { force: true });
}

/** The same by the path of the image. */
export function forgetArrivalOf(image: string): void {
  forgetArrival(dirname(image), basename(image).replace(/\.(?:raw|qcow2)$/u, ""));
}

/** Names of what lies there of a volume: images, layers of recovery points, and what says what they are. */
export function whatLiesThere(folder: string, volume: string): readonly string[] {
  return readdirSync(folder).filter(
    (name) =>
      name.startsWith(`${volume}.`) && /^\.(?:raw|(?:\d+\.)?qcow2|replica|layers)$/u.test(name.slice(volume.length)),
  );
}

/**
 * What lies there, by whether it was made for the run of this epoch. Throws where that cannot be read: unknown is not taken for no.
 */
export function arrivedThere(
  folder: string,
  volume: string,
  epoch: number,
): { readonly own: readonly string[]; readonly foreign: readonly string[] } {
  const mark = readMark(folder, volume);
  const { own = [], foreign = [] } = Object.groupBy(whatLiesThere(folder, volume), (name) =>
    mark?.epoch === epoch && mark.inode === inodeOf(join(folder, name)) ? "own" : "foreign",
  );
  return { own, foreign };
}

/** Undefined: there is none, or it says nothing. */
function readMark(folder: string, volume: string): z.infer<typeof markSchema> | undefined {
  try {
    return markSchema.safeParse(parseJson(readFileSync(arrivalMark(folder, volume), "utf8"))).data;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** It stays the same under each name, and no other file of its disk has it at the same time. */
function inodeOf(path: string): string {
  return String(statSync(path, { bigint: true }).ino);
}

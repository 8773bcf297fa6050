import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { parseJson } from "../../model/json.ts";

// Images that are made for a guest that moves here with its disks. Whoever removes one after a move that came to nothing has to know
// that it is that one: a copy that was kept, or somebody's file, may lie under the same name (S15).

const markSchema = z.object({ schema: z.literal(1), epoch: z.int(), inode: z.string() });

export function arrivalMark(folder: string, volume: string): string {
  return join(folder, `${volume}.arriving`);
}

/** Before the file has its name: one that has it without this was not made for a move. `epoch`: of the run that is to come. */
export function markArrival(folder: string, volume: string, epoch: number, part: string): void {
  const file = arrivalMark(folder, volume);
  writeFileSync(`${file}.part`, JSON.stringify({ schema: 1, epoch, inode: inodeOf(part) }), { mode: 0o600 });
  renameSync(`${file}.part`, file);
}

/** Names of what lies there of a volume: images, layers of recovery points, and what says what they are. */
export function whatLiesThere(folder: string, volume: string): readonly string[] {
  return readdirSync(folder).filter(
    (name) =>
      name.startsWith(`${volume}.`) && /^\.(?:raw|(?:\d+\.)?qcow2|replica|layers)$/u.test(name.slice(volume.length)),
  );
}

/** The name of something that was not made for the run of this epoch. Undefined: all that lies there was. */
export function foreignThere(folder: string, volume: string, epoch: number): string | undefined {
  const mark = readMark(folder, volume);
  return whatLiesThere(folder, volume).find(
    (name) => mark?.epoch !== epoch || mark.inode !== inodeOf(join(folder, name)),
  );
}

function readMark(folder: string, volume: string): z.infer<typeof markSchema> | undefined {
  try {
    return markSchema.safeParse(parseJson(readFileSync(arrivalMark(folder, volume), "utf8"))).data;
  } catch {
    return undefined; // there is none
  }
}

/** It stays the same under each name, and no other file of its disk has it at the same time. */
function inodeOf(path: string): string {
  return String(statSync(path, { bigint: true }).ino);
}

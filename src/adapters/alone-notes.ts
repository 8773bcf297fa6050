import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { brandedNumber, brandedText, wallMs } from "../model/branded.ts";
import type { Epoch, Incarnation, VmId, WallMs } from "../model/ids.ts";
import type { Params } from "../model/reason.ts";
import type { AloneNote, AloneNotes, FoundNotes, UnreadableNote } from "../ports/alone-notes.ts";
import { readDurable, syncFile, writeDurably } from "./qemu/replica-files.ts";

const noteSchema = z.object({
  schema: z.literal(1),
  run: z.object({
    vm: brandedText<VmId>(),
    incarnation: brandedNumber<Incarnation>(),
    epoch: brandedNumber<Epoch>(),
  }),
  at: wallMs,
});

/** A file for each VM in the host's own folder, which outlives a boot. */
export function openAloneNotes(
  stateDir: string,
  mayNote: boolean,
  log: (code: string, params: Params) => void,
): AloneNotes {
  const folder = join(stateDir, "alone");
  const said = new Set<string>();
  const sayOnce: typeof log = (code, params) => {
    const key = JSON.stringify([code, params]);
    if (said.has(key)) return;
    said.add(key);
    log(code, params);
  };
  const fileOf = ({ run }: AloneNote): string => join(folder, `${encodeURIComponent(run.vm)}.json`);
  return {
    mayNote,
    note: (note, done) => done(worked(() => writeDurably(fileOf(note), { schema: 1, ...note }))),
    forget: (note, done) =>
      done(
        worked(() => {
          rmSync(fileOf(note), { force: true });
          if (existsSync(folder)) syncFile(folder);
        }),
      ),
    all: () => {
      try {
        const isThere = statSync(folder, { throwIfNoEntry: false }) !== undefined;
        return isThere ? allIn(folder, sayOnce) : { notes: [], unreadable: [] };
      } catch (error) {
        sayOnce("alone-notes-unreadable", { folder, cause: String(error) });
        return { notes: [], unreadable: "all" };
      }
    },
  };
}

/** What cannot be read counts as a note (S23): that it is there says that its VM may have gone on alone. */
function allIn(folder: string, log: (code: string, params: Params) => void): FoundNotes {
  const notes: AloneNote[] = [];
  const unreadable: UnreadableNote[] = [];
  for (const name of readdirSync(folder)) {
    const vm = vmOf(name);
    const file = join(folder, name);
    if (vm === undefined) continue;
    const found = readDurable(file, noteSchema);
    if (found?.run.vm === vm) notes.push({ run: found.run, at: found.at });
    else {
      unreadable.push({ vm, at: madeAt(file) });
      log("alone-note-unreadable", { file, vm });
    }
  }
  return { notes, unreadable };
}

/** Undefined: a name that no note of ours bears, or of one that was never finished, by which nobody went on. */
function vmOf(name: string): VmId | undefined {
  try {
    return name.endsWith(".json") ? (decodeURIComponent(name.slice(0, -".json".length)) as VmId) : undefined;
  } catch {
    return undefined;
  }
}

/** A note is written once; who damaged it later may have left another time of its last change. */
function madeAt(file: string): WallMs {
  const { birthtimeMs, mtimeMs } = statSync(file);
  return Math.floor(birthtimeMs > 0 ? Math.min(birthtimeMs, mtimeMs) : mtimeMs) as WallMs;
}

function worked(act: () => void): boolean {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}

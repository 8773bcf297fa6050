import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { brandedNumber, brandedText, wallMs } from "../model/branded.ts";
import type { Epoch, Incarnation, VmId } from "../model/ids.ts";
import type { AloneNote, AloneNotes } from "../ports/alone-notes.ts";
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
export function openAloneNotes(stateDir: string): AloneNotes {
  const folder = join(stateDir, "alone");
  const fileOf = ({ run }: AloneNote): string => join(folder, `${encodeURIComponent(run.vm)}.json`);
  return {
    note: (note, done) => done(worked(() => writeDurably(fileOf(note), { schema: 1, ...note }))),
    forget: (note, done) =>
      done(
        worked(() => {
          rmSync(fileOf(note), { force: true });
          if (existsSync(folder)) syncFile(folder);
        }),
      ),
    all: () => {
      if (!existsSync(folder)) return [];
      const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
      return files.flatMap((name) => {
        const found = readDurable(join(folder, name), noteSchema);
        return found === undefined ? [] : [{ run: found.run, at: found.at }];
      });
    },
  };
}

function worked(act: () => void): boolean {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}

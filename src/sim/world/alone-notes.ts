import type { VmId } from "../../model/ids.ts";
import type { AloneNote, AloneNotes } from "../../ports/alone-notes.ts";

const writeMs = 5;

/** The notes of one host: they outlive its agents and its boots (S23). */
export type SimNotesFolder = Map<VmId, AloneNote>;

/** As src/adapters keeps them; `after` is of the agent's life. */
export function simAloneNotes(folder: SimNotesFolder, after: (ms: number, act: () => void) => void): AloneNotes {
  return {
    mayNote: true,
    note: (note, done) =>
      after(writeMs, () => {
        folder.set(note.run.vm, note);
        done(true);
      }),
    forget: (note, done) =>
      after(writeMs, () => {
        folder.delete(note.run.vm);
        done(true);
      }),
    all: () => ({ notes: [...folder.values()], unreadable: [] }),
  };
}

import type { WallMs } from "../model/ids.ts";
import type { VmRun } from "./hypervisor.ts";

/** A run that goes on without its copy by the word of its own host, since then. */
export type AloneNote = { readonly run: VmRun; readonly at: WallMs };

/** Where two hosts vote, and one of them is away: what no store can take is noted by the host of the run, and outlives it (S23). */
export interface AloneNotes {
  /** `done(true)`: it is on the disk. False: nobody knows, and the guest waits on. */
  note(note: AloneNote, done: (isThere: boolean) => void): void;
  forget(note: AloneNote, done: (isGone: boolean) => void): void;
  all(): readonly AloneNote[];
}

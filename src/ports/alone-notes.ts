import type { VmId, WallMs } from "../model/ids.ts";
import type { VmRun } from "./hypervisor.ts";

/** A run that goes on without its copy by the word of its own host, since then. */
export type AloneNote = { readonly run: VmRun; readonly at: WallMs };

/** A note is there that nobody can read any more. It was made then, or before: of which run, nobody knows. */
export type UnreadableNote = { readonly vm: VmId; readonly at: WallMs };

/** `unreadable: "all"`: not even which notes there are can be read. */
export type FoundNotes = {
  readonly notes: readonly AloneNote[];
  readonly unreadable: readonly UnreadableNote[] | "all";
};

/** Where two hosts vote, and one of them is away: what no store can take is noted by the host of the run, and outlives it (S23). */
export interface AloneNotes {
  /** By this host's configuration; what was noted under another one counts all the same. */
  readonly mayNote: boolean;
  /** `done(true)`: it is on the disk. False: nobody knows, and the guest waits on. */
  note(note: AloneNote, done: (isThere: boolean) => void): void;
  forget(note: AloneNote, done: (isGone: boolean) => void): void;
  all(): FoundNotes;
}

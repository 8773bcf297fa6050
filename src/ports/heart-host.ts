import type { Incarnation, Nonce } from "../model/ids.ts";
import type { HeartSays } from "./heart.ts";

/** What `incarnation.json` holds: the registration that this boot of the host made, or is about to make. */
export type OwnIncarnation = { readonly incarnation: Incarnation; readonly nonce: Nonce };

/** The heart's memory over its own restarts, gone after a boot (S1). */
export interface IncarnationFile {
  /** Null where there is none, or none that can be read: the heart then waits for the earlier incarnation's silence. */
  read(): OwnIncarnation | null;
  /** Replaces the file as a whole; `false` where that failed and the old one is still there. */
  write(own: OwnIncarnation, done: (written: boolean) => void): void;
}

/** The heart's side of the line to the host's agents. */
export interface AgentLine {
  /** To every agent that is connected, and to the next one that connects. */
  tell(says: HeartSays): void;
  /** The agent lives; its pools answered `poolAgeMs` ago (null: not probed). */
  listen(alive: (poolAgeMs: number | null) => void): void;
}

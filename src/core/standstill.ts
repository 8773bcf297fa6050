import type { WallMs } from "../model/ids.ts";

/**
 * What a host knows of its own VMs from its heart: the guards hold them frozen, and no process of theirs executes (S2, S5).
 * For people: nothing is decided by it.
 */
export type Standstill = {
  /** When it heard so; null: before this process began, or since its host joined. */
  readonly since: WallMs | null;
  /** Why the heart does not beat: a code of `messages`; null: it does, and they go on with the next heartbeat. */
  readonly why: string | null;
};

import type { Revision } from "../model/ids.ts";
import type { Event } from "../model/records.ts";

export type StoredEvent = { readonly event: Event; readonly revision: Revision };
export type EventFilter = {
  readonly vm?: string | undefined;
  readonly host?: string | undefined;
  readonly type?: string | undefined;
  /** Only events after this revision, the oldest of them. */
  readonly after?: Revision | undefined;
  readonly limit: number;
};

/** This host's own copy of all hosts' events: survives the loss of any other. Adding one twice changes nothing. */
export interface Journal {
  add(events: readonly StoredEvent[]): void;
  /**
   * The newest that match, oldest first; with `after` the oldest after it, and then as many more than `limit` as belong
   * to the last one's revision: the last revision of a page is the `after` of the next.
   * `host` matches what the event is about and who wrote it.
   */
  read(filter: EventFilter): readonly StoredEvent[];
  /** The newest revision held; 0 where it is empty. */
  last(): Revision;
}

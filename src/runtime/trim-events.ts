import { later, type StoreKey } from "../model/ids.ts";
import { eventsPrefix } from "../model/keys.ts";
import type { Clock } from "../ports/clock.ts";
import type { Store } from "../ports/store.ts";

const everyMs = 600_000;
/** The store keeps the recent ones; every host's journal keeps all of them (design: history survives any host). */
const keepEvents = 5_000;
/** etcd bounds the writes of one transaction. */
const batch = 100;
const timeoutMs = 5_000;

/** Removes the oldest events from the store while `isMine`; what could not be removed is tried again. Returns the stop. */
export function trimEvents(
  store: Store,
  clock: Clock,
  isMine: () => boolean,
  limits: { readonly everyMs: number; readonly keepEvents: number } = { everyMs, keepEvents },
): () => void {
  let stopped = false;
  let cancel = (): void => {};
  const again = (): void => {
    if (!stopped) cancel = clock.wakeAt(later(clock.now(), limits.everyMs), round);
  };
  const round = (): void => {
    if (!isMine()) {
      again();
      return;
    }
    store.snapshot(eventsPrefix, (end) => {
      const oldest = end.kind === "done" ? [...end.values].sort((a, b) => a.revision - b.revision) : [];
      remove(oldest.slice(0, Math.max(0, oldest.length - limits.keepEvents)).map((value) => value.key));
    });
  };
  const remove = (all: readonly StoreKey[]): void => {
    if (all.length === 0) {
      again();
      return;
    }
    const writes = all.slice(0, batch).map((key) => ({ kind: "delete" as const, key }));
    // No compare: an event never changes, and removing one twice is harmless.
    store.commit({ compares: [], writes }, timeoutMs, (end) => {
      if (end.kind === "committed") remove(all.slice(batch));
      else again();
    });
  };
  again();
  return () => {
    stopped = true;
    cancel();
  };
}

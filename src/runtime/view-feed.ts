import { limits } from "../core/limits.ts";
import { later, type StoreKey } from "../model/ids.ts";
import type { Change } from "../model/transaction.ts";
import { applyChanges, type ClusterView, emptyView, type Touched } from "../model/view.ts";
import type { Clock } from "../ports/clock.ts";
import type { Journal } from "../ports/journal.ts";
import type { Store } from "../ports/store.ts";

/**
 * Keeps one view of the store: a snapshot, then its changes; after a compaction, a snapshot again. Copies every event
 * into this host's journal. `synced` comes after each snapshot, `changed` after each batch.
 */
export function feedView(
  deps: { readonly store: Store; readonly clock: Clock; readonly journal: Journal },
  tell: {
    readonly synced: (view: ClusterView) => void;
    readonly changed: (view: ClusterView, touched: Touched) => void;
  },
): () => void {
  let stopped = false;
  let stopWatch = (): void => {};

  function snapshot(): void {
    deps.store.snapshot("/" as StoreKey, (end) => {
      if (stopped) return;
      if (end.kind === "unknown") {
        deps.clock.wakeAt(later(deps.clock.now(), limits.tickMs), snapshot);
        return;
      }
      const view = emptyView();
      const changes = end.values.map((value): Change => ({ kind: "put", ...value }));
      deps.journal.add(applyChanges(view, changes, end.revision).events);
      tell.synced(view);
      watch(view);
    });
  }

  function watch(view: ClusterView): void {
    stopWatch = deps.store.watch("/" as StoreKey, view.revision, (event) => {
      if (stopped) return;
      if (event.kind === "compacted") {
        snapshot();
        return;
      }
      const touched = applyChanges(view, event.changes, event.revision);
      if (touched.events.length > 0) deps.journal.add(touched.events);
      tell.changed(view, touched);
    });
  }

  snapshot();
  return () => {
    stopped = true;
    stopWatch();
  };
}

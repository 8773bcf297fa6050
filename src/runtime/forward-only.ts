import { noRevision, type Revision } from "../model/ids.ts";
import type { CommitEnd, Store } from "../ports/store.ts";

export type WentBack = { readonly found: Revision; readonly known: Revision };

const cause = "store-went-back: it is older than what this process has seen of it";

/**
 * S22: a store whose revision is lower than what was heard before the question was sent has been put back to an earlier
 * state: owners, fences and epochs in it are those of the past. `wentBack` is called once, and nothing more gets through
 * in either direction: each end is `unknown`, each watch is silent. `known`: what earlier lives of the process have seen.
 */
export function forwardOnly(store: Store, wentBack: (seen: WentBack) => void, known: Revision = noRevision): Store {
  let newest = known;
  let refuses = false;
  /** Whether an answer of this revision, to a question sent when `before` was known, may be believed. */
  const believes = (found: Revision, before: Revision): boolean => {
    if (refuses) return false;
    if (found < before) {
      refuses = true;
      wentBack({ found, known: before });
      return false;
    }
    if (found > newest) newest = found;
    return true;
  };
  return {
    snapshot: (prefix, done) => {
      const before = newest;
      store.snapshot(prefix, (end) => {
        const isOld = end.kind === "done" && !believes(end.revision, before);
        done(isOld || refuses ? { kind: "unknown", cause } : end);
      });
    },
    commit: (transaction, timeoutMs, done) => {
      const before = newest;
      const answer = (end: CommitEnd): void => {
        const isOld = end.kind !== "unknown" && !believes(end.revision, before);
        done(isOld || refuses ? { kind: "unknown", cause } : end);
      };
      store.commit(refuses ? { compares: [], writes: [] } : transaction, timeoutMs, answer);
    },
    watch: (prefix, after, listen) =>
      store.watch(prefix, after, (event) => {
        if (refuses) return;
        // Changes of a watch come in order and were asked for long ago: they tell what is newest, and nothing of the past.
        if (event.kind === "changes" && event.revision > newest) newest = event.revision;
        listen(event);
      }),
  };
}

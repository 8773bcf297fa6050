import type { KeyName } from "../model/keys.ts";
import type { ClusterView } from "../model/view.ts";

/**
 * What follows from records of some kinds alone, worked out anew only after one of them has changed. `compute` reads
 * nothing else, and nobody changes what it returns.
 */
export function derived<T>(
  kinds: readonly KeyName["kind"][],
  compute: (view: ClusterView) => T,
): (view: ClusterView) => T {
  const known = new WeakMap<ClusterView, { readonly stamp: string; readonly value: T }>();
  return (view) => {
    const stamp = kinds.map((kind) => view.changedAt.get(kind) ?? 0).join();
    const before = known.get(view);
    if (before?.stamp === stamp) return before.value;
    const value = compute(view);
    known.set(view, { stamp, value });
    return value;
  };
}

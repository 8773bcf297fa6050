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
  const known = new WeakMap<ClusterView, { readonly revisions: readonly number[]; readonly value: T }>();
  return (view) => {
    const before = known.get(view);
    if (before !== undefined && isAsOf(view, kinds, before.revisions)) return before.value;
    const value = compute(view);
    known.set(view, { revisions: kinds.map((kind) => changedAt(view, kind)), value });
    return value;
  };
}

// Asked many times in each step: without a function for each kind.
function isAsOf(view: ClusterView, kinds: readonly KeyName["kind"][], revisions: readonly number[]): boolean {
  for (let i = 0; i < kinds.length; i++) if (revisions[i] !== changedAt(view, kinds[i])) return false;
  return true;
}

function changedAt(view: ClusterView, kind: KeyName["kind"] | undefined): number {
  return (kind === undefined ? undefined : view.changedAt.get(kind)) ?? 0;
}

import type { ClusterView } from "./view.ts";

/** A view of its own that begins as `view` stands: what is applied to the one is never seen in the other. */
export function copyView(view: ClusterView): ClusterView {
  const copied = Object.entries(view).map(([name, value]) => [name, value instanceof Map ? copyMap(value) : value]);
  return { ...(Object.fromEntries(copied) as ClusterView), vmChanges: { first: 0, ids: [] } };
}

/** Records are values and shared; heartbeats and fences are maps of maps. */
function copyMap(map: ReadonlyMap<unknown, unknown>): Map<unknown, unknown> {
  return new Map([...map].map(([key, value]) => [key, value instanceof Map ? new Map(value) : value]));
}

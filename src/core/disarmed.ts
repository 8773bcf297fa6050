import { keys } from "../model/keys.ts";
import type { ClusterView } from "../model/view.ts";

/** HM5. A record that a newer version wrote says it too: unread is not absent. */
export function isDisarmed(view: ClusterView): boolean {
  return view.disarm !== undefined || isDisarmUnread(view);
}

/** No transaction that compares it can be made: nothing is decided that would need one. */
export function isDisarmUnread({ unreadable }: ClusterView): boolean {
  return unreadable.size > 0 && unreadable.has(keys.disarm);
}

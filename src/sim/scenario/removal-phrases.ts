import { planRemoveHost, planTakeBack } from "../../core/requests/remove-host.ts";
import type { HostId } from "../../model/ids.ts";
import type { Ask } from "../faults/operator.ts";
import type { PhraseArgs } from "./phrase-words.ts";

/** As with `--accept`; who is up is not looked at: the store itself knows whether it has a majority. */
export function removeHost({ hosts: [host = ""] }: PhraseArgs): Ask {
  return (view, event, asked) => {
    const context = { sight: () => "unknown" as const, self: event.host as HostId, silent: () => undefined };
    return planRemoveHost(view, { host }, asked, context).planned;
  };
}

export function takeBackHost({ hosts: [host = ""] }: PhraseArgs): Ask {
  return (view, _event, asked) => planTakeBack(view, host, asked);
}

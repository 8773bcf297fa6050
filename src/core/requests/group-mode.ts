import type { GroupId } from "../../model/ids.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { Group } from "../../model/replication-records.ts";

export const groupModeDefaults = { boundMs: 2_000, everyS: 60 } as const;

/** How a group's VMs are to be copied; what is not said stays as it is, or is as by default. */
export type WantedMode = {
  readonly mode?: Group["mode"]["kind"] | undefined;
  /** For how long a write waits for a copy that does not answer before its VM goes on alone. */
  readonly boundMs?: number | undefined;
  /** In cycles: how often. */
  readonly everyS?: number | undefined;
  /** In cycles: how many seconds of writes a failover by itself may lose; null: it goes by order alone. */
  readonly lossS?: number | null | undefined;
};

/**
 * Refused where an option is of the other mode: it would be taken for something that it does not do. Also where cycles are further
 * apart than what may be lost: a failover by itself would hardly ever be allowed (S25).
 */
export function wantedMode(
  group: GroupId,
  old: Group["mode"] | undefined,
  { mode, boundMs, everyS, lossS }: WantedMode,
): { readonly kind: "mode"; readonly mode: Group["mode"] } | Refusal {
  const kind = mode ?? old?.kind ?? "synchronous";
  if (kind === "synchronous") {
    if (everyS !== undefined || lossS !== undefined) return refuse("group-not-in-cycles", { group });
    const known = old?.kind === "synchronous" ? old.boundMs : groupModeDefaults.boundMs;
    return { kind: "mode", mode: { kind, boundMs: boundMs ?? known } };
  }
  if (boundMs !== undefined) return refuse("group-in-cycles", { group });
  const known = old?.kind === "asynchronous" ? old : { everyS: groupModeDefaults.everyS, lossS: null };
  const next = { kind, everyS: everyS ?? known.everyS, lossS: lossS === undefined ? known.lossS : lossS };
  const isAsBefore = next.everyS === known.everyS && next.lossS === known.lossS;
  // One that an earlier version allowed stays: it is refused to whoever says it, not to who changes something else.
  if (!isAsBefore && next.lossS !== null && next.lossS < next.everyS)
    return refuse("group-loss-below-cycles", { group, everyS: next.everyS, lossS: next.lossS });
  return { kind: "mode", mode: next };
}

import { limits } from "../../core/limits.ts";
import type { HostMode } from "../../model/host-records.ts";
import type { HostId, Incarnation } from "../../model/ids.ts";
import { keys, parseKey } from "../../model/keys.ts";
import type { FenceRecord } from "../../model/records.ts";
import type { World } from "../world/world.ts";

/** Clocks may be slow by 500 ppm. */
const rateSlack = 0.999;

/**
 * HM4: the host said that it is back soon, and what it let go of waits for it. Not for one that was lost since, before it had
 * gone or after it was up again, nor for one that is up with nobody there to start anything. `besides`: a life of it of
 * whose fence nothing is known yet.
 */
export function isAwaited(world: World, host: HostId, besides?: Incarnation): boolean {
  const { values, beats } = world.truth;
  const mode = values.get(keys.hostMode(host)) as HostMode | undefined;
  if (mode?.mode !== "restart") return false;
  for (const [key, value] of values) {
    const name = parseKey(key);
    if (name.kind !== "fence" || name.host !== host || name.incarnation < mode.incarnation) continue;
    if (name.incarnation !== besides && isLoss(value as FenceRecord)) return false;
  }
  const beat = beats.get(host);
  if (beat === undefined) return true;
  const agentSilentMs = beat.value.agentAgeMs ?? world.scheduler.now - beat.agentLivedAt;
  return agentSilentMs <= limits.agentSilentMs * rateSlack;
}

/** Its last word, and nothing else, is how a host leaves in order. */
function isLoss({ cause, proofs }: FenceRecord): boolean {
  return cause !== "self" || proofs.includes("silence");
}

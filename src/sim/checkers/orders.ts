import { limits } from "../../core/limits.ts";
import type { HostId, Incarnation } from "../../model/ids.ts";
import { keys, parseKey } from "../../model/keys.ts";
import type { VmMove } from "../../model/move-records.ts";
import type { FenceRecord, Heartbeat, Owner, VmStatus } from "../../model/records.ts";
import type { World } from "../world/world.ts";
import type { CheckerKind } from "./kind.ts";
import { isOfTakeover } from "./of-takeover.ts";

/** Whole milliseconds, and the agent's own beat to the heart once a second. */
const slackMs = 1_500;
const goneMs = limits.agentSilentMs - slackMs;

type Known = {
  readonly agentAgeMs: number | null;
  /** As the last heartbeat knew that had heard it: one of a heart that has just begun has not. */
  readonly agentLivedAt: number;
  readonly frozenSince: number | undefined;
  /** As its guards enforced it at the last heartbeat (S7). */
  readonly deadlineMs: number;
  /** At the last heartbeat a VM of it did not run, by the records; looked at only where the agent is gone. */
  readonly isDown: boolean;
};

/**
 * S13: by what the heartbeats in the store say, an ordered fence has its ground (frozen for two deadlines, or the agent
 * gone and a VM down by then), and no VM is placed on a host whose agent was gone by then.
 */
export const orders: CheckerKind = {
  rule: "S13",
  make: (world, fail) => {
    const known = new Map<string, Known>();
    const take = (host: HostId, incarnation: Incarnation, beat: Heartbeat): void => {
      const { now } = world.scheduler;
      const before = known.get(host);
      const since = before?.frozenSince ?? now;
      const { agentAgeMs, deadlineMs } = beat;
      const agentLivedAt = agentAgeMs === null ? (before?.agentLivedAt ?? now) : now - agentAgeMs;
      const frozenSince = beat.frozen ? since : undefined;
      const isDown = now - agentLivedAt > goneMs && hasVmDown(world, host, incarnation);
      known.set(host, { agentAgeMs, agentLivedAt, deadlineMs, frozenSince, isDown });
    };
    const checkOrder = (host: string, by: string): void => {
      const { agentAgeMs = null, agentLivedAt = 0, frozenSince, deadlineMs = 0, isDown } = known.get(host) ?? {};
      const frozenMs = frozenSince === undefined ? 0 : world.scheduler.now - frozenSince;
      const gone = (agentAgeMs ?? world.scheduler.now - agentLivedAt) > goneMs;
      const long = frozenMs > limits.frozenDeadlinesMax * deadlineMs - slackMs;
      if (!gone && !long)
        fail(`${by} orders the fence of ${host}, which beats, has its agent and froze nothing for long`);
      else if (!long && isDown !== true)
        fail(`${by} orders the fence of ${host}, whose agent is gone, but whose VMs all ran at its last heartbeat`);
    };
    return {
      beats: ({ name, value }) => {
        if (name.kind === "heartbeat" && value !== undefined) take(name.host, name.incarnation, value as Heartbeat);
      },
      committed: ({ name, value, before }, writer) => {
        if (name.kind === "host") known.delete(name.host);
        if (value === undefined) return;
        if (name.kind === "fence" && before === undefined) {
          const record = value as FenceRecord;
          if (record.cause === "order" && !isOfTakeover(world, writer, name.host)) checkOrder(name.host, record.by);
        }
        if (name.kind !== "owner") return;
        const [was, is] = [before as Owner | undefined, value as Owner];
        const placed = is.kind === "held" && (was?.kind !== "held" || was.host !== is.host);
        const ageMs = placed ? known.get(is.host)?.agentAgeMs : undefined;
        if (placed && ageMs !== undefined && ageMs !== null && ageMs > limits.agentSilentMs + watchMs)
          fail(`${name.vm} is placed on ${is.host}, whose agent has been gone for ${ageMs} ms`);
      },
    };
  },
};

/** What the view of whoever decides may lie behind the store. */
const watchMs = 10_000;

/**
 * A VM that it holds is not up, or is being copied, which nobody ends without its agent; or one was handed over and it has not quit
 * (S15). Without regard to whether it is wanted: an order may come from what was wanted since.
 */
function hasVmDown({ truth }: World, host: HostId, incarnation: Incarnation): boolean {
  for (const [vm, owner] of truth.owners) {
    if (owner.kind !== "held" || owner.host !== host || owner.incarnation !== incarnation) continue;
    const status = truth.values.get(keys.vmStatus(vm)) as VmStatus | undefined;
    if (status?.epoch !== owner.epoch || status.phase === "failed" || status.phase === "starting") return true;
    if (status.copying !== undefined) return true;
  }
  return [...truth.values].some(([key, value]) => {
    if (parseKey(key).kind !== "vm-move") return false;
    const { live, from, incarnation: of } = value as VmMove;
    return live?.kind === "switched" && from === host && of === incarnation;
  });
}

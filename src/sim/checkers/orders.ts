import { limits } from "../../core/limits.ts";
import type { FenceRecord, Heartbeat, Owner } from "../../model/records.ts";
import type { CheckerKind } from "./kind.ts";

/** Whole milliseconds, and the agent's own beat to the heart once a second. */
const slackMs = 1_500;

type Known = {
  readonly agentAgeMs: number | null;
  /** As the last heartbeat knew that had heard it: one of a heart that has just begun has not. */
  readonly agentLivedAt: number;
  readonly frozenSince: number | undefined;
  /** As its guards enforced it at the last heartbeat (S7). */
  readonly deadlineMs: number;
};

/**
 * S13: by what the heartbeats in the store say, an ordered fence has its ground (frozen for two deadlines, or the agent
 * gone), and no VM is placed on a host whose agent was gone by then.
 */
export const orders: CheckerKind = {
  rule: "S13",
  make: (world, fail) => {
    const known = new Map<string, Known>();
    const take = (host: string, beat: Heartbeat): void => {
      const { now } = world.scheduler;
      const before = known.get(host);
      const since = before?.frozenSince ?? now;
      const { agentAgeMs, deadlineMs } = beat;
      const agentLivedAt = agentAgeMs === null ? (before?.agentLivedAt ?? now) : now - agentAgeMs;
      known.set(host, { agentAgeMs, agentLivedAt, deadlineMs, frozenSince: beat.frozen ? since : undefined });
    };
    const checkOrder = (host: string, by: string): void => {
      const { agentAgeMs = null, agentLivedAt = 0, frozenSince, deadlineMs = 0 } = known.get(host) ?? {};
      const frozenMs = frozenSince === undefined ? 0 : world.scheduler.now - frozenSince;
      const gone = (agentAgeMs ?? world.scheduler.now - agentLivedAt) > limits.agentSilentMs - slackMs;
      const long = frozenMs > limits.frozenDeadlinesMax * deadlineMs - slackMs;
      if (!gone && !long)
        fail(`${by} orders the fence of ${host}, which beats, has its agent and froze nothing for long`);
    };
    return {
      committed: ({ name, value, before }) => {
        if (name.kind === "host") known.delete(name.host);
        if (value === undefined) return;
        if (name.kind === "heartbeat") take(name.host, value as Heartbeat);
        if (name.kind === "fence" && before === undefined) {
          const record = value as FenceRecord;
          if (record.cause === "order") checkOrder(name.host, record.by);
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

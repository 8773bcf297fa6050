import type { HostConfig } from "../model/config.ts";
import type { HostId } from "../model/ids.ts";
import type { Check, Reason } from "../model/reason.ts";
import { limits } from "./limits.ts";

/** `offsetMs`: how far the host's clock is ahead of the manager's; null: not known. */
export function withClock<T extends { readonly checks: readonly Check[] }>(
  reading: T,
  host: HostId,
  offsetMs: number | null,
): T & { readonly checks: Check[]; readonly clockOffsetMs: number | null } {
  const checks = [...reading.checks];
  if (offsetMs !== null && Math.abs(offsetMs) >= limits.clockApartMs) {
    const params = { host, seconds: Math.abs(offsetMs) / 1_000, way: offsetMs > 0 ? "ahead of" : "behind" };
    checks.push({ id: "clock-apart", subject: host, level: "warn", params });
  }
  return { ...reading, clockOffsetMs: offsetMs, checks };
}

/** What a host sees of itself that safety counts on: a hardware stop, a clock that is not bent, a store that keeps up. */
export function hostChecks(
  { host, watchdog, profile }: Pick<HostConfig, "host" | "watchdog" | "profile">,
  seen: {
    /** How many hosts send heartbeats. */
    readonly hosts: number;
    /** What the time daemon may bend the clock by; null: no more than the kernel does by itself. */
    readonly slewPpm: number | null;
    /** A takeover was begun here, and is not written to its end: its manager decides nothing (S24). */
    readonly isHalfTakenOver: boolean;
    /** What keeps it from being finished, in words of its own; undefined: nothing does, as far as is known. */
    readonly takeoverHeldBy?: Pick<Reason, "code" | "params"> | undefined;
  },
): Check[] {
  const checks: Check[] = [
    // S4: without a watchdog the guards are the only stop.
    {
      id: "watchdog",
      subject: host,
      level: watchdog === null ? "warn" : "ok",
      params: { host, device: watchdog ?? "" },
    },
  ];
  // S3: what the clock may be bent by is part of M.
  if (seen.slewPpm !== null && seen.slewPpm > limits.clockSlewPpmMax) {
    const params = { host, ppm: seen.slewPpm, most: limits.clockSlewPpmMax };
    checks.push({ id: "clock-slew", subject: host, level: "warn", params });
  }
  if (seen.isHalfTakenOver) checks.push({ id: "takeover-unfinished", subject: host, level: "warn", params: { host } });
  if (seen.isHalfTakenOver && seen.takeoverHeldBy !== undefined)
    checks.push({ id: seen.takeoverHeldBy.code, subject: host, level: "warn", params: seen.takeoverHeldBy.params });
  const perSecond = Math.round((seen.hosts * 1_000) / profile.heartbeatMs);
  // S22: each host says it of the whole cluster.
  if (perSecond > limits.heartbeatsPerSecondMax) {
    const params = { hosts: seen.hosts, perSecond, most: limits.heartbeatsPerSecondMax };
    checks.push({ id: "heartbeats-too-many", subject: "cluster", level: "warn", params });
  }
  return checks;
}

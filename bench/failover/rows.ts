import type { FaultKind } from "./fault-kinds.ts";

/** Whole milliseconds; null where no trial gave a value. */
export type Spread = { readonly min: number | null; readonly median: number | null; readonly max: number | null };

export type Tally = { readonly lostAcknowledgedWrites: number; readonly doubleRuns: number };

/** What one trial of a failover gave, in milliseconds from just before the fault was applied. */
export type TrialTimes = {
  readonly takeoverMs: number;
  readonly startAllowedMs: number;
  readonly serviceMs: number;
  /** Before takeover; null where nothing was left to freeze. */
  readonly frozenBeforeTakeoverMs: number | null;
};

/** `times` undefined: no takeover, or no service, in time. Losses and double runs count all the same. */
export type TrialEnd = Tally & { readonly times: TrialTimes | undefined };

export type Setting = { readonly hosts: number; readonly profile: string };

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (position: number): number | null => {
    const low = sorted[Math.floor(position)];
    const high = sorted[Math.ceil(position)];
    return low === undefined || high === undefined ? null : Math.round((low + high) / 2);
  };
  return { min: at(0), median: at((sorted.length - 1) / 2), max: at(sorted.length - 1) };
}

/** The row of a fault after which a VM runs anew. `failed` is there only where it is not 0. */
export function failoverRow(fault: FaultKind, ends: readonly TrialEnd[], setting: Setting) {
  const times = ends.flatMap((end) => end.times ?? []);
  const frozen = times.flatMap((time) => time.frozenBeforeTakeoverMs ?? []);
  const failed = ends.length - times.length;
  return {
    fault,
    trials: ends.length,
    takeoverMs: spreadOf(times.map((time) => time.takeoverMs)),
    startAllowedMs: spreadOf(times.map((time) => time.startAllowedMs)),
    serviceMs: spreadOf(times.map((time) => time.serviceMs)),
    frozenBeforeTakeoverMs: frozen.length === 0 ? null : spreadOf(frozen),
    lostAcknowledgedWrites: sum(ends.map((end) => end.lostAcknowledgedWrites)),
    doubleRuns: sum(ends.map((end) => end.doubleRuns)),
    hosts: setting.hosts,
    profile: setting.profile,
    ...(failed === 0 ? {} : { failed }),
  };
}

/** `pauseMs`: from the cut until the last VM answered again; undefined: one did not in time. */
export type OutageEnd = Tally & {
  readonly pauseMs: number | undefined;
  readonly fencings: number;
  readonly kills: number;
};

/** `pauseMs` is the longest of all trials. */
export function outageRow(ends: readonly OutageEnd[]) {
  const pauses = ends.flatMap((end) => end.pauseMs ?? []);
  const failed = ends.length - pauses.length;
  return {
    fault: "network-outage" as const,
    trials: ends.length,
    pauseMs: spreadOf(pauses).max,
    fencings: sum(ends.map((end) => end.fencings)),
    kills: sum(ends.map((end) => end.kills)),
    ...(failed === 0 ? {} : { failed }),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

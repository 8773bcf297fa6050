import type { Usage } from "../model/host-records.ts";
import type { VmId } from "../model/ids.ts";
import type { Measurement, Use } from "../ports/sensors.ts";
import { runKey, type Sample } from "./state.ts";

/** What a mean rests on, once as much time has passed. */
const windowMs = 30_000;

/** Oldest first; the first one is from before the window began, if there is one as old. */
export function withMeasurement(samples: readonly Sample[], measured: Measurement): readonly Sample[] {
  const last = samples.at(-1);
  const { atMs, host } = measured;
  if (host === "unknown") return last !== undefined && atMs - last.atMs > windowMs ? [] : samples;
  const runs = new Map<string, Use & { readonly vm: VmId }>();
  for (const { run, use } of measured.runs) if (use !== "unknown") runs.set(runKey(run), { ...use, vm: run.vm });
  const sample = { atMs, host, runs };
  // A counter that went back counts something else now.
  if (last === undefined || atMs < last.atMs || host.cpuUs < last.host.cpuUs) return [sample];
  if (atMs === last.atMs) return samples;
  const base = samples.findLastIndex((before) => before.atMs <= atMs - windowMs);
  return [...samples.slice(Math.max(0, base)), sample];
}

export type Means = { readonly host: Usage; readonly vms: ReadonlyMap<VmId, Usage> };

/**
 * Means over the samples: of each run that was there in the last two or more without a break, and of the host, as what
 * is not of these runs, and them. So a VM that has left counts no more at once, and one that came counts in full.
 * Undefined: there are no two moments to compare.
 */
export function meansOf(samples: readonly Sample[]): Means | undefined {
  const last = samples.at(-1);
  if (last === undefined || samples.length < 2) return undefined;
  const vms = new Map<VmId, Usage>();
  const sum = meanOfRest(samples);
  for (const [key, { vm }] of last.runs) {
    const mean = meanOfRun(samples, key);
    if (mean === undefined) continue;
    vms.set(vm, rounded(mean));
    sum.cores += mean.cores;
    sum.memoryMiB += mean.memoryMiB;
  }
  return { host: rounded(sum), vms };
}

function meanOfRun(samples: readonly Sample[], key: string): Usage | undefined {
  const there: { readonly atMs: number; readonly use: Use }[] = [];
  for (const { atMs, runs } of samples.toReversed()) {
    const use = runs.get(key);
    const next = there.at(-1)?.use;
    if (use === undefined || (next !== undefined && next.cpuUs < use.cpuUs)) break;
    there.push({ atMs, use });
  }
  const [to, from] = [there[0], there.at(-1)];
  if (to === undefined || from === undefined || there.length < 2) return undefined;
  return {
    cores: coresOf(to.use.cpuUs - from.use.cpuUs, to.atMs - from.atMs),
    memoryMiB: meanBy(there, ({ use }) => use.memoryMiB),
  };
}

/**
 * What the host itself took, and what nobody could say of which run it was. Between two moments at which other runs were there
 * nobody can: what a run took before it was first seen, or after it was last seen, is not the host's own.
 */
function meanOfRest(samples: readonly Sample[]): { cores: number; memoryMiB: number } {
  const steps = samples.slice(1).map((to, i) => ({ from: samples[i] ?? to, to }));
  const steady = steps.filter(({ from, to }) => sameRuns(from, to));
  let cpuUs = 0;
  let ms = 0;
  for (const { from, to } of steady.length > 0 ? steady : steps) {
    ms += to.atMs - from.atMs;
    let ofRuns = 0;
    for (const [key, use] of to.runs) ofRuns += Math.max(0, use.cpuUs - (from.runs.get(key)?.cpuUs ?? use.cpuUs));
    cpuUs += Math.max(0, to.host.cpuUs - from.host.cpuUs - ofRuns);
  }
  const memoryMiB = meanBy(samples, ({ host, runs }) => {
    let ofRuns = 0;
    for (const use of runs.values()) ofRuns += use.memoryMiB;
    return Math.max(0, host.memoryMiB - ofRuns);
  });
  return { cores: coresOf(cpuUs, ms), memoryMiB };
}

function sameRuns(a: Sample, b: Sample): boolean {
  return a.runs.size === b.runs.size && [...a.runs.keys()].every((key) => b.runs.has(key));
}

function meanBy<T>(list: readonly T[], figure: (one: T) => number): number {
  return list.reduce((sum, one) => sum + figure(one), 0) / list.length;
}

function coresOf(cpuUs: number, ms: number): number {
  return cpuUs / 1_000 / ms;
}

function rounded({ cores, memoryMiB }: Usage): Usage {
  return { cores: Math.round(cores * 100) / 100, memoryMiB: Math.round(memoryMiB) };
}

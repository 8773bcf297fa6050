import type { VmId } from "../../model/ids.ts";
import type { StoredEvent } from "../../ports/journal.ts";

/** Milliseconds, and how many measurements stand behind them; 0: none, it is a default. */
export type Duration = { readonly ms: number; readonly samples: number };

/** Steps whose length only this cluster's own history tells. */
export type Step = (typeof steps)[number];
const steps = ["power-off", "stop", "start", "live-move", "pause"] as const;

/** How long things take in this cluster. A VM has figures of its own once it was seen often enough. */
export type Durations = {
  readonly usual: Readonly<Record<Step, Duration>>;
  readonly ofVm: ReadonlyMap<VmId, Readonly<Partial<Record<Step, Duration>>>>;
  /** The same of every VM that was seen at all. */
  readonly once: ReadonlyMap<VmId, Readonly<Partial<Record<Step, Duration>>>>;
  /** Of its own moves under the limit that is in force, or a narrower one: what of its memory is sent, nobody else knows. */
  readonly limited: ReadonlyMap<VmId, Readonly<Partial<Record<Step, Duration>>>>;
};

/** Events that begin or end a step: what `measureDurations` wants to see, of any age. */
export const measuredBy = [
  "host-fenced",
  "fence-proof",
  "vm-move-begun",
  "vm-leaves",
  "vm-placed",
  "vm-recovered",
  "vm-restarted",
  "vm-running",
  "vm-moved",
  "vm-left",
  "vm-left-unmeasured",
  "vm-source-gone",
  "vm-move-failed",
  "vm-move-called-off",
  "vm-move-dropped",
  "vm-stop-requested",
  "vm-start-requested",
  "vm-stopped",
  "vm-failed",
  "policy-changed",
] as const;

/** Where nothing of the kind has happened yet. */
const defaults = {
  "power-off": 2_000,
  stop: 5_000,
  start: 2_000,
  "live-move": 10_000,
  pause: 1_000,
} as const satisfies Record<Step, number>;
/** The newest of each kind count: a cluster changes. */
const samplesMax = 20;
/** From so many on, a VM's own figures say more than those of all. */
const ownSamplesMin = 3;
/** What took longer was in the way of something else; clocks of two hosts may also have been set. */
const longestMs = 600_000;

/**
 * Medians of the history, oldest event first. Times are of several hosts' wall clocks: good for people, for nothing else.
 * `limit`: MiB a second for each move, as it is now. What a narrower one slowed down is not how it goes now.
 */
export function measureDurations(history: readonly StoredEvent[], limit: number | null = null): Durations {
  const all = samplesOf(history).flatMap((sample): Sample[] => {
    const { step, ms, limit: of } = sample;
    if (!slowedByLimit.has(step) || of === null || (limit !== null && of > limit)) return [sample];
    // By how much it is wider: what was slow for its sake is as much quicker. What the link bears nobody knows.
    return limit === null ? [] : [{ ...sample, ms: Math.ceil((ms * of) / limit), isLimited: true }];
  });
  const ofStep = (step: Step): Duration => medianOf(all, step) ?? { ms: defaults[step], samples: 0 };
  const usual = Object.fromEntries(steps.map((step) => [step, ofStep(step)])) as Durations["usual"];
  const limited = all.filter(({ isLimited }) => isLimited === true);
  const own = { ofVm: ownFigures(all, ownSamplesMin), once: ownFigures(all, 1) };
  return { usual, ...own, limited: ownFigures(limited, 1) };
}

/** Each measurement of the history, with the limit of moves at that time. */
function samplesOf(history: readonly StoredEvent[]): LimitedSample[] {
  const begun = new Map<string, number>();
  const moving = new Set<VmId>();
  let limit: number | null = null;
  return history.flatMap(({ event }) => {
    const told = limitTold(event);
    if (told !== undefined) limit = told;
    const samples = [...measuredBefore(event), ...ended(event, begun)];
    const { vm } = event.subjects;
    if (vm !== undefined && voidsStop.has(event.type)) begun.delete(`stop ${vm}`);
    if (vm !== undefined && endsMove.has(event.type)) moving.delete(vm);
    for (const { step, key } of beginsOf(event)) {
      // In the midst of a live move it waits for that: how long says nothing of a stop.
      if (step !== "stop" || vm === undefined || !moving.has(vm)) begun.set(`${step} ${key}`, event.at);
      if (step === "live-move" && vm !== undefined) moving.add(vm);
    }
    return samples.map((sample) => ({ ...sample, limit }));
  });
}

/** `begun`: when each step that is under way began; what ends is taken out. */
function ended(event: Told, begun: Map<string, number>): Sample[] {
  return endsOf(event).flatMap(({ step, key }) => {
    const since = begun.get(`${step} ${key}`);
    begun.delete(`${step} ${key}`);
    const ms = since === undefined ? -1 : event.at - since;
    return ms >= 0 && ms <= longestMs ? [{ step, vm: event.subjects.vm, ms }] : [];
  });
}

/** How long `step` takes for this VM. */
export function durationOf({ usual, ofVm }: Durations, step: Step, vm: VmId): Duration {
  return ofVm.get(vm)?.[step] ?? usual[step];
}

const slowedByLimit: ReadonlySet<Step> = new Set(["live-move", "pause"]);
/** After these a stop that had begun ends no more: it is not wanted any longer, or the run has ended otherwise. */
const voidsStop: ReadonlySet<string> = new Set([
  ...["vm-start-requested", "vm-placed", "vm-recovered", "vm-restarted", "vm-failed"],
  ...["vm-move-failed", "vm-move-called-off", "vm-move-dropped"],
]);
/** Nothing of a live move is left: its source has quit, or it came to nothing. */
const endsMove: ReadonlySet<string> = new Set([
  ...["vm-left", "vm-left-unmeasured", "vm-source-gone", "vm-placed", "vm-recovered"],
  ...["vm-move-failed", "vm-move-called-off", "vm-move-dropped"],
]);

/** What the event says that the limit of each move is from then on; undefined: nothing. */
function limitTold({ type, params }: Told): number | null | undefined {
  const told = type === "policy-changed" ? params["moveLimitMiBps"] : undefined;
  if (told === "none") return null;
  return typeof told === "number" ? told : undefined;
}

type Sample = {
  readonly step: Step;
  readonly vm: VmId | undefined;
  readonly ms: number;
  /** As the limit in force lets it be. */
  readonly isLimited?: true;
};
type LimitedSample = Sample & { readonly limit: number | null };
type Edge = { readonly step: Step; readonly key: string };
type Told = StoredEvent["event"];

function beginsOf({ type, subjects, params }: Told): Edge[] {
  const { vm = "", host = "" } = subjects;
  switch (type) {
    case "host-fenced":
      return params["device"] === true ? [{ step: "power-off", key: `${host}/${params["incarnation"]}` }] : [];
    case "vm-move-begun":
      if (params["how"] === "before it starts") return [];
      return [{ step: params["how"] === "stop and start" ? "stop" : "live-move", key: vm }];
    // It waited for its turn until then.
    case "vm-leaves":
      return [{ step: "live-move", key: vm }];
    case "vm-stop-requested":
      return [{ step: "stop", key: vm }];
    case "vm-placed":
    case "vm-recovered":
    case "vm-restarted":
      return [{ step: "start", key: `${vm}.${params["epoch"]}` }];
    default:
      return [];
  }
}

function endsOf({ type, subjects, params }: Told): Edge[] {
  const { vm = "", host = "" } = subjects;
  if (type === "fence-proof" && params["proof"] === "power-off")
    return [{ step: "power-off", key: `${host}/${params["incarnation"]}` }];
  if (type === "vm-stopped") return [{ step: "stop", key: vm }];
  // One that waited for its turn says itself how long it took.
  if (type === "vm-moved" && params["tookMs"] === undefined) return [{ step: "live-move", key: vm }];
  return type === "vm-running" ? [{ step: "start", key: `${vm}.${params["epoch"]}` }] : [];
}

/** What whoever did it measured with one clock. */
function measuredBefore({ type, subjects: { vm }, params }: Told): Sample[] {
  const sample = (step: Step, ms: unknown): Sample[] => (typeof ms === "number" ? [{ step, vm, ms }] : []);
  if (type === "vm-moved") return sample("live-move", params["tookMs"]);
  return type === "vm-left" ? sample("pause", params["pauseMs"]) : [];
}

function medianOf(samples: readonly Sample[], step: Step, least = 1): Duration | undefined {
  const found = samples.filter((sample) => sample.step === step).slice(-samplesMax);
  const sorted = found.map(({ ms }) => ms).sort((a, b) => a - b);
  const ms = sorted[Math.floor((sorted.length - 1) / 2)];
  return ms === undefined || sorted.length < least ? undefined : { ms, samples: sorted.length };
}

function ownFigures(all: readonly Sample[], least: number): Durations["ofVm"] {
  const byVm = Map.groupBy(all, ({ vm }) => vm);
  const figures = new Map<VmId, Partial<Record<Step, Duration>>>();
  for (const [vm, samples] of byVm) {
    if (vm === undefined) continue;
    const own: Partial<Record<Step, Duration>> = {};
    for (const step of ["stop", "start", "live-move", "pause"] as const) {
      const median = medianOf(samples, step, least);
      if (median !== undefined) own[step] = median;
    }
    figures.set(vm, own);
  }
  return figures;
}

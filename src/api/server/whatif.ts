import type { Ahead, Present } from "../../core/foresee/ahead.ts";
import { measureDurations, measuredBy, type Step } from "../../core/foresee/durations.ts";
import { type Forecast, type Foreseen, foreseeHostLoss, foreseeMaintenance } from "../../core/foresee/forecast.ts";
import { foreseeLinkLoss } from "../../core/foresee/link.ts";
import { moveLimit } from "../../core/foresee/move-time.ts";
import { planMaintenance } from "../../core/requests/change-host.ts";
import { findHost, hostName, vmName } from "../../core/requests/find.ts";
import { whyStoppedFirst } from "../../core/stopped-first.ts";
import type { HostId } from "../../model/ids.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import { systemActor } from "../../model/records.ts";
import type { ClusterView } from "../../model/view.ts";
import type { ForecastOutput, ForeseenOutput } from "../contract/whatif.ts";
import { foreseeOverLinks } from "./links-ahead.ts";
import type { ApiOptions } from "./options.ts";
import type { Tracker } from "./tracker.ts";

/** How far back each kind of event is looked for. */
const historyMax = 200;

/** What would happen: worked out on this host's own view, with nothing touched. */
export function whatIf(options: ApiOptions, tracker: Tracker) {
  const answer = (view: ClusterView, forecast: Forecast | Refusal): ForecastOutput | Refusal =>
    "kind" in forecast ? forecast : { asOfMs: tracker.asOfMs(), ...presentForecast(view, forecast) };
  return {
    hostLoss: (view: ClusterView, wanted: string): ForecastOutput | Refusal => {
      const found = findHost(view, wanted);
      if (found.kind === "refused") return found;
      const { id, name, role } = found.stored.value;
      const state = role === "witness" ? "a witness, which runs no VMs" : tracker.contact(id);
      if (state !== "up") return refuse("whatif-host-not-up", { host: name, state });
      return answer(view, foreseeHostLoss(presentOf(options, view, tracker), id));
    },
    linkLoss: (view: ClusterView, link: string): ForecastOutput | Refusal => {
      const store = { by: options.self, addresses: options.storeAddresses ?? [] };
      return answer(view, foreseeLinkLoss(presentOf(options, view, tracker), link, store));
    },
    maintenance: async (view: ClusterView, wanted: string): Promise<ForecastOutput | Refusal> => {
      const asked = { actor: systemActor, at: options.clock.wall() };
      const planned = planMaintenance(view, { host: wanted, reason: "" }, asked);
      if (planned.kind === "refused") return planned;
      if (planned.outcome.kind !== "host-changed") return refuse("host-unknown", { host: wanted, known: "" });
      const { host } = planned.outcome;
      const order = (ahead: Ahead): void => ahead.write(planned.transaction);
      const present = presentOf(options, view, tracker);
      const play = (unreached: Present["unreached"]): Forecast =>
        foreseeMaintenance({ ...present, unreached }, host, order);
      return answer(view, await foreseeOverLinks(options, view, host, play));
    },
  };
}

function presentOf(options: ApiOptions, view: ClusterView, tracker: Tracker): Present {
  const heardAgoMs = new Map<HostId, number>();
  for (const host of view.hosts.keys()) {
    const agoMs = tracker.heartbeatAgeMs(host);
    if (agoMs !== null) heardAgoMs.set(host, agoMs);
  }
  const history = measuredBy.flatMap((type) => options.journal.read({ type, limit: historyMax }));
  const durations = measureDurations(
    history.sort((a, b) => a.revision - b.revision || a.event.seq - b.event.seq),
    moveLimit(view),
  );
  return { view, wall: options.clock.wall(), heardAgoMs, durations };
}

function presentForecast(view: ClusterView, { course, vms, usual, limit }: Forecast): Omit<ForecastOutput, "asOfMs"> {
  const steps = (Object.keys(usual) as Step[]).map((step) => ({ step, ...rounded(usual[step]) }));
  return { course: [...course], vms: vms.map((vm) => presentForeseen(view, vm)), steps, bandwidthMiBps: limit };
}

function rounded({ ms, samples }: { readonly ms: number; readonly samples: number }) {
  return { ms: Math.round(ms), samples };
}

function presentForeseen(
  view: ClusterView,
  { vm, wasDown, from, to, via, unseen, afterMs, downMs, restsOn, guessed, ...rest }: Foreseen,
): ForeseenOutput {
  const name = (host: HostId | null) => (host === null ? null : hostName(view, host));
  const round = (ms: number | null) => (ms === null ? null : Math.round(ms));
  return {
    id: vm,
    name: vmName(view, vm),
    wasDown: wasDown ?? false,
    from: name(from),
    to: name(to),
    via: name(via ?? null),
    unseen: unseen ?? null,
    afterMs: round(afterMs),
    downMs: round(downMs),
    restsOn: [...restsOn],
    guessed: [...guessed],
    stoppedFirst: rest.becomes === "moves" && rest.loses === null ? (whyStoppedFirst(view, vm) ?? null) : null,
    ...rest,
  };
}

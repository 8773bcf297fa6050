import { expect, test } from "vitest";
import { asked } from "../../../test/support/planned.ts";
import { Records, vmId } from "../../../test/support/records.ts";
import type { HostId, Revision, WallMs } from "../../model/ids.ts";
import type { Params } from "../../model/reason.ts";
import { systemActor } from "../../model/records.ts";
import type { StoredEvent } from "../../ports/journal.ts";
import { type PolicyPatch, planSetPolicy } from "../requests/change-policy.ts";
import { durationOf, measureDurations } from "./durations.ts";

const web = vmId("web");

function told(type: string, at: number, params: Params): StoredEvent {
  const host = "h1" as HostId;
  const common = {
    schema: 1 as const,
    host,
    boot: "b",
    seq: at,
    reason: null,
    alternatives: [],
    actor: systemActor,
    previous: "",
  };
  const subjects = type.startsWith("vm-") ? { vm: web } : { host };
  return { event: { ...common, type, at: at as WallMs, subjects, params: { ...params } }, revision: at as Revision };
}

test("[FC1] medians of this cluster's history; without any, a default that says so", () => {
  expect(measureDurations([]).usual).toMatchObject({ start: { samples: 0 }, "power-off": { samples: 0 } });
  const history = [
    told("host-fenced", 1_000, { incarnation: 1, device: true }),
    told("fence-proof", 1_400, { incarnation: 1, proof: "power-off" }),
    ...[300, 900, 500].flatMap((ms, i) => [
      told("vm-recovered", 10_000 * (i + 1), { epoch: i }),
      told("vm-running", 10_000 * (i + 1) + ms, { epoch: i }),
    ]),
  ];
  const durations = measureDurations(history);
  expect(durations.usual).toMatchObject({ start: { ms: 500, samples: 3 }, "power-off": { ms: 400, samples: 1 } });
  expect(durations.usual.stop.samples).toBe(0);
  expect(durationOf(durations, "start", web)).toEqual({ ms: 500, samples: 3 });
});

test("[FC1] a live move counts from its own beginning, not while it waits for its turn; its pause is what its source saw", () => {
  const history = [
    told("vm-move-begun", 1_000, {}),
    told("vm-moved", 9_000, { epoch: 2, tookMs: 700 }),
    told("vm-left", 9_050, { pauseMs: 240 }),
    told("vm-move-begun", 20_000, {}),
    told("vm-moved", 21_500, { epoch: 3 }),
  ];
  const { usual } = measureDurations(history);
  expect(usual).toMatchObject({ "live-move": { ms: 700, samples: 2 }, pause: { ms: 240, samples: 1 } });
  expect(measureDurations(history.slice(3)).usual).toMatchObject({ "live-move": { ms: 1_500 }, pause: { samples: 0 } });
});

test("[FC1] a clock that was set back, and what took ten minutes, is no measurement", () => {
  const history = [
    told("vm-placed", 5_000, { epoch: 1 }),
    told("vm-running", 4_000, { epoch: 1 }),
    told("vm-placed", 10_000, { epoch: 2 }),
    told("vm-running", 700_000, { epoch: 2 }),
  ];
  expect(measureDurations(history).usual.start.samples).toBe(0);
});

test("[FC1] what a narrower limit of moves slowed down says nothing once it is wider; starts are none of its business", () => {
  const records = new Records();
  const limited = (patch: PolicyPatch, at: number) => {
    const planned = planSetPolicy(records.view, patch, asked);
    if (planned.kind === "refused") throw new Error(planned.code);
    for (const write of planned.transaction.writes)
      if (write.kind === "put") records.put(write.key, JSON.parse(write.text));
    const [event] = planned.events;
    return told(event?.type ?? "", at, event?.params ?? {});
  };
  const moved = (at: number, ms: number) => [
    told("vm-moved", at, { tookMs: ms }),
    told("vm-left", at + 1, { pauseMs: ms / 2 }),
  ];
  const started = [told("vm-placed", 50, { epoch: 1 }), told("vm-running", 90, { epoch: 1 })];
  const history = [
    ...moved(10, 800),
    limited({ migration: { bandwidthMiBps: 5 } }, 20),
    ...moved(30, 16_000),
    ...moved(35, 17_000),
    ...started,
    limited({ wantedHostLosses: 0 }, 90),
    limited({ shutdownPolicy: "migrate", migration: { bandwidthMiBps: null } }, 100),
  ];
  const usual = (limit: number | null) => measureDurations(history, limit).usual;
  expect(usual(null)).toMatchObject({ "live-move": { ms: 800, samples: 1 }, pause: { ms: 400, samples: 1 } });
  // Ten times as wide: a tenth of 16 s and 17 s.
  expect(usual(50)).toMatchObject({ "live-move": { ms: 1_600, samples: 3 }, start: { ms: 40, samples: 1 } });
  expect(usual(5)).toMatchObject({ "live-move": { ms: 16_000, samples: 3 }, pause: { samples: 3 } });
});

import { describe, expect, test } from "vitest";
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

describe("[FC1] a stop is measured from its order to the last of its run", () => {
  const stop = (history: readonly StoredEvent[]) => measureDurations(history).usual.stop;
  const asks = (at: number) => told("vm-stop-requested", at, {});
  const begins = (at: number, how: string) => told("vm-move-begun", at, { how });
  const stopped = (at: number) => told("vm-stopped", at, {});
  const placed = (at: number, epoch: number) => [
    told("vm-placed", at, { epoch }),
    told("vm-running", at + 300, { epoch }),
  ];

  test("by a person, and for a move that stops it", () => {
    const byOrder = [asks(1_000), stopped(2_800), told("vm-start-requested", 69_000, {}), ...placed(69_100, 2)];
    expect(stop(byOrder)).toEqual({ ms: 1_800, samples: 1 });
    const byMove = [begins(1_000, "stop and start"), stopped(3_000), ...placed(3_100, 2)];
    expect(stop(byMove)).toEqual({ ms: 2_000, samples: 1 });
    expect(stop([...byOrder, begins(80_000, "stop and start"), stopped(82_200)])).toEqual({ ms: 1_800, samples: 2 });
  });

  test("a live move stops nothing, and what is stopped in the midst of one waits for that", () => {
    const move = [
      begins(1_000, "live"),
      told("vm-running", 8_000, { epoch: 2 }),
      told("vm-moved", 8_000, { epoch: 2 }),
    ];
    const left = told("vm-left", 9_000, { pauseMs: 30 });
    expect(stop([...move, left, ...placed(60_000, 3)]).samples).toBe(0);
    expect(stop([...move.slice(0, 1), asks(5_000), ...move.slice(1), left, stopped(11_000)]).samples).toBe(0);
    expect(stop([...move, asks(8_500), left, stopped(11_000)]).samples).toBe(0);
    expect(stop([...move, left, asks(9_500), stopped(11_000)])).toEqual({ ms: 1_500, samples: 1 });
    for (const end of [
      "vm-move-failed",
      "vm-move-called-off",
      "vm-move-dropped",
      "vm-left-unmeasured",
      "vm-source-gone",
    ])
      expect([end, stop([begins(1_000, "live"), told(end, 4_000, {}), asks(5_000), stopped(6_000)])]).toEqual([
        end,
        { ms: 1_000, samples: 1 },
      ]);
  });

  test("one that is taken back, or overtaken by another end of the run, is none", () => {
    const laterStop = [stopped(50_000)];
    expect(stop([begins(1_000, "before it starts"), ...laterStop]).samples).toBe(0);
    expect(stop([begins(1_000, "stop and start"), told("vm-move-failed", 4_000, {}), ...laterStop]).samples).toBe(0);
    expect(stop([asks(1_000), told("vm-start-requested", 1_500, {}), ...laterStop]).samples).toBe(0);
    expect(stop([asks(1_000), told("vm-recovered", 9_000, { epoch: 2 }), ...laterStop]).samples).toBe(0);
    expect(stop([asks(1_000), told("vm-failed", 1_500, {}), ...laterStop]).samples).toBe(0);
  });
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

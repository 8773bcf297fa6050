import { describe, expect, test } from "vitest";
import { web } from "../../test/support/agent-rig.ts";
import { vmId } from "../../test/support/records.ts";
import type { VmRun } from "../ports/hypervisor.ts";
import type { Measurement, Use } from "../ports/sensors.ts";
import { meansOf, withMeasurement } from "./means.ts";
import type { Sample } from "./state.ts";

const use = (coreSeconds: number, memoryMiB: number): Use => ({ cpuUs: coreSeconds * 1_000_000, memoryMiB });
const db: VmRun = { ...web(1), vm: vmId("db") };

function at(seconds: number, host: Use | "unknown", ...runs: (readonly [VmRun, Use | "unknown"])[]): Measurement {
  return { atMs: seconds * 1_000, host, runs: runs.map(([run, used]) => ({ run, use: used })) };
}

const taken = (...measured: readonly Measurement[]): readonly Sample[] =>
  measured.reduce<readonly Sample[]>(withMeasurement, []);
const shown = (...measured: readonly Measurement[]) => {
  const means = meansOf(taken(...measured));
  return means && { host: means.host, vms: Object.fromEntries(means.vms) };
};

describe("means of what is counted", () => {
  test("one moment says nothing; two do", () => {
    expect(shown(at(0, use(100, 500), [web(1), use(7, 80)]))).toBeUndefined();
    expect(shown(at(0, use(100, 500), [web(1), use(7, 80)]), at(10, use(120, 700), [web(1), use(22, 100)]))).toEqual({
      host: { cores: 2, memoryMiB: 600 },
      vms: { "vm:web": { cores: 1.5, memoryMiB: 90 } },
    });
  });

  test("half a minute counts, and what was before does not", () => {
    const busyThenIdle = [0, 10, 20, 30, 40, 50].map((s) => at(s, use(Math.min(s, 20) * 3, 500)));
    expect(shown(...busyThenIdle)?.host.cores).toBe(0);
    expect(shown(...busyThenIdle.slice(0, 5))?.host.cores).toBe(1);
    expect(taken(...busyThenIdle).map(({ atMs }) => atMs)).toEqual([20_000, 30_000, 40_000, 50_000]);
  });

  test("after a long stop of the agent the time between counts as it was", () => {
    expect(shown(at(0, use(0, 500)), at(10, use(10, 500)), at(210, use(110, 500)))?.host.cores).toBe(0.5);
  });

  test("a VM that has left counts no more at once; one that came counts in full as soon as it is known", () => {
    const one = at(0, use(0, 1_000), [web(1), use(0, 400)]);
    const two = at(10, use(30, 1_000), [web(1), use(20, 400)]);
    expect(shown(one, two)?.host).toEqual({ cores: 3, memoryMiB: 1_000 });
    expect(shown(one, two, at(20, use(40, 600)))).toEqual({ host: { cores: 1, memoryMiB: 600 }, vms: {} });
    const came = at(20, use(60, 1_500), [web(1), use(40, 400)], [db, use(5, 500)]);
    expect(shown(one, two, came)?.vms).toEqual({ "vm:web": { cores: 2, memoryMiB: 400 } });
    const known = at(30, use(110, 1_500), [web(1), use(60, 400)], [db, use(25, 500)]);
    expect(shown(one, two, came, known)).toEqual({
      host: { cores: 5, memoryMiB: 1_500 },
      vms: { "vm:web": { cores: 2, memoryMiB: 400 }, "vm:db": { cores: 2, memoryMiB: 500 } },
    });
  });

  test("what it took before it was first seen, or after it was last seen, is not the host's own", () => {
    const before = [at(0, use(0, 500)), at(10, use(2, 500))];
    const came = [at(20, use(12, 500), [web(1), use(8, 80)]), at(30, use(24, 500), [web(1), use(18, 80)])];
    const both = { host: { cores: 1.2, memoryMiB: 540 }, vms: { "vm:web": { cores: 1, memoryMiB: 80 } } };
    expect(shown(...before, ...came)).toEqual(both);
    const left = at(40, use(32, 500));
    expect(shown(...before, ...came, left)?.host.cores).toBe(0.2);
  });

  test("another run of the VM, and a counter that went back, start afresh", () => {
    const first = at(0, use(0, 500), [web(1), use(90, 80)]);
    const restarted = at(10, use(10, 500), [web(2), use(1, 80)]);
    expect(shown(first, restarted)?.vms).toEqual({});
    const wentBack = at(10, use(10, 500), [web(1), use(1, 80)]);
    expect(shown(first, wentBack)?.vms).toEqual({});
    const next = at(20, use(20, 500), [web(1), use(6, 80)]);
    expect(shown(first, wentBack, next)?.vms).toEqual({ "vm:web": { cores: 0.5, memoryMiB: 80 } });
    expect(taken(at(0, use(50, 1)), at(10, use(60, 1)), at(20, use(3, 1))).map(({ atMs }) => atMs)).toEqual([20_000]);
  });

  test("what cannot be read is no figure: a run is missing, and of the host nothing is known after a while", () => {
    const known = [at(0, use(0, 500), [web(1), use(0, 80)]), at(10, use(10, 500), [web(1), use(9, 80)])];
    const hidden = at(20, use(20, 500), [web(1), "unknown"]);
    expect(shown(...known, hidden)).toEqual({ host: { cores: 0.1, memoryMiB: 447 }, vms: {} });
    // From the next look on nobody can tell it from the host's own.
    const still = at(30, use(30, 500), [web(1), "unknown"]);
    expect(shown(...known, hidden, still)).toEqual({ host: { cores: 0.55, memoryMiB: 460 }, vms: {} });
    expect(shown(...known, at(20, "unknown"))).toEqual(shown(...known));
    expect(taken(...known, at(40, "unknown"))).toHaveLength(2);
    expect(taken(...known, at(41, "unknown"))).toEqual([]);
  });
});

import { expect, test } from "vitest";
import { held, host, incarnation, pool, Records, status, vm, vmId } from "../../../test/support/records.ts";
import type { PoolId, Revision, WallMs } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { defaultPolicy } from "../../model/policy.ts";
import type { Params } from "../../model/reason.ts";
import { systemActor } from "../../model/records.ts";
import type { StoredEvent } from "../../ports/journal.ts";
import { type Durations, measureDurations } from "./durations.ts";
import { moveLimit, moveTime } from "./move-time.ts";

const web = vmId("web");

function cluster(
  kind: "shared-dir" | "local-dir",
  bandwidthMiBps: number | null,
  accel: "kvm" | "tcg" = "tcg",
): Records {
  const migration = { ...defaultPolicy.migration, bandwidthMiBps };
  return new Records()
    .host("h1")
    .put(keys.policy, { ...defaultPolicy, migration })
    .put(keys.pool("shared" as PoolId), pool("shared", kind))
    .put(keys.vm(web), vm("web"))
    .put(keys.owner(web), held("h1", 1, 4))
    .put(keys.vmStatus(web), { ...status("h1", 1, 4, "running"), accel });
}

/** `of`: milliseconds of a move and of its pause; null: neither was ever measured. */
function times({ view }: Records, of: readonly [number, number] | null) {
  const none = measureDurations([]);
  const [ms, pauseMs] = of ?? [0, 0];
  const usual = { ...none.usual, "live-move": { ms, samples: 1 }, pause: { ms: pauseMs, samples: 1 } };
  const durations: Durations = of === null ? none : { ...none, usual };
  const { takes, pause } = moveTime(view, durations, web);
  return [takes.ms, pause.ms];
}

test("[FC1] as it was before, and no less than what there is to send takes at the limit in force", () => {
  expect(times(cluster("shared-dir", null), [800, 500])).toEqual([800, 500]);
  expect(times(cluster("shared-dir", 5), [800, 500])).toEqual([16_000, 16_000]);
  expect(times(cluster("shared-dir", 5, "kvm"), [800, 50])).toEqual([16_000, 50]);
  expect(times(cluster("shared-dir", 100), [900, 850])).toEqual([900, 850]);
  expect(moveLimit(cluster("shared-dir", 5).view)).toBe(5);
});

test("[FC1] disks of a local pool go along while the guest runs; what it has of its memory counts, where that was measured", () => {
  expect(times(cluster("local-dir", 8), [800, 500])).toEqual([18_000, 10_000]);
  const usage = { cores: 1, memoryMiB: 40 };
  const measured = { schema: 1, incarnation: incarnation(1), host: usage, vms: { [web]: usage }, at: 0 };
  const records = cluster("local-dir", 8).put(keys.hostUsage(host("h1")), measured);
  expect(times(records, [800, 500])).toEqual([13_000, 5_000]);
});

test("[FC1] where nothing was measured a guest stands for its pause, too, not for all of its move; without KVM while its memory is sent", () => {
  expect(times(cluster("shared-dir", null), null)).toEqual([10_000, 1_000]);
  expect(times(cluster("local-dir", 8), null)).toEqual([18_000, 10_000]);
  expect(times(cluster("shared-dir", 4), null)).toEqual([20_000, 20_000]);
  expect(times(cluster("shared-dir", 4, "kvm"), null)).toEqual([20_000, 1_000]);
});

test("[FC1] what its own moves took at the limit in force counts, also less than all of its memory would: it does not use all", () => {
  const moved = (limit: number | null, at: number) => [
    event("policy-changed", at, { moveLimitMiBps: limit ?? "none" }),
    event("vm-moved", at + 1, { tookMs: 3_000 }),
    event("vm-left", at + 2, { pauseMs: 2_500 }),
  ];
  const records = cluster("shared-dir", 4);
  const foreseen = (history: readonly StoredEvent[], limit: number | null = 4) => {
    const { takes, pause } = moveTime(records.view, measureDurations(history, limit), web);
    return [takes.ms, pause.ms];
  };
  expect(foreseen(moved(4, 10))).toEqual([3_000, 2_500]);
  // Half as wide then: half as long now.
  expect(foreseen(moved(2, 10))).toEqual([1_500, 1_250]);
  // What a wider limit let through says nothing of this one.
  expect(foreseen(moved(8, 10))).toEqual([20_000, 20_000]);
  expect(foreseen(moved(null, 10))).toEqual([20_000, 20_000]);
  expect(foreseen([...moved(8, 10), ...moved(4, 20)])).toEqual([3_000, 2_500]);
  // Others use more or less of theirs.
  const others = moved(4, 10).map(({ event: told, revision }) => ({
    ...{ revision, event: { ...told, subjects: { ...told.subjects, vm: vmId("other") } } },
  }));
  expect(foreseen(others)).toEqual([20_000, 20_000]);
});

function event(type: string, at: number, params: Params): StoredEvent {
  const common = { schema: 1 as const, host: host("h1"), boot: "b", seq: at, reason: null, alternatives: [] };
  const subjects = type.startsWith("vm-") ? { vm: web } : {};
  const told = { ...common, actor: systemActor, previous: "", type, at: at as WallMs, subjects, params: { ...params } };
  return { event: told, revision: at as Revision };
}

test("[FC1] of one that is far larger than all that were moved here it is a guess, until it was moved itself", () => {
  const records = cluster("shared-dir", null).put(keys.vm(vmId("small")), vm("small"));
  const large = vm("web");
  records.put(keys.vm(web), { ...large, spec: { ...large.spec, memoryMiB: 6_000 } });
  const moved = { "live-move": { ms: 900, samples: 5 }, pause: { ms: 600, samples: 5 } };
  const none = measureDurations([]);
  const once = new Map([[vmId("small"), moved]]);
  const told = (durations: Partial<Durations>) => {
    const { takes, pause } = moveTime(records.view, { ...none, usual: { ...none.usual, ...moved }, ...durations }, web);
    return [takes, pause];
  };
  expect(told({ once })).toEqual([
    { ms: 900, samples: 0 },
    { ms: 600, samples: 0 },
  ]);
  const own = { "live-move": { ms: 3_000, samples: 1 }, pause: { ms: 2_800, samples: 1 } };
  expect(told({ once: new Map([...once, [web, own]]) })).toEqual([own["live-move"], own.pause]);
  const another = { ...records.view.vms.get(vmId("small"))?.value, spec: { ...large.spec, memoryMiB: 4_000 } };
  records.put(keys.vm(vmId("small")), another as never);
  expect(told({ once })[0]).toEqual({ ms: 900, samples: 5 });
});

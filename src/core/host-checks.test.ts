import { expect, test } from "vitest";
import type { HostId } from "../model/ids.ts";
import { hostChecks, withClock } from "./host-checks.ts";
import { profiles } from "./limits.ts";

const host = "h1" as HostId;
const sound = { host, watchdog: "/dev/watchdog", profile: profiles.default };
const calm = { hosts: 3, slewPpm: null, isHalfTakenOver: false };
const told = (checks: ReturnType<typeof hostChecks>) => checks.map(({ id, level }) => `${id} ${level}`);

test("[S4] a host without a watchdog says that the guards are its only stop", () => {
  expect(told(hostChecks(sound, calm))).toEqual(["watchdog ok"]);
  expect(told(hostChecks({ ...sound, watchdog: null }, calm))).toEqual(["watchdog warn"]);
});

test("[S3] a time daemon that may bend the clock by more than M covers is told", () => {
  expect(told(hostChecks(sound, { ...calm, slewPpm: 500 }))).toEqual(["watchdog ok"]);
  expect(hostChecks(sound, { ...calm, slewPpm: 83_333 })[1]).toEqual({
    id: "clock-slew",
    subject: host,
    level: "warn",
    params: { host, ppm: 83_333, most: 500 },
  });
});

test("[S24] a takeover that is not written to its end is told, because nothing is decided there until it is", () => {
  expect(hostChecks(sound, { ...calm, isHalfTakenOver: true })[1]).toEqual({
    id: "takeover-unfinished",
    subject: host,
    level: "warn",
    params: { host },
  });
});

test("[S24] beside it stands what keeps it from being finished, for as long as it is not", () => {
  const takeoverHeldBy = { code: "takeover-heard-since", params: { host: "h2" } };
  const [, , why] = hostChecks(sound, { ...calm, isHalfTakenOver: true, takeoverHeldBy });
  expect(why).toEqual({ id: "takeover-heard-since", subject: host, level: "warn", params: { host: "h2" } });
  expect(told(hostChecks(sound, { ...calm, takeoverHeldBy }))).toEqual(["watchdog ok"]);
});

test("a clock that is far from the manager's is told, with its side", () => {
  const told = (offsetMs: number | null) =>
    withClock({ checks: [] }, host, offsetMs).checks.map(({ params }) => params);
  expect([...told(null), ...told(1_500), ...told(-1_500)]).toEqual([]);
  expect(told(2_000)).toEqual([{ host, seconds: 2, way: "ahead of" }]);
  expect(told(-7_500)).toEqual([{ host, seconds: 7.5, way: "behind" }]);
});

test("[S22] more heartbeats a second than the store bears are told, of the cluster", () => {
  expect(told(hostChecks(sound, { ...calm, hosts: 100 }))).toEqual(["watchdog ok"]);
  expect(hostChecks(sound, { ...calm, hosts: 101 })[1]).toMatchObject({
    id: "heartbeats-too-many",
    subject: "cluster",
    params: { perSecond: 202, most: 200 },
  });
  expect(told(hostChecks({ ...sound, profile: profiles.slow }, { ...calm, hosts: 200 }))).toEqual(["watchdog ok"]);
});

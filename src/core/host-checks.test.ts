import { expect, test } from "vitest";
import type { HostId } from "../model/ids.ts";
import { hostChecks } from "./host-checks.ts";
import { profiles } from "./limits.ts";

const host = "h1" as HostId;
const sound = { host, watchdog: "/dev/watchdog", profile: profiles.default };
const calm = { hosts: 3, slewPpm: null };
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

test("[S22] more heartbeats a second than the store bears are told, of the cluster", () => {
  expect(told(hostChecks(sound, { ...calm, hosts: 100 }))).toEqual(["watchdog ok"]);
  expect(hostChecks(sound, { ...calm, hosts: 101 })[1]).toMatchObject({
    id: "heartbeats-too-many",
    subject: "cluster",
    params: { perSecond: 202, most: 200 },
  });
  expect(told(hostChecks({ ...sound, profile: profiles.slow }, { ...calm, hosts: 200 }))).toEqual(["watchdog ok"]);
});

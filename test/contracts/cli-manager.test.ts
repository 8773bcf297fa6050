import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { keys } from "../../src/model/keys.ts";
import { type ApiHost, startApiHost } from "../support/api-host.ts";
import { begin, type Ended } from "../support/cli-run.ts";
import { host } from "../support/records.ts";

let api: ApiHost;
beforeEach(async () => {
  api = await startApiHost();
});
afterEach(async () => {
  await api.close();
});

function holdfast(...line: readonly string[]): Promise<Ended> {
  return begin(line, { HOLDFAST_SOCKET: api.socket }).ended;
}

async function done(...line: readonly string[]): Promise<string> {
  const { code, out, err } = await holdfast(...line);
  expect({ line, code, err }).toEqual({ line, code: 0, err: "" });
  return out;
}

describe("what people ask of the manager", () => {
  test("maintenance, quarantine and mode of a host, for people", async () => {
    expect(await done("host", "maintenance", "h2", "--reason", "new memory")).toBe(
      "h2 is in maintenance: it holds no VMs. End it with: holdfast host release h2\n",
    );
    const losses = { schema: 1, counted: 1, at: [1, 2, 3], quarantinedUntil: Date.now() + 600_000 };
    await api.put(keys.hostLosses(host("h2")), losses);
    const mode = { schema: 1, incarnation: 1, mode: "leaving", next: "reboot", at: 1 };
    await api.put(keys.hostMode(host("h1")), mode);
    expect(await done("host", "list")).toMatch(/^h1 .*up, leaving .*\nh2 .*up, maintenance, quarantine/mu);
    expect(await done("host", "show", "h2")).toMatch(
      /Held back +in maintenance by root since .+: new memory; in quarantine until /u,
    );
    expect(await done("host", "show", "h1")).toMatch(/Next +reboot \(leaving\)/u);
    expect(await done("host", "release", "h2")).toBe("h2 takes VMs again.\n");
    expect(await done("host", "show", "h2")).toMatch(/Held back +no\n/u);
  });

  test("disarm and arm", async () => {
    expect(await done("cluster", "disarm", "--mode", "ignore")).toContain("disarmed (ignore)");
    const status = await done("cluster", "status");
    expect(status).toMatch(/Armed +no: ignore, by root since /u);
    expect(status).toMatch(/WARN +The cluster is disarmed \(ignore\) by root\./u);
    expect(await done("cluster", "arm")).toBe("The cluster is armed.\n");
    expect(await done("cluster", "status")).toMatch(/Armed +yes/u);
  });

  test("the policy", async () => {
    const set = ["--scheduler", "dynamic", "--auto-rebalance", "on", "--threshold", "0.2", "--hold", "60"];
    const text = await done(
      "policy",
      "set",
      ...set,
      "--quarantine-losses",
      "0",
      "--return-after-maintenance",
      "always",
      "--host-reserve",
      "64",
    );
    expect(text).toMatch(/Auto-rebalance +on; bruteforce, threshold 0\.2, hold 60 s, margin 0\.1/u);
    expect(text).toMatch(/Quarantine +never/u);
    expect(await done("policy", "show")).toBe(text);
  });
});

test.each<[number, string, string[]]>([
  [1, "host-unknown", ["host", "maintenance", "nix"]],
  [1, "host-not-held-back", ["host", "release", "h1"]],
  [1, "cluster-armed-already", ["cluster", "arm"]],
  [1, "policy-nothing-to-change", ["policy", "set"]],
  [1, "policy-rebalance-needs-figures", ["policy", "set", "--auto-rebalance", "on"]],
  [1, "policy-losses-impossible", ["policy", "set", "--wanted-host-losses", "2"]],
  [1, "policy-reserve-too-large", ["policy", "set", "--host-reserve", "9999999"]],
])("exit %i, %s: %j", async (code, name, line) => {
  const { code: ended, out, err } = await holdfast(...line);
  expect([ended, out]).toEqual([code, ""]);
  expect(err).toMatch(/^Cause: {3}.+\nEffect: {2}.+\nRemedy: {2}.+\nCode: {4}.+\n$/u);
  expect(err).toContain(`Code:    ${name}\n`);
  expect(err).not.toMatch(/\?|\{|undefined/u);
});

test.each([
  ["cluster", "disarm"],
  ["cluster", "disarm", "--mode", "off"],
  ["policy", "set", "--threshold", "much"],
  ["policy", "set", "--shutdown-policy", "nix"],
])("what is not understood ends with 2: %s %s %s", async (...line) => {
  expect((await holdfast(...line)).code).toBe(2);
});

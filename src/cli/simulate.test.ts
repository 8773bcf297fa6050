import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cli } from "./index.ts";

const scenario = {
  format: "ha-scenario/1",
  name: "one-lost",
  timing: { roundSeconds: 20, endAfterLastCommandSeconds: 60 },
  nodes: ["a", "b", "c"].map((name) => ({ name, power: "off", network: "off" })),
  resources: [{ sid: "vm:1", type: "vm", node: "a", state: "started" }],
  options: { scheduler: { mode: "basic" } },
  commands: [
    { at: 20, commands: ["a", "b", "c"].map((node) => ({ op: "power", node, to: "on" })) },
    { at: 120, commands: [{ op: "power", node: "a", to: "off" }] },
  ],
};

async function simulate(content: string, ...more: readonly string[]) {
  return simulateUntil(new AbortController().signal, content, ...more);
}

async function simulateUntil(stop: AbortSignal, content: string, ...more: readonly string[]) {
  const said = { out: "", err: "" };
  const file = join(mkdtempSync(join(tmpdir(), "holdfast-simulate-")), "file.json");
  writeFileSync(file, content);
  const code = await cli(["simulate", file, ...more], {
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
    tty: false,
    env: {},
    stop,
  });
  rmSync(join(file, ".."), { recursive: true });
  return { code, ...said };
}

describe("holdfast simulate", () => {
  test("prints what the run came to, in the shape that a file expects", async () => {
    const { code, out } = await simulate(JSON.stringify(scenario), "--json");
    expect(code).toBe(0);
    const result = JSON.parse(out);
    expect(result.final.services["vm:1"]).toMatchObject({ requested: "started", managed: true, state: "started" });
    expect(result.final.nodes["a"]).toEqual({ managerView: "unknown", power: "off", network: "off" });
    expect(result.fencing).toMatchObject([{ node: "a" }]);
    expect(result.watchdogResets, "its power was off already").toEqual([]);
    expect(result.serviceTransitions.map(({ to }: { to: string }) => to)).toEqual(
      expect.arrayContaining(["request_start", "started", "fence", "recovery"]),
    );
    expect(result.invariants).toEqual({ neverTwoNodes: true, violations: [] });
  });

  test("tells it as a timeline for people", async () => {
    const { code, out } = await simulate(JSON.stringify(scenario));
    expect(code).toBe(0);
    expect(out).toMatch(/vm:1 +started -> fence at a/u);
    expect(out).toMatch(/At the end, after 280 s:/u);
    expect(out).toMatch(/vm:1 +started +started +[bc] +[bc]/u);
  });

  test("refuses a file with a wrong field: place, effect, remedy, and nothing is played", async () => {
    const { code, out, err } = await simulate(JSON.stringify({ ...scenario, resource: [] }));
    expect(code).toBe(2);
    expect(out).toBe("");
    expect(err).toMatch(/Cause: +\S+file\.json, at resource: /u);
    expect(err).toContain("Effect:  Nothing was played.");
    expect(err).toContain("Code:    scenario-file-broken");
  });

  test("can be broken off in its midst, and says so", async () => {
    const stop = new AbortController();
    setImmediate(() => stop.abort());
    const { code, out, err } = await simulateUntil(stop.signal, JSON.stringify(scenario));
    expect({ code, out }).toEqual({ code: 3, out: "" });
    expect(err).toContain("Code:    simulation-broken-off");
  });

  test("says which file it cannot read", async () => {
    const said: string[] = [];
    const io = { out: () => {}, err: (text: string) => said.push(text), tty: false, env: {} };
    const code = await cli(["simulate", join(tmpdir(), "holdfast-missing.json")], {
      ...io,
      stop: new AbortController().signal,
    });
    expect(code).toBe(2);
    expect(said.join("")).toMatch(/holdfast-missing\.json cannot be read \(ENOENT\)/u);
  });
});

import { describe, expect, test } from "vitest";
import { Agent, hostWith, seen, web } from "../../test/support/agent-rig.ts";
import { held, host, incarnation, vmId } from "../../test/support/records.ts";
import { keys } from "../model/keys.ts";
import type { Use } from "../ports/sensors.ts";

const key = keys.hostUsage(host("h1"));
const everyMs = 10_000;
const unknown = "unknown" as const;

function policy(agent: Agent, scheduler: object): void {
  agent.records.put(keys.policy, { schema: 1, hostReserveMiB: 0, scheduler });
  agent.changes();
}

/** `web` runs on h1, and everything else is at rest. */
function running(scheduler: object): Agent {
  const agent = new Agent(hostWith(1));
  agent.lists();
  agent.lists(seen(web(1)));
  agent.settles();
  policy(agent, scheduler);
  return agent;
}

/** What runs and the host have used so far, `atMs` later than nothing; undefined: it was not asked. */
function measured(agent: Agent, atMs: number, of: Use | "unknown", webUse: Use | "unknown" = unknown): boolean {
  const asked = agent.take("measure");
  if (asked === undefined) return false;
  const runs = asked.runs.map((run) => ({ run, use: webUse }));
  agent.tell({ kind: "measured", measurement: { atMs, host: of, runs } });
  return true;
}

const cpu = (cores: number, seconds: number, memoryMiB: number): Use => ({
  cpuUs: cores * seconds * 1_000_000,
  memoryMiB,
});

/** The next ten seconds with this much in use; what it counts has been as it is now since the beginning. */
function tenSeconds(agent: Agent, round: number, hostCores: number, webCores: number): void {
  agent.wait(everyMs);
  const seconds = round * 10;
  expect(measured(agent, seconds * 1_000, cpu(hostCores, seconds, 900), cpu(webCores, seconds, 80))).toBe(true);
}

/** How often it wants its figures written or removed. */
function commits(agent: Agent): number {
  let count = 0;
  for (const effect of agent.effects)
    if (effect.kind === "commit" && effect.transaction.writes.some((write) => write.key === key)) count += 1;
  return count;
}

describe("what a host uses, on record", () => {
  test("[PL4] nobody asks for it while hosts are compared by other figures", () => {
    for (const scheduler of [{ mode: "basic" }, { mode: "static" }]) {
      const agent = running(scheduler);
      for (let round = 0; round < 6; round++) agent.wait(everyMs);
      expect(agent.take("measure")).toBeUndefined();
      expect(commits(agent)).toBe(0);
    }
    expect(running({ autoRebalance: { enabled: true } }).take("measure")).toBeDefined();
  });

  test("[PL4] written as soon as there is a mean, for this registration only, and then once it has changed enough", () => {
    const agent = running({ mode: "dynamic" });
    expect(agent.effects.find((effect) => effect.kind === "measure")).toMatchObject({ runs: [web(1)] });
    expect(measured(agent, 0, cpu(0, 0, 900), cpu(0, 0, 80))).toBe(true);
    expect(commits(agent), "one moment is no mean").toBe(0);
    tenSeconds(agent, 1, 2, 1.5);
    expect(agent.written(key)).toEqual({
      schema: 1,
      incarnation: 1,
      host: { cores: 2, memoryMiB: 900 },
      vms: { "vm:web": { cores: 1.5, memoryMiB: 80 } },
      at: 0,
    });
    const sent = agent.effects.find((effect) => effect.kind === "commit");
    expect(sent?.kind === "commit" && sent.transaction.compares).toEqual([
      { kind: "absent", key },
      expect.objectContaining({ kind: "revision", key: keys.host(host("h1")) }),
      { kind: "absent", key: keys.fence(host("h1"), incarnation(1)) },
    ]);
    agent.settles();
    for (const round of [2, 3]) tenSeconds(agent, round, 2.02, 1.52);
    expect(commits(agent), "hardly changed").toBe(0);
    tenSeconds(agent, 4, 2.5, 1.5);
    expect(agent.written(key)).toMatchObject({ host: { cores: 2.67 }, vms: { "vm:web": { cores: 1.5 } } });
  });

  test("it is not asked again before ten seconds, nor while an answer is due", () => {
    const agent = running({ mode: "dynamic" });
    expect(agent.take("measure")).toBeDefined();
    for (let round = 0; round < 3; round++) agent.wait(everyMs);
    expect(agent.take("measure"), "the first answer is still due").toBeUndefined();
    agent.tell({ kind: "measured", measurement: { atMs: 1, host: unknown, runs: [] } });
    for (let waitedMs = 0; waitedMs < everyMs - 1_000; waitedMs += 1_000) agent.wait(1_000);
    expect(agent.take("measure")).toBeUndefined();
    agent.wait(1_000);
    expect(agent.take("measure")).toBeDefined();
  });

  test("a VM that went away is a change", () => {
    const agent = running({ mode: "dynamic" });
    measured(agent, 0, cpu(0, 0, 900), cpu(0, 0, 80));
    tenSeconds(agent, 1, 2, 0);
    agent.settles();
    agent.records.put(keys.owner(vmId("web")), held("h2", 1, 2));
    agent.wait(everyMs);
    expect(agent.effects.find((effect) => effect.kind === "measure")).toMatchObject({ runs: [] });
    measured(agent, 20_000, cpu(2, 20, 900));
    expect(agent.written(key)).toMatchObject({ vms: {} });
  });

  test("[PL4] the record goes when nobody wants it any more, and when nothing can be read for a whole window", () => {
    for (const trouble of ["policy", "unreadable"]) {
      const agent = running({ mode: "dynamic" });
      measured(agent, 0, cpu(0, 0, 900), unknown);
      tenSeconds(agent, 1, 2, 1);
      agent.settles();
      expect(agent.records.view.usages.size).toBe(1);
      if (trouble === "policy") policy(agent, { mode: "static" });
      else {
        for (const seconds of [20, 30, 40, 50]) {
          expect(commits(agent)).toBe(0);
          agent.wait(everyMs);
          measured(agent, seconds * 1_000, unknown, unknown);
        }
      }
      const gone = agent.effects.find((effect) => effect.kind === "commit");
      expect(gone?.kind === "commit" && gone.transaction.writes).toEqual([{ kind: "delete", key }]);
    }
  });
});

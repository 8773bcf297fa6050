import { expect, test } from "vitest";
import { Agent, hostWith } from "../../test/support/agent-rig.ts";
import { host, pool, Records, vm, vmId } from "../../test/support/records.ts";
import { limits } from "../core/limits.ts";
import type { PoolId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { PointProof } from "../model/point-proof.ts";
import type { Point } from "../model/point-records.ts";
import { withPoints } from "./note-points.ts";

const web = vmId("web");
const tested: PointProof = {
  ...{ point: "cycle-66", at: 9_000 as WallMs, tookMs: 4_000, passed: true, rpoMs: 5_000 },
  checks: [{ kind: "http", passed: true, detail: "" }],
};
const point = (id: string, at: number): Point => ({
  ...{ schema: 1, vm: web, id, host: host("h1"), at: at as WallMs, origin: "cycle", consistency: "crash" },
  ...{ sizeMiB: null, proof: null },
});

/** Of a test that has ended the agent of the points' host has not written anything yet. */
function agentThatTested(...left: readonly Point[]): Agent {
  const records = new Records().host("h1");
  records.put(keys.pool("local" as PoolId), pool("local", "local-dir")).put(keys.vm(web), vm("web"));
  for (const one of left) records.put(keys.point(web, one.id), one);
  const agent = new Agent(records);
  agent.lists();
  agent.lists();
  agent.state = withPoints(agent.state, { proofs: new Map([[web, tested]]) });
  agent.wait(limits.tickMs);
  return agent;
}

const recorded = (agent: Agent, id: string): Point | undefined =>
  agent.written(keys.point(web, id)) as Point | undefined;

test("[S20] what a test came to stands with its point", () => {
  const agent = agentThatTested(point("cycle-66", 4_000), point("cycle-67", 5_000));
  expect(recorded(agent, "cycle-66")?.proof).toEqual(tested);
  expect(recorded(agent, "cycle-67")).toBeUndefined();
});

test("[S20] where its point went while it was booted, the newest one that is left says what the test came to, once", () => {
  const agent = agentThatTested(point("cycle-70", 6_000), point("cycle-71", 7_000));
  expect(recorded(agent, "cycle-71")).toMatchObject({ proof: null, earlier: [tested] });
  expect(recorded(agent, "cycle-70")).toBeUndefined();
  agent.settles();
  agent.wait(limits.tickMs);
  expect(agent.state.points.proofs.size).toBe(0);
  expect(recorded(agent, "cycle-71")).toBeUndefined();
});

test("[S20] the last test is on record also after the clock was set back, and is not written again and again", () => {
  const before = { ...tested, at: 900_000 as WallMs, passed: false };
  const agent = agentThatTested({ ...point("cycle-71", 7_000), earlier: [before] });
  expect(recorded(agent, "cycle-71")).toMatchObject({ earlier: [tested] });
  agent.settles();
  agent.wait(limits.tickMs);
  expect(agent.state.points.proofs.size).toBe(0);
  expect(recorded(agent, "cycle-71")).toBeUndefined();
});

test("[S18, S20] what was kept before copies are written over is told as that, and not as a point that was taken", () => {
  const told = (origin: Point["origin"]): readonly string[] => {
    const agent = new Agent(hostWith(1));
    agent.lists();
    agent.lists();
    const kept = { ...point("b1", 4_000), host: host("h2"), origin };
    agent.state = withPoints(agent.state, { taken: new Map([[web, kept]]) });
    agent.wait(limits.tickMs);
    const types = agent.effects
      .flatMap((effect) => (effect.kind === "commit" ? effect.events : []))
      .map(({ type }) => type);
    return types.filter((type) => type.startsWith("point-"));
  };
  expect(told("branch-kept")).toEqual(["point-branch-kept"]);
  expect(told("branch")).toEqual(["point-branch-kept"]);
  expect(told("resync")).toEqual(["point-last-kept"]);
  expect(told("hand")).toEqual(["point-taken"]);
});

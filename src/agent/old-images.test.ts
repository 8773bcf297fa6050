import { expect, test } from "vitest";
import { Agent, hostWith } from "../../test/support/agent-rig.ts";
import { held, host, pool, vmId } from "../../test/support/records.ts";
import { limits } from "../core/limits.ts";
import type { PoolId, VolumeId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";

const web = vmId("web");
const key = keys.replica(web, "web-0" as VolumeId, host("h1"));

/** h1 has an image of `web`, which runs on h2, and nobody needs it. */
function agentWithSurplus(arrived?: true): Agent {
  const records = hostWith(null).host("h2");
  records.put(keys.owner(web), held("h2", 1, 1)).put(keys.pool("local" as PoolId), pool("local", "local-dir"));
  records.put(key, {
    ...{ schema: 1, vm: web, volume: "web-0", host: "h1", epoch: 1, pool: "local", receiver: null },
    state: { kind: "surplus", at: 0, ...(arrived === undefined ? {} : { arrived }) },
  });
  const agent = new Agent(records);
  agent.lists();
  agent.lists();
  return agent;
}

test("[S21] an image whose pool is not there is not called removed: why is told once, and it is removed once the pool is back", () => {
  const agent = agentWithSurplus();
  const told: string[] = [];
  const hear = (): void => {
    for (const effect of agent.effects)
      if (effect.kind === "commit")
        told.push(...effect.events.map(({ type, reason }) => `${type} ${reason?.code ?? ""}`));
  };
  const away = { kind: "refused", code: "pool-mark-missing", params: { pool: "local", path: "/local" } } as const;
  for (let attempt = 0; attempt < 3; attempt++) {
    agent.ends("remove-image", away);
    hear();
    agent.settles();
    agent.wait(limits.imageRetryMs);
  }
  expect(told).toEqual(["old-disks-not-removed pool-mark-missing"]);
  expect(agent.records.view.replicas.has(key)).toBe(true);
  agent.ends("remove-image");
  hear();
  expect(told.at(-1)).toBe("old-disks-removed ");
});

test("an image that somebody has open is tried again without a word", () => {
  const agent = agentWithSurplus();
  agent.ends("remove-image", { kind: "refused", code: "volume-in-use", params: { volume: "web-0", pool: "local" } });
  agent.wait(limits.imageRetryMs);
  expect(agent.effects.flatMap((effect) => (effect.kind === "commit" ? effect.events : []))).toEqual([]);
  expect(agent.take("remove-image")?.volume).toBe("web-0");
});

test("[S15] after a move that came to nothing only what was made for it is removed; anything else is left alone, and that is told", () => {
  const agent = agentWithSurplus(true);
  const asked = agent.effects.find((effect) => effect.kind === "remove-image");
  // The run that was to come has the epoch after its source's.
  expect(asked).toMatchObject({ volume: "web-0", arrivedFor: 2 });
  const params = { volume: "web-0", pool: "local", path: "/local/web-0.raw" };
  agent.ends("remove-image", { kind: "refused", code: "volume-not-of-move", params });
  const commits = agent.effects.flatMap((effect) => (effect.kind === "commit" ? [effect] : []));
  expect(commits.flatMap(({ events }) => events.map(({ type }) => type))).toEqual(["disk-left-alone"]);
  expect(commits.flatMap(({ transaction }) => transaction.writes)).toMatchObject([{ kind: "delete", key }]);
});

test("[S15] of any other image that nobody needs whatever lies there is meant", () => {
  expect(agentWithSurplus().effects.find((effect) => effect.kind === "remove-image")).toMatchObject({
    arrivedFor: null,
  });
});

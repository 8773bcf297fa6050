import { expect, test } from "vitest";
import { type Agent, hostWith, web as run, seen } from "../../test/support/agent-rig.ts";
import { agentOf, doors, switched } from "../../test/support/moving-rig.ts";
import { epoch, held, move, type Records, vmId } from "../../test/support/records.ts";
import { limits } from "../core/limits.ts";
import type { VolumeId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { GuestHealth } from "../ports/migration.ts";

const web = vmId("web");
const into = move("web", "h2", "h1", { epoch: epoch(1), live: { kind: "asked" } });
const silent: GuestHealth = { executes: true, agent: "silent" };
const answers: GuestHealth = { executes: true, agent: "answers" };

/** Its guest has just come in. */
function arrived(): Agent {
  const records = hostWith(null)
    .host("h2")
    .put(keys.owner(web), held("h2", 1, 1))
    .put(keys.vmMove(web), into);
  const agent = agentOf(records);
  agent.tell({ kind: "prepared", op: agent.take("prepare")?.op ?? -1, end: { kind: "waiting", doors } });
  agent.settles();
  agent.records.put(keys.owner(web), held("h1", 1, 2)).put(keys.vmMove(web), { ...into, live: switched });
  agent.changes();
  agent.settles();
  agent.ends("complete");
  agent.settles();
  return agent;
}

/** Answers the question that is open; undefined: none is. What was told of the agent in the guest since. */
function hears(agent: Agent, health: GuestHealth): readonly string[] | undefined {
  const question = agent.take("check");
  if (question === undefined) return undefined;
  agent.tell({ kind: "checked", op: question.op, health });
  const told = agent.effects.flatMap((effect) => (effect.kind === "commit" ? effect.events : []));
  agent.settles();
  return told.map(({ type }) => type).filter((type) => type.startsWith("guest-"));
}

/** Asked as long as it says nothing; until that is told. */
function untilToldSilent(agent: Agent): number {
  for (let waited = 0; waited <= 2 * limits.guestSilentMs; waited += limits.guestAskMs) {
    const told = hears(agent, silent);
    if (told?.length !== 0) {
      expect(told).toEqual(["guest-agent-silent"]);
      return waited;
    }
    agent.wait(limits.guestAskMs);
  }
  throw new Error("It was never told");
}

test("an agent that is late with its answer is asked again, and nobody is told anything", () => {
  const agent = arrived();
  expect(hears(agent, silent)).toEqual([]);
  expect(hears(agent, silent)).toBeUndefined();
  agent.wait(limits.guestAskMs);
  expect(hears(agent, silent)).toEqual([]);
  agent.wait(limits.guestAskMs);
  expect(hears(agent, answers)).toEqual([]);
  agent.wait(2 * limits.guestSilentMs);
  expect(hears(agent, silent)).toBeUndefined();
});

test("one that stays silent is told once, and again where it answers after all", () => {
  const agent = arrived();
  expect(untilToldSilent(agent)).toBe(limits.guestSilentMs);
  agent.wait(limits.guestAskLateMs);
  expect(hears(agent, silent)).toEqual([]);
  agent.wait(limits.guestAskLateMs);
  expect(hears(agent, answers)).toEqual(["guest-agent-answers"]);
  agent.wait(limits.guestAskLateMs);
  expect(hears(agent, answers)).toBeUndefined();
});

test("one that never answers is asked for some minutes, and then no more; nor where it does not run here any more", () => {
  const agent = arrived();
  untilToldSilent(agent);
  agent.wait(limits.guestWatchMs);
  expect(hears(agent, silent)).toEqual([]);
  agent.wait(limits.guestAskLateMs);
  expect(hears(agent, silent)).toBeUndefined();
  const gone = arrived();
  expect(hears(gone, silent)).toEqual([]);
  gone.records.put(keys.owner(web), held("h2", 1, 3));
  gone.changes();
  gone.wait(limits.guestAskMs);
  expect(hears(gone, silent)).toBeUndefined();
});

test("a guest that does not execute is told at once; one that stopped while its agent was awaited is none that the move harmed", () => {
  expect(hears(arrived(), { executes: false, agent: "absent" })).toEqual(["guest-stands-after-move"]);
  const agent = arrived();
  expect(hears(agent, silent)).toEqual([]);
  agent.wait(limits.guestAskMs);
  expect(hears(agent, { executes: false, agent: "absent" })).toEqual([]);
});

/** Where it came from its disk is kept until it is seen to live. */
const kept = keys.replica(web, "web-0" as VolumeId, into.from);
const keep = (records: Records) =>
  records.put(kept, {
    ...{ schema: 1, vm: web, volume: "web-0", host: into.from, epoch: 1, pool: "local", receiver: null },
    state: { kind: "stale", cause: "moved", whole: true, at: 0 },
  });

test("[S15] disks that were left at the source do not wait for the agent in the guest", () => {
  const agent = arrived();
  keep(agent.records);
  const question = agent.take("check");
  agent.tell({ kind: "checked", op: question?.op ?? -1, health: silent });
  expect(agent.written(kept)).toMatchObject({ state: { kind: "surplus" } });
});

test("the next agent, that only looks after what was left, tells nothing of the agent in the guest", () => {
  const agent = agentOf(
    keep(
      hostWith(1)
        .host("h2")
        .put(keys.owner(web), held("h1", 1, 2)),
    ),
    seen(run(2)),
  );
  expect(hears(agent, silent)).toEqual([]);
  agent.wait(limits.guestSilentMs);
  expect(hears(agent, silent)).toBeUndefined();
});

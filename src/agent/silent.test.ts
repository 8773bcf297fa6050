import { expect, test } from "vitest";
import { type Agent, hostWith, web as run, seen } from "../../test/support/agent-rig.ts";
import { agentOf, part, waiting } from "../../test/support/moving-rig.ts";
import { epoch, facts, held, host, incarnation, move, vmId } from "../../test/support/records.ts";
import { limits } from "../core/limits.ts";
import { isOverBy, silentSince } from "../core/silent-qemus.ts";
import { keys } from "../model/keys.ts";
import { messages } from "../model/messages/index.ts";
import type { Check } from "../model/reason.ts";
import type { HostFacts } from "../model/records.ts";
import type { RunningVm } from "../ports/hypervisor.ts";

const web = vmId("web");
const mute = (runs = run(1)): RunningVm => ({ ...seen(runs, "unresponsive"), adopted: false });

/** What the host says of its VMs, after a listing of each of these, in their turn. */
function says(agent: Agent, ...listings: readonly RunningVm[]): Check[] {
  for (const one of listings) {
    agent.lists(one);
    agent.settles();
    agent.wait(limits.agentListMs);
    agent.settles();
  }
  return [...((agent.records.view.facts.get(host("h1"))?.value as HostFacts | undefined)?.checks ?? [])];
}

function agentThatReads(...runs: readonly RunningVm[]): Agent {
  const agent = agentOf(hostWith(1), ...runs);
  agent.tell({ kind: "read", reading: facts({ incarnation: incarnation(1), checks: [] }) });
  agent.settles();
  return agent;
}

test("[S14] a QEMU that answers none of two listings is told by its host, with since when, until it answers again", () => {
  const agent = agentThatReads(seen(run(1)));
  expect(says(agent, mute())).toEqual([]);
  const [check, ...others] = says(agent, mute());
  expect(others).toEqual([]);
  const params = { host: "h1", vm: "web", epoch: 1, sinceWall: 0 };
  expect(check).toEqual({ id: "qemu-silent", subject: web, level: "fail", params });
  expect(messages.get("qemu-silent")).toHaveProperty("remedy");
  expect(agent.phaseOf(run(1))).toBe("running");
  expect(says(agent, mute(), mute())).toHaveLength(1);
  expect(says(agent, seen(run(1)))).toEqual([]);
});

test("[S14] a QEMU that was busy at one listing and the next but one is not told of", () => {
  const agent = agentThatReads(seen(run(1)));
  expect(says(agent, mute(), seen(run(1)), mute(), { ...mute(), state: "frozen" }, mute())).toEqual([]);
});

test("[S15] one that leaves is told of, one that waits for its guest, has handed it over, or is owned elsewhere is not", () => {
  const told = (runs: RunningVm, owner = held("h1", 1, 1)) => {
    const agent = agentThatReads();
    const moved = move("web", "h1", "h2", { epoch: epoch(1), live: waiting });
    agent.records.put(keys.owner(web), owner).host("h2").put(keys.vmMove(web), moved);
    return says(agent, runs, runs, runs).map(({ id }) => id);
  };
  const mutePart = (as: Parameters<typeof part>[1]) => ({ ...part(run(1), as), state: "unresponsive" as const });
  expect(told(mutePart("leaving"))).toEqual(["qemu-silent"]);
  expect(told(mutePart("handed"))).toEqual([]);
  expect(told(mutePart("arriving"))).toEqual([]);
  expect(told(mutePart("leaving"), held("h2", 1, 2))).toEqual([]);
});

test("[S14] what is being ended is not told of, and what a host said of one run speaks of no other", () => {
  const agent = agentThatReads(seen(run(1)));
  const [check] = says(agent, mute(), mute());
  if (check === undefined) throw new Error("h1 says nothing of its silent QEMU");
  const { records } = agent;
  expect(silentSince(records.view, web)).toBe(0);
  expect(isOverBy(records.view, "h1", check)).toBe(false);
  expect(isOverBy(records.view, "h2", check)).toBe(true);
  expect(isOverBy(records.view, "h2", { ...check, id: "watchdog" })).toBe(false);
  records.put(keys.owner(web), held("h1", 1, 2));
  expect(silentSince(records.view, web)).toBeNull();
  expect(isOverBy(records.view, "h1", check)).toBe(true);
  agent.changes();
  agent.settles();
  expect(records.view.facts.get(host("h1"))?.value.checks).toEqual([]);
});

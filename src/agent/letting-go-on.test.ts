import { expect, test } from "vitest";
import { type Agent, hostWith, web as run, seen } from "../../test/support/agent-rig.ts";
import { agentOf, moveOf, part, switched, waiting } from "../../test/support/moving-rig.ts";
import { epoch, held, move, vm, vmId } from "../../test/support/records.ts";
import { limits } from "../core/limits.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import type { HypervisorEnd } from "../ports/hypervisor.ts";

const web = vmId("web");
const failed = { kind: "failed", code: "move-cancelled", params: {} } as const;
const out = (more: Partial<VmMove> = {}) => move("web", "h1", "h2", { epoch: epoch(1), live: waiting, ...more });
const records = (more: Partial<VmMove> = {}) => hostWith(1).host("h2").put(keys.vmMove(web), out(more));
const silent: HypervisorEnd = { kind: "unknown", cause: "QEMU of web.1 does not answer" };

/** Its move is called off, and the guest is to be let go on. */
function calledOff(): Agent {
  const agent = agentOf(records({ answer: failed }), part(run(1), "leaving"));
  agent.settles();
  return agent;
}

/** The same, by the agent that has copied it. */
function calledOffByItself(): Agent {
  const agent = agentOf(records(), seen(run(1)));
  agent.ends("migrate-out", silent);
  agent.records.put(keys.vmMove(web), out({ answer: failed }));
  agent.changes();
  agent.lists(part(run(1), "leaving"));
  return agent;
}

/** In steps of half a second: each attempt ends like that, and a listing finds it as it was. Returns how many there were. */
function passes(agent: Agent, ms: number, end: HypervisorEnd = silent): number {
  let attempts = 0;
  for (let passed = 0; passed < ms; passed += 500) {
    if (agent.effects.some(({ kind }) => kind === "cancel-out")) {
      agent.ends("cancel-out", end);
      attempts += 1;
    }
    if (agent.effects.some(({ kind }) => kind === "list")) agent.lists(part(run(1), "leaving"));
    agent.wait(500);
  }
  return attempts;
}

function wants(agent: Agent, requested: "stopped" | "started"): void {
  agent.records.put(keys.vm(web), vm("web", { requested }));
  agent.changes();
}

const told = (agent: Agent) =>
  agent.effects.flatMap((effect) => (effect.kind === "commit" ? effect.events : [])).filter(isOfSilence);
const isOfSilence = ({ type }: { type: string }) => type === "guest-not-let-go-on";

test("[S15] a QEMU that does not answer is asked again with growing waits, and goes on by itself once it does", () => {
  const agent = calledOff();
  expect(passes(agent, 10_000)).toBeLessThan(8);
  expect(passes(agent, 60_000)).toBeGreaterThan(10);
  expect(agent.take("kill")).toBeUndefined();
  agent.wait(limits.moveStuckRetryMs);
  agent.ends("cancel-out");
  expect(agent.phaseOf(run(1))).toBe("running");
});

test("[S15] a QEMU that is said not to be there, and is listed all the same, is asked no oftener", () => {
  const agent = calledOff();
  const isGone: HypervisorEnd = { kind: "refused", code: "vm-not-running", params: {} };
  expect(passes(agent, 10_000, isGone)).toBeLessThan(8);
  expect(told(agent)).toEqual([]);
  passes(agent, limits.moveUnansweredToldMs, isGone);
  expect(told(agent)).toHaveLength(1);
});

test("[S15] that the guest may stand still is told once in a move, with what its QEMU came to, also where it says nothing at all", () => {
  const agent = calledOff();
  passes(agent, limits.moveUnansweredToldMs - 1_000);
  expect(told(agent)).toEqual([]);
  passes(agent, 60_000);
  const params = { vm: "web", host: "h1", seconds: 30, detail: "QEMU of web.1 does not answer" };
  expect(told(agent)).toEqual([expect.objectContaining({ params })]);
  const waits = calledOff();
  waits.wait(limits.moveUnansweredToldMs);
  expect(told(waits)).toHaveLength(1);
});

test("[S15] where the VM is to end, what says nothing for its grace is ended, and then the VM is free", () => {
  const agent = calledOff();
  passes(agent, 2_000);
  wants(agent, "stopped");
  passes(agent, 1_500);
  expect(agent.take("kill")).toBeUndefined();
  passes(agent, limits.moveUnansweredMs);
  expect(agent.take("stop")).toBeUndefined();
  agent.ends("kill");
  expect(agent.written(keys.owner(web))).toMatchObject({ kind: "released" });
});

test("[S15] it is ended while the attempt to let it go on is still under way", () => {
  const agent = calledOff();
  wants(agent, "stopped");
  agent.wait(limits.moveUnansweredMs);
  expect(agent.take("cancel-out")).toBeDefined();
  expect(agent.take("kill")?.run).toEqual(run(1));
});

test("[S15] a guest that QEMU refuses to let go on is ended at once where the VM is to end", () => {
  const agent = calledOff();
  agent.ends("cancel-out", { kind: "refused", code: "vm-image-locked", params: {} });
  agent.lists(part(run(1), "leaving"));
  wants(agent, "stopped");
  expect(agent.take("kill")?.run).toEqual(run(1));
});

test("[S15] what is wanted elsewhere is not ended for that: the guest may still come back", () => {
  const agent = calledOffByItself();
  passes(agent, 2 * limits.moveUnansweredToldMs);
  const { live: _, ...relocation } = out({ reason: { rule: "HM1", code: "again", params: {} } });
  agent.records.put(keys.vmMove(web), relocation);
  agent.changes();
  passes(agent, limits.moveUnansweredToldMs);
  expect(agent.take("kill")).toBeUndefined();
  expect(moveOf(agent)?.answer).toMatchObject({ kind: "failed", code: "vm-unresponsive" });
});

test("[S15] it is never ended while its move may still be handed over, whoever wants it stopped", () => {
  const open = agentOf(records(), part(run(1), "leaving"));
  open.wait(2 * limits.moveUnansweredMs);
  wants(open, "stopped");
  open.wait(2 * limits.moveUnansweredMs);
  expect(open.take("kill")).toBeUndefined();
  const handed = agentOf(records({ answer: failed }), part(run(1), "leaving"));
  handed.settles();
  passes(handed, 2 * limits.moveUnansweredMs);
  handed.records.put(keys.owner(web), held("h2", 1, 2)).put(keys.vmMove(web), out({ live: switched }));
  wants(handed, "stopped");
  passes(handed, 2 * limits.moveUnansweredMs);
  expect(handed.take("kill")).toBeUndefined();
  expect(handed.take("switch-over")?.run).toEqual(run(1));
});

test("[S15] another move of a VM that is to end does not keep it from that: it is failed first", () => {
  const agent = calledOffByItself();
  passes(agent, 2_000);
  agent.records.put(keys.vmMove(web), out({ live: { kind: "asked" }, reason: { rule: "HM1", code: "b", params: {} } }));
  wants(agent, "stopped");
  passes(agent, 2 * limits.moveUnansweredMs);
  expect(agent.take("kill")).toBeUndefined();
  expect(moveOf(agent)?.answer).toMatchObject({ kind: "failed", code: "move-not-wanted" });
  agent.settles();
  expect(agent.take("kill")?.run).toEqual(run(1));
});

test("[S15, S2] the silence of what its guards have frozen does not count", () => {
  const agent = calledOff();
  const beats = (frozen: boolean) => {
    const { heart } = agent.state;
    if (heart !== "lost") agent.tell({ kind: "heart", says: { ...heart, frozen } });
  };
  beats(true);
  wants(agent, "stopped");
  passes(agent, 2 * limits.moveUnansweredToldMs);
  expect(agent.take("kill")).toBeUndefined();
  beats(false);
  passes(agent, limits.moveUnansweredMs - 1_000);
  expect(agent.take("kill")).toBeUndefined();
  passes(agent, 3_000);
  expect(agent.take("kill")).toBeDefined();
  expect(told(agent)).toEqual([]);
});

test("[S15, HM2] what does not die either is in error, and killed again", () => {
  const agent = calledOff();
  wants(agent, "stopped");
  agent.wait(limits.moveUnansweredMs);
  agent.ends("cancel-out", silent);
  agent.ends("kill", { kind: "unknown", cause: "storage hangs" });
  for (let i = 0; i < 2; i++) agent.lists(part(run(1), "leaving"));
  expect(agent.take("kill")).toBeDefined();
  const events = agent.effects.flatMap((effect) => (effect.kind === "commit" ? effect.events : []));
  expect(events.map(({ type }) => type)).toContain("vm-stop-failed");
});

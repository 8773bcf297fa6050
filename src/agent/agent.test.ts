import { describe, expect, test } from "vitest";
import { Agent, hostWith, seen, web } from "../../test/support/agent-rig.ts";
import { fence, heartbeat, held, host, incarnation, vm, vmId } from "../../test/support/records.ts";
import { limits } from "../core/limits.ts";
import type { IntentId } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { systemActor } from "../model/records.ts";
import type { VmRun } from "../ports/hypervisor.ts";

/** `web` was placed on h1 as epoch 1 and is being started. */
function starting(): Agent {
  const agent = new Agent(hostWith(null));
  agent.lists();
  agent.lists();
  agent.records.put(keys.owner(vmId("web")), held("h1", 1, 1));
  agent.changes();
  expect(agent.phaseOf(web(1))).toBe("starting");
  return agent;
}

describe("what a list says", () => {
  test("[S14] a run that started while a list was under way is not taken for gone", () => {
    const agent = starting();
    agent.wait(limits.agentListMs);
    expect(agent.take("list"), "asked while web is being started").toBeDefined();
    agent.ends("start");
    agent.tell({ kind: "listed", runs: [], attached: [] });
    expect(agent.phaseOf(web(1))).toBe("running");
    expect(agent.written(keys.owner(vmId("web")))).toBeUndefined();
  });

  test("[S14] a run that ended while a list was under way is not taken for running again", () => {
    const agent = new Agent(hostWith(1));
    agent.lists();
    agent.lists(seen(web(1)));
    agent.records.put(keys.vm(vmId("web")), vm("web", { requested: "stopped" }));
    agent.changes();
    agent.wait(limits.agentListMs);
    expect(agent.take("list")).toBeDefined();
    agent.ends("stop");
    agent.tell({ kind: "listed", runs: [seen(web(1))], attached: [] });
    expect(agent.phaseOf(web(1))).toBe("gone");
  });

  test("a run whose end nobody told is found gone by the next list", () => {
    const agent = new Agent(hostWith(1));
    agent.lists();
    agent.lists(seen(web(1)));
    agent.wait(limits.agentListMs);
    agent.lists();
    expect(agent.written(keys.owner(vmId("web")))).toMatchObject({ kind: "held", epoch: 2 });
  });

  test("nothing is decided between a new incarnation and a list that was asked after it", () => {
    const agent = new Agent(hostWith(null));
    agent.records.put(keys.owner(vmId("web")), held("h1", 1, 1));
    agent.lists();
    agent.changes();
    expect(agent.take("start"), "the first list was asked before the heart spoke").toBeUndefined();
    agent.lists();
    expect(agent.take("start") ?? agent.written(keys.owner(vmId("web")))).toBeDefined();
  });

  test("a paused run that cannot answer now stays a paused one", () => {
    const agent = new Agent(hostWith(1));
    agent.lists();
    agent.lists(seen(web(1), "paused"));
    agent.wait(limits.agentListMs);
    agent.lists(seen(web(1), "frozen"));
    expect(agent.phaseOf(web(1))).toBe("paused");
  });
});

describe("the incarnation it acts for", () => {
  test("[S8] nothing is claimed for an incarnation before its first heartbeat: nobody could find it silent", () => {
    const records = hostWith(1);
    const registration = { schema: 1, incarnation: 2, nonce: "nonce-h1-2", machine: "h1", registeredAt: 0 };
    records.put(keys.fence(host("h1"), incarnation(1)), fence()).put(keys.host(host("h1")), registration);
    const agent = new Agent(records);
    agent.beats(2);
    agent.lists();
    agent.lists(seen(web(1), "frozen"));
    expect(agent.written(keys.owner(vmId("web")))).toBeUndefined();
    records.put(keys.heartbeat(host("h1"), incarnation(2)), heartbeat());
    agent.wait(1_000);
    expect(agent.written(keys.owner(vmId("web")))).toEqual(held("h1", 2, 2));
  });
});

describe("records that cannot be read", () => {
  test.each([keys.owner(vmId("web")), keys.vm(vmId("web"))])("[S14] a VM runs on while %s is unreadable", (key) => {
    const agent = new Agent(hostWith(1));
    agent.lists();
    agent.lists(seen(web(1)));
    agent.records.put(key, { schema: 2, what: "newer" });
    agent.changes();
    expect(agent.take("kill") ?? agent.take("stop")).toBeUndefined();
    expect(agent.phaseOf(web(1))).toBe("running");
  });
});

describe("an order to stop that is taken back", () => {
  const stopping = (): Agent => {
    const agent = new Agent(hostWith(1).put(keys.vm(vmId("web")), vm("web", { requested: "stopped", maxRestart: 0 })));
    agent.lists();
    agent.lists(seen(web(1)));
    agent.records.put(keys.vm(vmId("web")), vm("web", { maxRestart: 0 }));
    agent.changes();
    agent.effects = agent.effects.filter((effect) => effect.kind === "stop");
    return agent;
  };

  test("[S14] a VM stopped by order and wanted again at once is let go in order, and no failure is counted", () => {
    const agent = stopping();
    agent.ends("stop");
    expect(agent.written(keys.owner(vmId("web")))).toMatchObject({ kind: "released", failed: null, failedHosts: [] });
  });

  test("one whose stop came to nothing runs on", () => {
    const agent = stopping();
    agent.ends("stop", { kind: "unknown", cause: "test" });
    agent.lists(seen(web(1)));
    expect(agent.phaseOf(web(1))).toBe("running");
    expect(agent.written(keys.owner(vmId("web")))).toBeUndefined();
  });
});

describe("restarts", () => {
  test("a VM that ends again is started a second after its last start, at that very moment", () => {
    const agent = starting();
    agent.ends("start");
    const crash = (run: VmRun): void => {
      agent.effects = [];
      agent.tell({ kind: "vm", event: { kind: "exited", run, exit: "killed", detail: null } });
      agent.ends("kill");
    };
    crash(web(1));
    expect(agent.written(keys.owner(vmId("web")))).toMatchObject({ epoch: 2 });
    agent.records.put(keys.owner(vmId("web")), held("h1", 1, 2));
    agent.answerAll();
    agent.ends("start");
    agent.wait(300);
    crash(web(2));
    expect(agent.written(keys.owner(vmId("web")))).toBeUndefined();
    const wake = agent.effects.findLast((effect) => effect.kind === "wake-at");
    agent.wait((wake?.at ?? 0) - 10_300);
    expect(agent.written(keys.owner(vmId("web")))).toMatchObject({ epoch: 3 });
  });
});

describe("commits whose outcome is unknown", () => {
  const unknown = (agent: Agent): void => {
    const effect = agent.take("commit");
    if (effect === undefined) throw new Error("h1's agent commits nothing");
    agent.tell({ kind: "commit-ended", id: effect.id, end: { kind: "unknown", cause: "timeout: test" } });
  };

  test("a reset is carried out once, however often its answer has to be written", () => {
    const agent = new Agent(hostWith(1));
    agent.lists();
    agent.lists(seen(web(1)));
    agent.effects = [];
    const intent = { schema: 1, id: "i1", actor: systemActor, kind: "reset-vm", vm: vmId("web"), epoch: 1 };
    const key = keys.intent("i1" as IntentId);
    agent.records.put(key, { ...intent, answer: { kind: "open" }, at: 0 });
    agent.changes();
    expect(agent.take("reset")).toBeDefined();
    unknown(agent);
    agent.wait(1_000);
    expect(agent.written(key)).toMatchObject({ answer: { kind: "done" } });
    expect(agent.take("reset")).toBeUndefined();
  });

  test("a restart that is tried again counts once", () => {
    const agent = new Agent(hostWith(1).put(keys.vm(vmId("web")), vm("web", { maxRestart: 1 })));
    agent.lists();
    agent.lists(seen(web(1)));
    agent.effects = [];
    agent.tell({ kind: "vm", event: { kind: "exited", run: web(1), exit: "killed", detail: null } });
    agent.ends("kill");
    for (let tries = 0; tries < 3; tries++) {
      expect(agent.written(keys.owner(vmId("web"))), `try ${tries}`).toMatchObject({ kind: "held", epoch: 2 });
      while (agent.effects.some((effect) => effect.kind === "commit")) unknown(agent);
      agent.wait(1_000);
    }
  });
});

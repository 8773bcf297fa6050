import { describe, expect, test } from "vitest";
import { Agent, hostWith, seen, web } from "../../test/support/agent-rig.ts";
import { move, vm, vmId } from "../../test/support/records.ts";
import type { Epoch } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { systemActor } from "../model/records.ts";

describe("moves", () => {
  const moving = (): Agent => {
    const agent = new Agent(hostWith(1).put(keys.vmMove(vmId("web")), move("web", "h1", "h2", { epoch: 1 as Epoch })));
    agent.lists();
    agent.lists(seen(web(1)));
    return agent;
  };

  test("[HM1, S14] a VM that is moved away is stopped, and let go without a failure once nothing of it is left", () => {
    const agent = moving();
    expect(agent.written(keys.owner(vmId("web")))).toBeUndefined();
    agent.ends("stop");
    expect(agent.written(keys.owner(vmId("web")))).toMatchObject({ kind: "released", failed: null, epoch: 1 });
  });

  test("[HM2] a move whose VM does not stop is answered as failed, and the VM is not stopped again for it", () => {
    const agent = moving();
    agent.ends("stop", { kind: "unknown", cause: "test" });
    agent.lists(seen(web(1)));
    expect(agent.written(keys.vmMove(vmId("web")))).toMatchObject({
      answer: { kind: "failed", code: "vm-did-not-stop" },
    });
    expect(agent.take("stop")).toBeUndefined();
  });

  test("[HM1] a move of another run is none of this one's", () => {
    const agent = new Agent(hostWith(1).put(keys.vmMove(vmId("web")), move("web", "h1", "h2", { epoch: 9 as Epoch })));
    agent.lists();
    agent.lists(seen(web(1)));
    expect(agent.take("stop")).toBeUndefined();
  });
});

describe("stops that fail", () => {
  const unwanted = (requested: "stopped" | "disabled"): Agent => {
    const agent = new Agent(hostWith(1).put(keys.vm(vmId("web")), vm("web", { requested })));
    agent.lists();
    agent.lists(seen(web(1)));
    agent.ends("stop", { kind: "unknown", cause: "test" });
    agent.lists(seen(web(1)));
    return agent;
  };

  test("[HM2] a VM that cannot be stopped is in error, and the agent goes on trying", () => {
    const agent = unwanted("stopped");
    expect(agent.written(keys.vmPlan(vmId("web")))).toMatchObject({ error: { code: "vm-stop-failed" } });
    expect(agent.take("stop")).toBeDefined();
    expect(agent.written(keys.owner(vmId("web")))).toBeUndefined();
  });

  test("[HM2] disabling leads out of the error, and the VM is still not given up while it is there", () => {
    const agent = unwanted("disabled");
    expect(agent.written(keys.vmPlan(vmId("web")))).toBeUndefined();
    expect(agent.take("stop")).toBeDefined();
    expect(agent.written(keys.owner(vmId("web")))).toBeUndefined();
  });

  test("[S14] the order's own grace counts instead of the VM's", () => {
    const order = { schema: 1, vm: vmId("web"), order: { kind: "stop", graceMs: 0 }, actor: systemActor, at: 0 };
    const records = hostWith(1).put(keys.vm(vmId("web")), vm("web", { requested: "stopped" }));
    const agent = new Agent(records.put(keys.vmOrder(vmId("web")), order));
    agent.lists();
    agent.lists(seen(web(1)));
    expect(agent.take("stop")).toMatchObject({ graceMs: 0 });
  });
});

import { expect, test } from "vitest";
import { Agent, hostWith } from "../../test/support/agent-rig.ts";
import { held, vm, vmId } from "../../test/support/records.ts";
import { keys } from "../model/keys.ts";

const id = vmId("web");

/** `web` is placed on h1 as epoch 1, whose start is refused with this code. */
function refusedStart(code: string): Agent {
  const agent = new Agent(hostWith(null).put(keys.vm(id), vm("web", { maxRestart: 2 })));
  agent.lists();
  agent.lists();
  agent.records.put(keys.owner(id), held("h1", 1, 1));
  agent.changes();
  agent.ends("start", { kind: "refused", code, params: { vm: "web", detail: "unable to find CPU model 'Foo'" } });
  return agent;
}

test("[HM2] what another try here cannot mend is given up at once, with the hypervisor's words on record", () => {
  const agent = refusedStart("vm-cpu-model-unknown");
  const release = agent.effects.find((effect) => effect.kind === "commit" && effect.events[0]?.type === "vm-failed");
  if (release?.kind !== "commit") throw new Error("h1 did not give web up");
  const written = release.transaction.writes.map((write) => (write.kind === "put" ? JSON.parse(write.text) : null));
  expect(written).toMatchObject([
    { kind: "released", host: "h1", epoch: 1, failed: "start-failed", failedHosts: ["h1"] },
    { epoch: 1, phase: "failed", lastExit: "start-failed", detail: expect.stringContaining("CPU model 'Foo'") },
  ]);
  expect(release.transaction.compares).toContainEqual({ kind: "absent", key: keys.vmStatus(id) });
});

test("[HM2] anything else is tried again in place first", () => {
  const agent = refusedStart("vm-start-failed");
  expect(agent.written(keys.owner(id))).toMatchObject({ kind: "held", host: "h1", epoch: 2 });
});

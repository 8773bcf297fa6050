import { keys } from "../../src/model/keys.ts";
import type { VmMove } from "../../src/model/move-records.ts";
import type { Owner } from "../../src/model/records.ts";
import type { MovePart, RunningVm, VmRun } from "../../src/ports/hypervisor.ts";
import { Agent, seen } from "./agent-rig.ts";
import { incarnation, type Records, vmId } from "./records.ts";

// An agent with a part in a live move of `web`.

const web = vmId("web");
export const one = incarnation(1);
export const doors = [{ address: "10.0.1.2", port: 40_001 }];
export const waiting = { kind: "waiting", incarnation: one, doors, tls: true } as const;
export const switched = { kind: "switched", incarnation: one } as const;
export const part = (of: VmRun, move: MovePart): RunningVm => ({ ...seen(of, "paused"), move });

export function agentOf(records: Records, ...runs: readonly RunningVm[]): Agent {
  const agent = new Agent(records);
  agent.lists();
  agent.lists(...runs);
  return agent;
}

export const moveOf = (agent: Agent) => agent.written(keys.vmMove(web)) as VmMove | undefined;
export const ownerOf = (agent: Agent) => agent.written(keys.owner(web)) as Owner | undefined;

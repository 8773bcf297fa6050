import { describe, expect, test } from "vitest";
import { Agent, hostWith, web as run, seen } from "../../test/support/agent-rig.ts";
import { epoch, held, host, incarnation, move, type Records, vm, vmId } from "../../test/support/records.ts";
import { limits } from "../core/limits.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import type { Owner } from "../model/records.ts";
import type { MovePart, RunningVm, VmRun } from "../ports/hypervisor.ts";
import type { IncomingEnd } from "../ports/migration.ts";

const web = vmId("web");
const one = incarnation(1);
const doors = [{ address: "10.0.1.2", port: 40_001 }];
const waiting = { kind: "waiting", incarnation: one, doors } as const;
const switched = { kind: "switched", incarnation: one } as const;
const part = (of: VmRun, move: MovePart): RunningVm => ({ ...seen(of, "paused"), move });

function agentOf(records: Records, ...runs: readonly RunningVm[]): Agent {
  const agent = new Agent(records);
  agent.lists();
  agent.lists(...runs);
  return agent;
}

const moveOf = (agent: Agent) => agent.written(keys.vmMove(web)) as VmMove | undefined;
const ownerOf = (agent: Agent) => agent.written(keys.owner(web)) as Owner | undefined;

describe("the source", () => {
  const out = (more: Partial<VmMove> = {}) => move("web", "h1", "h2", { epoch: epoch(1), live: waiting, ...more });
  const source = (more: Partial<VmMove> = {}) => hostWith(1).host("h2").put(keys.vmMove(web), out(more));

  test("[S15] copies to the doors, hands over in one transaction, kills its copy, and says that it has quit", () => {
    const agent = agentOf(source(), seen(run(1)));
    expect(agent.take("migrate-out")?.request).toMatchObject({ to: "h2", doors, as: { epoch: 2, incarnation: 1 } });
    expect(ownerOf(agent)).toBeUndefined();
    const [op] = agent.state.ops.keys();
    agent.tell({ kind: "op-ended", op: op ?? -1, end: { kind: "done" } });
    expect(ownerOf(agent)).toMatchObject({ kind: "held", host: "h2", incarnation: 1, epoch: 2 });
    expect(moveOf(agent)?.live).toEqual(switched);
    agent.settles();
    expect(agent.take("kill")).toBeUndefined();
    agent.ends("switch-over");
    agent.ends("kill");
    const removed = agent.effects.flatMap((effect) => (effect.kind === "commit" ? effect.transaction.writes : []));
    expect(removed).toContainEqual({ kind: "delete", key: keys.vmMove(web) });
  });

  test("[S15] does not hand over what it copied for another move", () => {
    const agent = agentOf(source(), seen(run(1)));
    const begun = agent.take("migrate-out");
    agent.records.put(keys.vmMove(web), out({ reason: { rule: "HM1", code: "again", params: {} } }));
    agent.tell({ kind: "op-ended", op: begun?.op ?? -1, end: { kind: "done" } });
    expect(ownerOf(agent)).toBeUndefined();
    expect(agent.take("cancel-out")).toBeDefined();
  });

  test("[S15, S13] a new agent writes that the move has failed before it lets the guest go on", () => {
    const agent = agentOf(source(), part(run(1), "leaving"));
    expect(moveOf(agent)?.answer).toMatchObject({ kind: "failed", code: "move-interrupted" });
    expect(agent.take("cancel-out")).toBeUndefined();
    agent.settles();
    expect(agent.take("cancel-out")?.run).toEqual(run(1));
    expect(ownerOf(agent)).toBeUndefined();
  });

  test("[S15] a move that is called off is let go on at once, also while the guest is copied", () => {
    const agent = agentOf(source(), seen(run(1)));
    agent.take("migrate-out");
    agent.records.put(keys.vmMove(web), out({ answer: { kind: "failed", code: "move-cancelled", params: {} } }));
    agent.changes();
    expect(agent.take("cancel-out")?.run).toEqual(run(1));
  });

  test("[S15] a VM that is not wanted any more is called off first, then stopped", () => {
    const agent = agentOf(source(), seen(run(1)));
    agent.take("migrate-out");
    agent.records.put(keys.vm(web), vm("web", { requested: "stopped" }));
    agent.changes();
    expect(moveOf(agent)?.answer).toMatchObject({ kind: "failed", code: "move-overtaken" });
    expect(agent.take("stop")).toBeUndefined();
  });

  test("[S15] its copy is not killed for bearing an epoch that is another's: it is handed over", () => {
    const records = source({ live: switched }).put(keys.owner(web), held("h2", 1, 2));
    const agent = agentOf(records, part(run(1), "leaving"));
    expect(agent.take("kill")).toBeUndefined();
    expect(agent.take("switch-over")?.run).toEqual(run(1));
  });

  test("[S15] what is given back is taken over in its new epoch, and starts no second time", () => {
    const failed = { kind: "failed", code: "move-target-ended", params: {} } as const;
    const { live: _, ...rest } = out({ answer: failed });
    const records = source()
      .put(keys.vmMove(web), rest)
      .put(keys.owner(web), held("h1", 1, 3));
    const agent = agentOf(records, part(run(1), "handed"));
    expect(agent.take("start")).toBeUndefined();
    expect(agent.take("adopt")).toMatchObject({ run: run(1), as: run(3) });
  });
});

describe("the target", () => {
  const into = (more: Partial<VmMove> = {}) =>
    move("web", "h2", "h1", { epoch: epoch(1), live: { kind: "asked" }, ...more });
  const target = (more: Partial<VmMove> = {}) =>
    hostWith(null)
      .host("h2")
      .put(keys.owner(web), held("h2", 1, 1))
      .put(keys.vmMove(web), into(more));

  function prepared(agent: Agent, end: IncomingEnd = { kind: "waiting", doors }): void {
    agent.tell({ kind: "prepared", op: agent.take("prepare")?.op ?? -1, end });
  }

  /** The agent was there before the VM came to be its host's. */
  function handedTo(agent: Agent): void {
    agent.records.put(keys.owner(web), held("h1", 1, 2)).put(keys.vmMove(web), into({ live: switched }));
    agent.changes();
  }

  test("[S15] makes ready, says that it waits, and lets the guest go on only as its owner", () => {
    const agent = agentOf(target());
    prepared(agent);
    expect(moveOf(agent)?.live).toEqual(waiting);
    agent.settles();
    expect(agent.take("complete")).toBeUndefined();
    handedTo(agent);
    expect(agent.take("complete")).toMatchObject({ run: run(2), limitMs: limits.moveCompleteMs });
  });

  test("[S15] a refusal to make ready ends the move with its cause", () => {
    const agent = agentOf(target());
    prepared(agent, { kind: "refused", code: "move-no-address", params: { addresses: "" } });
    expect(moveOf(agent)?.answer).toMatchObject({ kind: "failed", code: "move-no-address" });
  });

  test("[S15] what waits and is known by no record is cleared away", () => {
    const agent = agentOf(target(), part(run(2), "incoming"));
    expect(agent.take("abandon")?.run).toEqual(run(2));
  });

  test("[S15] a copy that ended before it ran is given back to its source", () => {
    const agent = agentOf(target());
    prepared(agent);
    agent.settles();
    handedTo(agent);
    agent.take("complete");
    agent.tell({ kind: "move", event: { kind: "incoming-lost", run: run(2), detail: "" } });
    expect(ownerOf(agent)).toMatchObject({ host: "h2", epoch: 3 });
  });

  test("[S15] one that was let go on without an answer, and is gone, is not: it may have run", () => {
    const agent = agentOf(target());
    prepared(agent);
    agent.settles();
    handedTo(agent);
    agent.ends("complete", { kind: "unknown", cause: "test" });
    agent.lists();
    expect(ownerOf(agent)).toBeUndefined();
    expect(moveOf(agent)).toMatchObject({ live: switched, answer: { kind: "failed", code: "move-target-ended" } });
  });

  test("[S15] takes in no more guests at a time than the policy has it", () => {
    const records = target();
    for (const name of ["b", "c"])
      records
        .put(keys.vm(vmId(name)), vm(name))
        .put(keys.owner(vmId(name)), held("h2", 1, 1))
        .put(keys.vmMove(vmId(name)), move(name, "h2", "h1", { epoch: epoch(1), live: { kind: "asked" } }));
    const agent = agentOf(records);
    expect(agent.effects.filter(({ kind }) => kind === "prepare")).toHaveLength(2);
  });

  test("[S15] nothing comes to a host that goes down", () => {
    const mode = { schema: 1, incarnation: one, mode: "leaving", next: "reboot", at: 0 };
    const agent = agentOf(target().put(keys.hostMode(host("h1")), mode));
    expect(agent.take("prepare")).toBeUndefined();
  });
});

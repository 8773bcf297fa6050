import { describe, expect, test } from "vitest";
import { type Agent, hostWith, web as run, seen } from "../../test/support/agent-rig.ts";
import { agentOf, doors, moveOf, one, ownerOf, part, switched, waiting } from "../../test/support/moving-rig.ts";
import { epoch, facts, held, host, member, move, type Records, vm, vmId } from "../../test/support/records.ts";
import { limits } from "../core/limits.ts";
import { keys } from "../model/keys.ts";
import type { VmMove } from "../model/move-records.ts";
import { defaultPolicy } from "../model/policy.ts";
import type { VmStatus } from "../model/records.ts";
import type { IncomingEnd } from "../ports/migration.ts";

const web = vmId("web");

describe("the target", () => {
  const into = (more: Partial<VmMove> = {}) =>
    move("web", "h2", "h1", { epoch: epoch(1), live: { kind: "asked" }, ...more });
  const target = (more: Partial<VmMove> = {}) =>
    hostWith(null)
      .host("h2")
      .put(keys.owner(web), held("h2", 1, 1))
      .put(keys.vmMove(web), into(more));

  /** Two more that are to come, at the same time. */
  function targetOfThree(): Records {
    const records = target();
    for (const name of ["b", "c"])
      records
        .put(keys.vm(vmId(name)), vm(name))
        .put(keys.owner(vmId(name)), held("h2", 1, 1))
        .put(keys.vmMove(vmId(name)), move(name, "h2", "h1", { epoch: epoch(1), live: { kind: "asked" } }));
    return records;
  }

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

  test("that a guest leaves is said when its turn has come, not while it waits for it", () => {
    const agent = agentOf(targetOfThree());
    const said = () =>
      agent.effects.flatMap((effect) =>
        effect.kind === "commit" ? effect.events.map(({ type, params }) => [type, params["vm"]]) : [],
      );
    expect(said()).toEqual([]);
    prepared(agent);
    expect(said()).toEqual([["vm-leaves", "web"]]);
  });

  test("waits on the links of the policy, in its order, and says whether they ask for a certificate", () => {
    const links = ["10.0.1", "10.0.2", "10.0.3"].map((net) => ({ net, kind: "migration", subnet: `${net}.0/24` }));
    const records = target();
    for (const [n, name] of ["h1", "h2"].entries())
      records.put(
        keys.member(host(name)),
        member(name, {
          links: links.map(({ net, subnet }) => ({ kind: "migration", subnet, address: `${net}.${n + 1}` })),
        }),
      );
    records.put(keys.hostFacts(host("h2")), facts({ routedAddresses: ["10.0.1.2"] }));
    const addresses = (agent: Agent) => agent.take("prepare")?.request;
    expect(addresses(agentOf(records))).toMatchObject({ addresses: ["10.0.2.1", "10.0.3.1", "10.0.1.1"], tls: true });
    const migration = { ...defaultPolicy.migration, links: ["10.0.3.0/24", "10.0.1.0/24"], tls: false };
    const agent = agentOf(records.put(keys.policy, { ...defaultPolicy, migration }));
    expect(agent.take("prepare")?.request).toMatchObject({ addresses: ["10.0.3.1", "10.0.1.1"], tls: false });
    agent.tell({ kind: "prepared", op: [...agent.state.ops.keys()][0] ?? -1, end: { kind: "waiting", doors } });
    expect(moveOf(agent)?.live).toEqual({ ...waiting, tls: false });
  });

  test("a move between hosts that have no link in common fails before anything is started", () => {
    const migration = { ...defaultPolicy.migration, links: ["10.9.9.0/24"] };
    const agent = agentOf(target().put(keys.policy, { ...defaultPolicy, migration }));
    expect(agent.take("prepare")).toBeUndefined();
    expect(moveOf(agent)?.answer).toMatchObject({ kind: "failed", code: "move-no-common-link" });
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

  test("[S15, S13] one that an earlier agent let go on is told so again, also when its source has quit", () => {
    const records = target({ live: switched }).put(keys.owner(web), held("h1", 1, 2));
    const agent = agentOf(records, part(run(2), "arriving"));
    expect((agent.written(keys.vmStatus(web)) as VmStatus | undefined)?.phase).toBe("starting");
    agent.ends("complete");
    expect((agent.written(keys.vmStatus(web)) as VmStatus | undefined)?.phase).not.toBe("paused");
    expect(agent.phaseOf(run(2))).toBe("running");
    const alone = hostWith(1).put(keys.owner(web), held("h1", 1, 2));
    expect(agentOf(alone, part(run(2), "arriving")).take("complete")?.run).toEqual(run(2));
  });

  /** What is told with the first word that the guest goes on here. */
  const toldWith = (agent: Agent) =>
    agent.effects.flatMap((effect) => {
      const isStatus = (key: string): boolean => key === keys.vmStatus(web);
      const says = effect.kind === "commit" && effect.transaction.writes.some(({ key }) => isStatus(key));
      return says ? effect.events.map(({ type, params }) => [type, params["tookMs"]]) : [];
    });

  test("[S15] that it came here is told in the transaction that says it goes on, before its source may quit", () => {
    const agent = agentOf(target());
    prepared(agent);
    agent.settles();
    handedTo(agent);
    agent.settles();
    agent.wait(300);
    agent.ends("complete");
    const told = toldWith(agent);
    expect(told.map(([type]) => type)).toEqual(["vm-running", "vm-moved"]);
    expect(told[1]?.[1]).toBeGreaterThanOrEqual(300);
    agent.settles();
    agent.wait(limits.agentListMs);
    agent.lists(seen(run(2)));
    expect(toldWith(agent)).toEqual([]);
  });

  test("[S15, S13] where the agent died before it said so, the next one tells it, and none after it tells it again", () => {
    const records = target()
      .put(keys.owner(web), held("h1", 1, 2))
      .put(keys.vmMove(web), into({ live: switched }));
    const agent = agentOf(records, seen(run(2)));
    expect(toldWith(agent)).toEqual([
      ["vm-running", undefined],
      ["vm-moved", undefined],
    ]);
    agent.settles();
    expect(toldWith(agentOf(records, seen(run(2))))).toEqual([]);
  });

  test("[S15] one that was let go on and does not is ended, not given back: it may have run", () => {
    const agent = agentOf(target({ live: switched }).put(keys.owner(web), held("h1", 1, 2)), part(run(2), "arriving"));
    agent.ends("complete", { kind: "refused", code: "vm-image-locked", params: {} });
    expect(agent.take("abandon")).toBeUndefined();
    agent.ends("kill");
    expect(ownerOf(agent)).toBeUndefined();
    expect(moveOf(agent)).toMatchObject({ live: switched, answer: { kind: "failed", code: "move-target-ended" } });
  });

  test("[S15] takes in no more guests at a time than the policy has it", () => {
    const agent = agentOf(targetOfThree());
    expect(agent.effects.filter(({ kind }) => kind === "prepare")).toHaveLength(2);
  });

  test("an earlier copy here that does not end fails the move, and one that does not know its pools too", () => {
    const agent = agentOf(target(), seen(run(0)));
    agent.ends("kill", { kind: "unknown", cause: "test" });
    agent.lists(seen(run(0)));
    expect(moveOf(agent)?.answer).toMatchObject({ kind: "failed", code: "move-old-copy-there" });
    const unknown = agentOf(target().put(keys.vm(web), vm("web", { pool: "nowhere" })));
    expect(moveOf(unknown)?.answer).toMatchObject({ kind: "failed", code: "move-records-missing" });
  });

  test("[S15] nothing comes to a host that goes down", () => {
    const mode = { schema: 1, incarnation: one, mode: "leaving", next: "reboot", at: 0 };
    const agent = agentOf(target().put(keys.hostMode(host("h1")), mode));
    expect(agent.take("prepare")).toBeUndefined();
  });
});

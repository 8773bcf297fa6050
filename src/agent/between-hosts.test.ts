import { describe, expect, test } from "vitest";
import { Agent, hostWith, web as run, seen } from "../../test/support/agent-rig.ts";
import { cluster, knowledge, none } from "../../test/support/decision-rig.ts";
import { asked, codeOf } from "../../test/support/planned.ts";
import {
  epoch,
  fence,
  held,
  host,
  incarnation,
  move,
  type Records,
  status,
  vm,
  vmId,
} from "../../test/support/records.ts";
import { whatAFenceWouldStart } from "../core/decide-fences.ts";
import { decideVms } from "../core/decide-vms.ts";
import type { Decided } from "../core/decision.ts";
import { limits } from "../core/limits.ts";
import { planDeleteVm } from "../core/requests/change-vm.ts";
import { keys } from "../model/keys.ts";
import { type Owner, systemActor } from "../model/records.ts";
import type { RunningVm } from "../ports/hypervisor.ts";

const web = vmId("web");
const switched = { kind: "switched", incarnation: incarnation(1) } as const;
const gone = (of: string) => keys.fence(host(of), incarnation(1));

/** `web` was handed from h1 (epoch 4) to h2 (epoch 5); h1 has not quit. */
const between = (): Records =>
  cluster("replicated", held("h2", 1, 5)).put(keys.vmMove(web), move("web", "h1", "h2", { live: switched }));
const maintenance = { schema: 1, by: systemActor, reason: "test", at: 0 };
const decide = (records: Records): Decided => decideVms(records.view, knowledge(records), [], none);
const writes = (decided: Decided): string[] =>
  decided.decisions.flatMap(({ transaction }) => transaction.writes.map(({ kind, key }) => `${kind} ${key}`));
const events = ({ decisions, notices }: Decided): string[] => [
  ...decisions.flatMap((decision) => decision.events.map(({ type }) => type)),
  ...notices.map(({ event }) => event.type),
];

describe("between two hosts", () => {
  test("[S15] the manager leaves the move alone until the source is proven gone, and compares that proof", () => {
    const records = between().put(keys.vmStatus(web), status("h2", 1, 5, "running"));
    expect(writes(decide(records))).toEqual([]);
    records.put(gone("h1"), fence({ cause: "order", proofs: [] }));
    expect(writes(decide(records))).toEqual([]);
    expect(events(decide(records))).toEqual([]);
    // Where it does not run, or is to leave, that is what it waits for (S10).
    records.put(keys.vmStatus(web), status("h2", 1, 5, "starting"));
    expect(events(decide(records))).toEqual(["vm-waits-for-source"]);
    records.put(keys.vmStatus(web), status("h2", 1, 5, "running"));
    const [notice] = decide(records.put(keys.maintenance(host("h2")), maintenance)).notices;
    expect(notice?.event).toMatchObject({ type: "vm-waits-for-source", reason: { code: "proof-missing" } });
    records.put(gone("h1"), fence());
    const decided = decide(records);
    expect(writes(decided)).toEqual([`delete ${keys.vmMove(web)}`]);
    const revision = records.view.fences.get(host("h1"))?.get(incarnation(1))?.revision;
    const compare = { kind: "revision", key: gone("h1"), revision };
    expect(decided.decisions[0]?.transaction.compares).toContainEqual(compare);
  });

  test("[S15] a source that says nothing is named where the VM waits for it, and fenced once it is silent for long", () => {
    const records = between().put(keys.vmStatus(web), status("h2", 1, 5, "running"));
    const silent = knowledge(records, { h1: limits.moveSilentMs });
    const codes = () => decideVms(records.view, silent, [], none).notices.map(({ event }) => event.reason?.code);
    const isOfUse = () => whatAFenceWouldStart(records.view, host("h1"), incarnation(1), silent).startsElsewhere;
    expect([codes(), isOfUse()]).toEqual([[], false]);
    records.put(keys.maintenance(host("h2")), maintenance);
    expect([codes(), isOfUse()]).toEqual([["source-silent"], true]);
  });

  test("[S15, S10] the target's proof alone recovers nothing: the source's is waited for, by name", () => {
    const records = between().put(gone("h2"), fence());
    expect(decide(records)).toMatchObject({ decisions: [], notices: [] });
    records.put(gone("h1"), fence({ cause: "order", proofs: [] }));
    const [notice] = decide(records).notices;
    expect(notice?.event).toMatchObject({ type: "vm-waits-for-source", params: { host: "h1" } });
    records.put(gone("h1"), fence());
    expect(writes(decide(records))).toEqual([`delete ${keys.vmMove(web)}`]);
  });

  test("[S15] it starts nowhere and is not deleted, also where nobody is its owner any more", () => {
    const released: Owner = {
      schema: 1,
      kind: "released",
      host: host("h2"),
      epoch: epoch(5),
      failed: null,
      failedHosts: [],
    };
    const records = between().put(keys.owner(web), released);
    expect(events(decide(records))).toEqual([]);
    records.put(keys.vm(web), vm("web", { requested: "disabled" }));
    expect(codeOf(planDeleteVm(records.view, web, asked))).toBe("vm-not-stopped");
  });
});

describe("the agents", () => {
  const agentWith = (records: Records, ...runs: readonly RunningVm[]): Agent => {
    const agent = new Agent(records);
    agent.lists();
    agent.lists(...runs);
    return agent;
  };

  const at = () => hostWith(1).put(keys.vmMove(web), move("web", "h2", "h1", { epoch: epoch(0), live: switched }));

  test("[S15] the target starts and restarts nothing until the source has quit, and lets go nothing that it knows not", () => {
    const ended = agentWith(at());
    expect(ended.written(keys.owner(web))).toBeUndefined();
    const died = agentWith(at(), seen(run(1)));
    died.wait(limits.agentListMs);
    died.lists();
    expect(died.take("start")).toBeUndefined();
    expect(died.written(keys.owner(web))).toBeUndefined();
  });

  test("[S15] what runs at its target is stopped there and let go like any other, whatever has become of the source", () => {
    const agent = agentWith(at().put(keys.vm(web), vm("web", { requested: "stopped" })), seen(run(1)));
    agent.ends("stop");
    expect(agent.written(keys.owner(web))).toMatchObject({ kind: "released", host: "h1", epoch: 1 });
  });

  test("[S15] the source stops no guest that is being copied to a target that waits", () => {
    const live = { kind: "waiting", incarnation: incarnation(1), doors: [] } as const;
    const moved = (more: object) =>
      hostWith(1).put(keys.vmMove(web), move("web", "h1", "h2", { epoch: epoch(1), ...more }));
    expect(agentWith(moved({}), seen(run(1))).take("stop")).toBeDefined();
    expect(agentWith(moved({ live }), seen(run(1))).take("stop")).toBeUndefined();
  });
});

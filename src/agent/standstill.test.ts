import { describe, expect, test } from "vitest";
import { Agent, hostWith, seen, web } from "../../test/support/agent-rig.ts";
import { agentOf, part, switched } from "../../test/support/moving-rig.ts";
import { epoch, heartbeat, held, host, incarnation, move, vm, vmId } from "../../test/support/records.ts";
import { keys } from "../model/keys.ts";
import { type Event, type EventDraft, eventSchema } from "../model/records.ts";
import type { Touched } from "../model/view.ts";
import type { HeartSays } from "../ports/heart.ts";
import { standstillOf } from "./standstill.ts";

/** `web` runs on h1. */
function running(): Agent {
  const agent = new Agent(hostWith(1));
  agent.lists();
  agent.lists(seen(web(1)));
  agent.settles();
  return agent;
}

function says(agent: Agent, more: Partial<HeartSays>): void {
  const nonce = `nonce-h1-${more.incarnation ?? 1}` as never;
  const word = { phase: "beating", incarnation: incarnation(1), nonce, frozen: false, trouble: null } as const;
  agent.tell({ kind: "heart", says: { ...word, ...more } });
}

const frozen = { frozen: true, trouble: "heart-store-silent" };

/** The freezes that wait to be written, and the number of their transaction. */
function told(agent: Agent): { readonly id: number; readonly events: readonly EventDraft[] } | undefined {
  for (let commit = agent.take("commit"); commit !== undefined; commit = agent.take("commit"))
    if (commit.events.some(({ type }) => type === "vms-stood-still")) return commit;
  return undefined;
}

function freezes(agent: Agent, forMs: number): void {
  says(agent, frozen);
  agent.wait(forMs);
  says(agent, {});
}

describe("[S2] a freeze", () => {
  test("is known on its own host while it lasts, with the reason", () => {
    const agent = running();
    expect(standstillOf(agent.state)).toBeUndefined();
    says(agent, frozen);
    expect(standstillOf(agent.state)).toEqual({ since: 0, why: "heart-store-silent" });
    agent.tell({ kind: "heart", says: "lost" });
    expect(standstillOf(agent.state), "a heart that is gone says nothing").toBeUndefined();
    says(agent, {});
    expect(standstillOf(agent.state)).toBeUndefined();
  });

  test("[S15] of a host where a guest has not arrived, or that it has left, is no event of that guest", () => {
    const gone = hostWith(1)
      .put(keys.owner(vmId("web")), held("h2", 1, 2))
      .put(keys.vmMove(vmId("web")), move("web", "h1", "h2", { epoch: epoch(1), live: switched }));
    for (const agent of [agentOf(hostWith(1), part(web(2), "incoming")), agentOf(gone, part(web(1), "handed"))]) {
      says(agent, {});
      freezes(agent, 7_000);
      expect(told(agent)).toBeUndefined();
    }
  });

  test("is told once it is over, with its VMs and how long it was, and only once", () => {
    const agent = running();
    says(agent, frozen);
    agent.wait(7_000);
    expect(told(agent), "it lasts").toBeUndefined();
    says(agent, {});
    const sent = told(agent);
    expect(sent?.events).toMatchObject([
      {
        type: "vms-stood-still",
        subjects: { host: "h1" },
        params: { host: "h1", incarnation: 1, forMs: 7_000, vms: "web" },
        reason: { rule: "S2", code: "heartbeat-unconfirmed" },
      },
      {
        type: "vm-stood-still",
        subjects: { vm: "vm:web", host: "h1" },
        params: { vm: "web", host: "h1", forMs: 7_000 },
        reason: { rule: "S2", code: "heartbeat-unconfirmed" },
      },
    ]);
    const { revision } = agent.records.view;
    agent.tell({ kind: "commit-ended", id: sent?.id ?? 0, end: { kind: "committed", revision } });
    agent.wait(1_000);
    agent.changes();
    expect(told(agent)).toBeUndefined();
  });

  test("that comes while another one is being written is told after it", () => {
    const agent = running();
    freezes(agent, 100);
    const first = told(agent);
    freezes(agent, 250);
    expect(told(agent), "one at a time").toBeUndefined();
    const { revision } = agent.records.view;
    agent.tell({ kind: "commit-ended", id: first?.id ?? 0, end: { kind: "committed", revision } });
    agent.changes();
    expect(told(agent)?.events.map(({ params }) => params["forMs"])).toEqual([250, 250]);
  });

  test("whose telling had no answer is told again, unless the history has it", () => {
    const agent = running();
    freezes(agent, 100);
    const first = told(agent);
    agent.tell({ kind: "commit-ended", id: first?.id ?? 0, end: { kind: "unknown", cause: "late" } });
    agent.wait(5_000);
    const again = told(agent);
    expect(again?.events).toEqual(first?.events);
    agent.tell({ kind: "commit-ended", id: again?.id ?? 0, end: { kind: "unknown", cause: "late" } });
    agent.tell({ kind: "changed", touched: history(first?.events[0]) });
    agent.wait(5_000);
    expect(told(agent)).toBeUndefined();
  });

  test("of many VMs is told of as many as fit into one transaction, and the next freeze in one of its own", () => {
    const agent = running();
    const names = Array.from({ length: 150 }, (_, n) => `v${1_000 + n}`);
    for (const name of names) agent.records.put(keys.vm(vmId(name)), vm(name));
    const vms = names.map(vmId);
    const freeze = (at: number) => ({ incarnation: incarnation(1), at, since: at, vms, forMs: 9 }) as never;
    agent.state = { ...agent.state, still: { ...agent.state.still, untold: [freeze(1), freeze(2)] } };
    agent.changes();
    const first = told(agent);
    expect(first?.events.filter(({ type }) => type === "vms-stood-still")).toHaveLength(1);
    expect(first?.events.length).toBe(100);
    const { revision } = agent.records.view;
    agent.tell({ kind: "commit-ended", id: first?.id ?? 0, end: { kind: "committed", revision } });
    agent.changes();
    expect(told(agent)?.events[0]).toMatchObject({ type: "vms-stood-still", params: { sinceWall: 2 } });
  });

  test("in which nothing ran, and the one with which each incarnation begins, are nobody's business", () => {
    const empty = new Agent(hostWith(null));
    empty.lists();
    freezes(empty, 9_000);
    expect(told(empty)).toBeUndefined();
    const agent = running();
    const registration = { schema: 1, incarnation: 2, nonce: "nonce-h1-2", machine: "h1", registeredAt: 0 };
    agent.records.put(keys.host(host("h1")), registration);
    agent.records.put(keys.heartbeat(host("h1"), incarnation(2)), heartbeat());
    says(agent, { ...frozen, incarnation: incarnation(2) });
    expect(standstillOf(agent.state)).toEqual({ since: null, why: "heart-store-silent" });
    says(agent, { incarnation: incarnation(2) });
    agent.lists();
    expect(told(agent)).toBeUndefined();
  });

  test("[S1] that ended in a fence is not told by the next incarnation", () => {
    const agent = running();
    says(agent, frozen);
    says(agent, { ...frozen, phase: "fenced" });
    says(agent, { incarnation: incarnation(2) });
    expect(agent.state.still).toMatchObject({ open: null, untold: [] });
  });
});

function history(draft: EventDraft | undefined): Touched {
  const chained = { schema: 1, host: "h1", boot: "b", seq: 1, at: 0, previous: "" };
  const event: Event = eventSchema.parse({ ...chained, ...draft });
  const events = [{ event, revision: 99 as never }];
  return { heartbeats: [], tick: false, usages: false, others: false, vms: new Set(), events };
}

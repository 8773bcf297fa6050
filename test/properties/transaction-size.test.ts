import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decideFences, decideOrders } from "../../src/core/decide-fences.ts";
import { decideLosses } from "../../src/core/decide-losses.ts";
import { decideProofs } from "../../src/core/decide-proofs.ts";
import { decideTasks } from "../../src/core/decide-tasks.ts";
import { decideVms } from "../../src/core/decide-vms.ts";
import { keys } from "../../src/model/keys.ts";
import { type EventDraft, systemActor } from "../../src/model/records.ts";
import type { Transaction } from "../../src/model/transaction.ts";
import { transactionOpsMax } from "../../src/ports/store-rules.ts";
import { Agent, seen, web } from "../support/agent-rig.ts";
import { judge, knowledge, none } from "../support/decision-rig.ts";
import { fence, held, host, incarnation, move, plan, pool, Records, status, vm, vmId } from "../support/records.ts";
import { apart, ruleId, together } from "../support/rules.ts";

// Clusters with teams of up to sixty VMs, in the midst of orders, moves, losses and maintenance.

const hosts = ["h1", "h2", "h3"];
const drawnVm = fc.record({
  at: fc.constantFrom(...hosts),
  state: fc.constantFrom("runs", "runs", "runs", "starts", "free", "stopped", "new"),
  ordered: fc.constantFrom("no", "no", "h1", "h2", "h3", "stop"),
  moving: fc.constantFrom("no", "no", "h2", "h3"),
  planned: fc.constantFrom("no", "no", "returns", "failed", "error"),
});
const drawn = fc.record({
  vms: fc.array(drawnVm, { minLength: 1, maxLength: 120, size: "max" }),
  /** Everything runs on one host, and somebody orders the first VM away: as many as can be go along. */
  calm: fc.boolean(),
  team: fc.nat(60),
  second: fc.nat(40),
  fenced: fc.subarray(hosts),
  maintenance: fc.subarray(hosts),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

const name = (n: number): string => `v${100 + n}`;
const by = systemActor;

const runsOnH1: Drawn["vms"][number] = { at: "h1", state: "runs", ordered: "no", moving: "no", planned: "failed" };

function recordsOf({ vms: given, calm, team, second, fenced, maintenance }: Drawn, records: Records): Records {
  const vms = calm ? given.map((_, n) => (n === 0 ? { ...runsOnH1, ordered: "h2" } : runsOnH1)) : given;
  records.put(keys.pool("shared" as never), pool("shared", "replicated"));
  for (const [n, one] of vms.entries()) {
    const id = vmId(name(n));
    const requested = one.state === "stopped" ? "stopped" : "started";
    records.put(keys.vm(id), vm(name(n), { requested, memoryMiB: 16 }));
    const free = { schema: 1, kind: "released", host: host(one.at), epoch: 4, failed: null, failedHosts: [] };
    if (one.state === "runs" || one.state === "starts") records.put(keys.owner(id), held(one.at, 1, 4));
    else if (one.state !== "new") records.put(keys.owner(id), free);
    if (one.state === "runs") records.put(keys.vmStatus(id), status(one.at, 1, 4, "running"));
    const order = one.ordered === "stop" ? { kind: "stop", graceMs: 1 } : { kind: "migrate", to: one.ordered };
    if (one.ordered !== "no") records.put(keys.vmOrder(id), { schema: 1, vm: id, order, actor: by, at: 0 });
    if (one.moving !== "no") records.put(keys.vmMove(id), move(name(n), one.at, one.moving));
    if (one.planned === "returns") records.put(keys.vmPlan(id), plan({ returnTo: host("h1") }));
    if (one.planned === "failed")
      records.put(keys.vmPlan(id), plan({ failedMoves: { count: 1, to: host("h2"), code: "vm-did-not-stop" } }));
    if (one.planned === "error")
      records.put(keys.vmPlan(id), plan({ error: { code: "vm-stop-failed", params: {}, at: 0 as never } }));
  }
  const ids = (from: number, to: number): string =>
    vms
      .map((_, n) => name(n))
      .slice(from, to)
      .join(" ");
  const first = ids(0, team);
  const chained = ids(Math.max(0, team - 1), team + second);
  const others = ids(team + second, vms.length);
  if (first !== "") records.put(keys.rule(ruleId("team")), together("team", first));
  if (chained !== "") records.put(keys.rule(ruleId("next")), together("next", chained));
  if (others !== "") records.put(keys.rule(ruleId("off")), apart("off", others));
  if (calm) return records;
  for (const one of fenced) records.put(keys.fence(host(one), incarnation(1)), fence());
  for (const one of maintenance) records.put(keys.maintenance(host(one)), { schema: 1, by, reason: "", at: 0 });
  return records;
}

/** The committer adds an event's key to both. */
function fits({ compares, writes }: Transaction, events: readonly EventDraft[]): void {
  expect(compares.length + events.length).toBeLessThanOrEqual(transactionOpsMax);
  expect(writes.length + events.length).toBeLessThanOrEqual(transactionOpsMax);
}

const term = [{ kind: "absent", key: keys.managerTerm }] as const;

describe("what is decided fits into one transaction of the store", () => {
  test("[HM1] of a manager's, whatever belongs together", () => {
    let largest = 0;
    fc.assert(
      fc.property(drawn, (cluster) => {
        const records = new Records();
        for (const one of hosts) records.host(one, 1, { memoryForVmsMiB: 100_000 });
        const { view } = recordsOf(cluster, records);
        expect([...view.unreadable]).toEqual([]);
        const known = knowledge(records);
        const parts = [
          ...decideVms(view, known, term, none).decisions,
          ...decideFences(view, known, { ...judge, also: term }).decisions,
          ...decideOrders(view, known, judge.own, term).decisions,
          ...decideProofs(view, known, term).decisions,
          ...decideTasks(view, known, term, 64),
          ...decideLosses(view, known, term),
        ];
        for (const { transaction, events } of parts) {
          fits(transaction, events);
          largest = Math.max(largest, transaction.compares.length);
        }
      }),
    );
    expect(largest, "whole teams were moved").toBeGreaterThan(30);
  });

  test("[HM1] of an agent's, whatever its host holds", () => {
    let seenSome = 0;
    fc.assert(
      fc.property(drawn, (cluster) => {
        const records = new Records();
        for (const one of hosts) records.host(one, 1, { memoryForVmsMiB: 100_000 });
        const agent = new Agent(recordsOf(cluster, records));
        const running = cluster.vms.flatMap(({ at, state }, n) =>
          at === "h1" && state === "runs" ? [seen({ ...web(4), vm: vmId(name(n)) })] : [],
        );
        agent.lists();
        agent.lists(...running);
        agent.wait(1_000);
        for (const effect of agent.effects) {
          if (effect.kind !== "commit") continue;
          fits(effect.transaction, effect.events);
          seenSome += 1;
        }
      }),
    );
    expect(seenSome).toBeGreaterThan(20);
  });
});

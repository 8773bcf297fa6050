import { describe, expect, test } from "vitest";
import { cluster, judge, knowledge, none, written } from "../../test/support/decision-rig.ts";
import {
  epoch,
  fence,
  heartbeat,
  held,
  host,
  incarnation,
  type Records,
  status,
  vm,
  vmId,
} from "../../test/support/records.ts";
import type { InstantMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import type { Owner } from "../model/records.ts";
import { decideFences } from "./decide-fences.ts";
import { decideVms } from "./decide-vms.ts";
import type { Decided, ManagerKnowledge } from "./decision.ts";
import { isAwaited, whyVmsLeave } from "./host-standing.ts";

const h1 = host("h1");
const web = vmId("web");
const released: Owner = { schema: 1, kind: "released", host: h1, epoch: epoch(4), failed: null, failedHosts: [] };
const leftInOrder = fence({ cause: "self", by: h1, proofs: ["last-word"] });
const mode = (name: string, of = 1) => ({ schema: 1, incarnation: of, mode: name, next: "reboot", at: 0 });

/** `web` was let go by h1, which said that it reboots. */
const rebooting = (): Records => cluster("replicated", released).put(keys.hostMode(h1), mode("restart"));
/** It gave its last word, came up again, and has not said yet that it is back at work. */
const upAgain = (): Records =>
  rebooting()
    .put(keys.fence(h1, incarnation(1)), leftInOrder)
    .host("h1", 2);
const events = ({ decisions, notices }: Decided): string[] => [
  ...decisions.flatMap((decision) => decision.events.map(({ type }) => type)),
  ...notices.map(({ event }) => event.type),
];
const decide = (records: Records, known: ManagerKnowledge = knowledge(records)): string[] =>
  events(decideVms(records.view, known, [], none));

describe("a host that VMs wait for", () => {
  test.each([
    ["before its last word", rebooting, 1],
    ["once it was up again", upAgain, 2],
  ] as const)("[HM4, S8] lost %s, it is fenced although it holds nothing, and they start elsewhere", (_, made, n) => {
    const records = made();
    expect(decide(records)).toEqual(["vm-waits-for-host"]);
    const decided = decideFences(records.view, knowledge(records, { h1: 6_000 }), judge);
    expect(written(decided, keys.fence(h1, incarnation(n)))).toMatchObject({ cause: "silence" });
    records.put(keys.fence(h1, incarnation(n)), fence());
    expect(isAwaited(records.view, h1)).toBe(false);
    expect(decide(records, knowledge(records, { h1: 6_000 }))).toEqual(["vm-move-begun"]);
  });

  test("[S8] it is left alone where none of them would start elsewhere, and where none is wanted", () => {
    const full = rebooting().put(keys.vm(web), vm("web", { memoryMiB: 2_000 }));
    expect(decideFences(full.view, knowledge(full, { h1: 6_000 }), judge).decisions).toEqual([]);
    const stopped = rebooting().put(keys.vm(web), vm("web", { requested: "stopped" }));
    expect(decideFences(stopped.view, knowledge(stopped, { h1: 6_000 }), judge).decisions).toEqual([]);
  });

  test("[HM4] after its last word it is waited for as long as it takes", () => {
    const records = rebooting().put(keys.fence(h1, incarnation(1)), leftInOrder);
    const known = knowledge(records, { h1: 3_600_000 });
    expect(decideFences(records.view, known, judge).decisions).toEqual([]);
    expect(decide(records, known)).toEqual(["vm-waits-for-host"]);
  });

  test("[HM4, S13] up again without an agent, it is waited for no longer than for any other agent", () => {
    const records = upAgain();
    const silent = (agentAgeMs: number | null, heardForMs: number): string[] => {
      records.put(keys.heartbeat(h1, incarnation(2)), heartbeat({ agentAgeMs }));
      const known = knowledge(records);
      const contact = known.contacts.get(h1);
      if (contact === undefined) throw new Error("h1 was not heard");
      const agentLivedAt = (known.now - heardForMs) as InstantMs;
      return decide(records, { ...known, contacts: new Map(known.contacts).set(h1, { ...contact, agentLivedAt }) });
    };
    expect(silent(60_000, 90_000)).toEqual(["vm-waits-for-host"]);
    expect(silent(60_001, 90_000)).toEqual(["vm-move-begun"]);
    expect(silent(null, 60_000)).toEqual(["vm-waits-for-host"]);
    expect(silent(null, 60_001)).toEqual(["vm-move-begun"]);
  });
});

test("[HM4] what an earlier life of the host was about to do drives no VM away from this one", () => {
  const records = cluster("replicated", held("h1", 2, 4))
    .host("h1", 2)
    .put(keys.vmStatus(web), status("h1", 2, 4, "running"))
    .put(keys.hostMode(h1), mode("leaving", 1));
  expect(whyVmsLeave(records.view, h1)).toBeUndefined();
  expect(decide(records)).toEqual([]);
  records.put(keys.hostMode(h1), mode("leaving", 2));
  expect(decide(records)).toEqual(["vm-move-begun"]);
});

import { expect, test } from "vitest";
import { cluster } from "../../test/support/decision-rig.ts";
import {
  epoch,
  fence,
  held,
  host,
  incarnation,
  move,
  plan,
  type Records,
  vm,
  vmId,
} from "../../test/support/records.ts";
import { keys } from "../model/keys.ts";
import { type Owner, systemActor } from "../model/records.ts";
import { serviceState } from "./service-state.ts";

const web = vmId("web");
const at = (on: string, failedHosts: string[] = []): Owner => ({
  schema: 1,
  kind: "released",
  host: host(on),
  epoch: epoch(4),
  failed: null,
  failedHosts: failedHosts.map(host),
});
const wanted = (requested: "started" | "stopped" | "disabled" | "ignored") => (records: Records) =>
  records.put(keys.vm(web), vm("web", { requested }));
const lost = (kind: "replicated" | "shared-dir") => (): Records =>
  cluster(kind).put(keys.fence(host("h1"), incarnation(1)), fence());
const mode = (is: string) => (records: Records) =>
  records.put(keys.hostMode(host("h1")), { schema: 1, incarnation: 1, mode: is, next: "reboot", at: 0 });
const disarmed = (records: Records) => records.put(keys.disarm, { schema: 1, mode: "freeze", by: systemActor, at: 0 });

type Change = (records: Records) => Records;
const cases: readonly [string, () => Records, readonly Change[], string, string | null, string | null][] = [
  ["held and wanted", () => cluster("replicated"), [], "started", "h1", null],
  ["never had a host", () => cluster("replicated", null), [], "request_start", null, null],
  ["free and wanted", () => cluster("replicated", at("h2")), [], "started", "h2", null],
  ["held and disabled (Q14)", () => cluster("replicated"), [wanted("disabled")], "request_stop", "h1", null],
  ["free and not wanted", () => cluster("replicated", at("h2")), [wanted("stopped")], "stopped", "h2", null],
  ["ignored", () => cluster("replicated"), [wanted("ignored")], "ignored", "h1", null],
  ["lost without the proof", lost("shared-dir"), [], "fence", "h1", null],
  ["lost and proven gone", lost("replicated"), [], "recovery", "h1", null],
  ["being moved", () => cluster("replicated"), [moving({})], "migrate", "h1", "h2"],
  ["let go for its move", () => cluster("replicated", at("h1")), [moving({})], "migrate", "h1", "h2"],
  ["relocated", () => cluster("replicated"), [moving({ kind: "relocate" })], "relocate", "h1", "h2"],
  ["a move of an earlier run", () => cluster("replicated"), [moving({ epoch: epoch(3) })], "started", "h1", null],
  [
    "balanced before its start",
    () => cluster("replicated", at("h1")),
    [moving({ epoch: null, reason: { rule: "PL1", code: "best-at-start", params: {} } })],
    "request_start_balance",
    "h1",
    "h2",
  ],
  ["its move's holder is lost", lost("replicated"), [moving({})], "recovery", "h1", null],
  ["disarmed", () => cluster("replicated"), [disarmed], "freeze", "h1", null],
  ["disarmed while it moves", () => cluster("replicated"), [disarmed, moving({})], "migrate", "h1", "h2"],
  ["its host restarts", () => cluster("replicated", at("h1")), [mode("restart")], "freeze", "h1", null],
  ["its host shuts down", () => cluster("replicated"), [mode("shutdown")], "fence", "h1", null],
  ["freed by its host's shutdown", () => cluster("replicated", at("h1")), [mode("shutdown")], "recovery", "h1", null],
  ["given up", () => cluster("replicated", at("h1", ["h1", "h2"])), [], "error", "h1", null],
  [
    "in error",
    () => cluster("replicated", at("h1")),
    [
      (records) =>
        records.put(keys.vmPlan(web), plan({ error: { code: "vm-stop-failed", params: {}, at: 0 as never } })),
    ],
    "error",
    "h1",
    null,
  ],
];

function moving(more: Parameters<typeof move>[3]): Change {
  return (records) => records.put(keys.vmMove(web), move("web", "h1", "h2", more));
}

test.each(cases)("[HM2] %s", (_, begin, changes, state, on, target) => {
  const records = changes.reduce((done, change) => change(done), begin());
  expect(serviceState(records.view, web)).toEqual({ state, host: on, target });
});

test("[HM2] a host that was lost while it restarted in order is waited for by nobody", () => {
  const records = mode("restart")(cluster("replicated", at("h1")));
  records.put(keys.fence(host("h1"), incarnation(1)), fence());
  expect(serviceState(records.view, web).state).toBe("started");
  records.put(keys.fence(host("h1"), incarnation(1)), fence({ cause: "self", proofs: ["last-word"] }));
  expect(serviceState(records.view, web).state).toBe("freeze");
  expect(serviceState(records.put(keys.owner(web), held("h2", 1, 5)).view, web).state).toBe("started");
});

test("[S8] what a lost host holds waits for another one; what is disabled stands still, and nobody starts it", () => {
  const lostH1 = new Set(["h1"]);
  const state = (records: Records) => serviceState(records.view, web, lostH1).state;
  expect(state(cluster("replicated"))).toBe("recovery");
  expect(state(wanted("stopped")(cluster("replicated")))).toBe("recovery");
  expect(state(wanted("disabled")(cluster("replicated")))).toBe("stopped");
  expect(state(wanted("ignored")(cluster("replicated")))).toBe("ignored");
  expect(state(disarmed(cluster("replicated")))).toBe("freeze");
  expect(state(cluster("replicated", at("h1")))).toBe("started");
  expect(serviceState(cluster("replicated").view, web, new Set(["h2"])).state).toBe("started");
});

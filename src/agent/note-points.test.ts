import { expect, test } from "vitest";
import { host, vmId } from "../../test/support/records.ts";
import type { InstantMs, WallMs } from "../model/ids.ts";
import { emptyView } from "../model/view.ts";
import { startAgent } from "./agent.ts";
import { notePoint } from "./note-points.ts";
import type { AgentState } from "./state.ts";

const web = vmId("web");
const at = { now: 1_000 as InstantMs, wall: 0 as WallMs, view: emptyView() };
const refused = { kind: "refused", code: "proof-under-way", params: {} } as const;

function afterwards(kind: "take-point" | "prove-point", keeps?: string): AgentState["points"] {
  const begun = startAgent(host("h1"), "tcg", at.now);
  const about = { vm: web, ...(keeps === undefined ? {} : { keeps }) };
  const ops = new Map([[1, { kind, runKey: "", about }]]) as unknown as AgentState["ops"];
  const news = kind === "take-point" ? "point-taken" : "point-proven";
  return notePoint({ ...begun, ops }, { kind: news, op: 1, end: refused, ...at } as never).points;
}

test("[S20] a test failover that could not be made puts off the next test, and no point of the VM", () => {
  const { retries, testRetries } = afterwards("prove-point");
  expect([retries.get(web), testRetries.get(web)]).toEqual([undefined, expect.any(Number)]);
});

test("[S20] a last moment that could not be kept is tried again soon, because its copy waits for it", () => {
  const soon = afterwards("take-point", "1").retries.get(web) ?? 0;
  const later = afterwards("take-point").retries.get(web) ?? 0;
  expect([soon > at.now, later > soon]).toEqual([true, true]);
});

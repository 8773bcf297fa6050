import { expect, test } from "vitest";
import type { Answer } from "../api/server/ask.ts";
import { refuse } from "../model/reason.ts";
import type { ForceTruth } from "../ports/store-force.ts";
import { watchTakeoverMark } from "./takeover-mark.ts";

/** A host with the mark of a takeover whose store was forced. */
function marked() {
  const seen = {
    isUnfinished: true,
    became: "forced" as ForceTruth,
    finish: async (): Promise<Answer<unknown> | undefined> => undefined,
    logged: [] as string[],
  };
  const force = {
    isUnfinished: () => seen.isUnfinished,
    settle: (done: (became: ForceTruth) => void) => done(seen.became),
  };
  const mark = watchTakeoverMark(
    force,
    () => seen.finish(),
    (code) => seen.logged.push(code),
  );
  return { seen, mark };
}

test("[S24] what keeps a takeover from being finished is told once for each cause, for as long as it is so", async () => {
  const { seen, mark } = marked();
  const heard = refuse("takeover-heard-since", { host: "h2" });
  seen.finish = async () => heard;
  await mark.look();
  await mark.look();
  expect(seen.logged).toEqual(["takeover-heard-since"]);
  expect(mark.heldBy()).toEqual({ code: "takeover-heard-since", params: { host: "h2" } });
  seen.finish = async () => refuse("takeover-heard-since", { host: "h3" });
  await mark.look();
  seen.finish = async () => ({ kind: "ok", value: {} });
  await mark.look();
  expect(seen.logged).toEqual(["takeover-heard-since", "takeover-heard-since", "takeover-finished"]);
  expect(mark.heldBy()).toBeUndefined();
});

test("[S24] a failure on the way is told and tried again: the daemon does not end for it", async () => {
  const { seen, mark } = marked();
  seen.finish = () => Promise.reject(new Error("EROFS: read-only file system"));
  await mark.look();
  await mark.look();
  expect(seen.logged).toEqual(["takeover-look-failed"]);
  expect(mark.heldBy()?.params["cause"]).toContain("EROFS");
  seen.isUnfinished = false;
  expect(mark.heldBy()).toBeUndefined();
});

test("[S24] nothing is finished that was never forced, or of which nobody knows", async () => {
  const { seen, mark } = marked();
  let asked = 0;
  seen.finish = async () => {
    asked += 1;
    return undefined;
  };
  for (const became of ["never-came", "unknown"] as const) {
    seen.became = became;
    await mark.look();
  }
  expect([asked, seen.logged]).toEqual([0, ["takeover-never-came"]]);
});

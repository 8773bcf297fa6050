import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { WallMs } from "../../model/ids.ts";
import type { TakeoverPlan } from "../../model/takeover-plan.ts";
import type { ForceEnd, ForceTruth } from "../../ports/store-force.ts";
import { openStoreForce } from "./force.ts";
import { forcedMark, memberDataDir, startOrders } from "./member.ts";
import type { StoreMember } from "./membership.ts";
import type { EtcdStore } from "./store.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const voter = (name: string): StoreMember => ({ id: name, name, peerUrls: [], clientUrls: [], learner: false });
type Listed = Awaited<ReturnType<EtcdStore["membership"]["ownList"]>>;

/** A host with the mark of a takeover; `listed`: what its own member says, once it is asked. */
function marked(listed: () => Promise<Listed>) {
  const dir = mkdtempSync(join(tmpdir(), "hf-force-"));
  folders.push(dir);
  mkdirSync(join(dir, "run"));
  const mark = forcedMark(memberDataDir(dir));
  writeFileSync(mark, "");
  const store = { membership: { ownList: listed } } as EtcdStore;
  const force = openStoreForce({ runDir: join(dir, "run"), stateDir: dir, restart: ["true"] }, store);
  const settled = () => new Promise<ForceTruth>((resolve) => force.settle(resolve));
  return { dir, mark, force, settled, isMarked: () => existsSync(mark), order: startOrders(join(dir, "run")).force };
}

const plan = (at: number): TakeoverPlan => ({ schema: 1, at: at as WallMs, byItself: false, lost: [] });
const silent = () => marked(async () => ({ kind: "unknown", cause: "no leader" }));
const answers = (...members: readonly StoreMember[]) => marked(async () => ({ kind: "done", value: members }));

test("[S24] the mark of a takeover whose force never came goes once its members vote as before", async () => {
  const both = answers(voter("h1"), voter("h2"));
  expect(await both.settled()).toBe("never-came");
  expect(both.isMarked()).toBe(false);
  expect(await both.settled()).toBe("unknown");
});

test("[S24] it stays where the store was forced, or nobody knows whether it was", async () => {
  const forced = answers(voter("h1"));
  const joining = answers(voter("h1"), { ...voter("h2"), learner: true });
  for (const [one, became] of [
    [forced, "forced"],
    [joining, "unknown"],
    [silent(), "unknown"],
  ] as const) {
    expect(await one.settled()).toBe(became);
    expect(one.isMarked()).toBe(true);
  }
});

test("[S24] it stays where an order to force is on its way, which makes it anew", async () => {
  const ordered = answers(voter("h1"), voter("h2"));
  writeFileSync(ordered.order, "");
  expect(await ordered.settled()).toBe("unknown");
  const meanwhile = marked(async () => {
    writeFileSync(meanwhile.order, "");
    return { kind: "done", value: [voter("h1"), voter("h2")] };
  });
  expect(await meanwhile.settled()).toBe("unknown");
  expect([ordered.isMarked(), meanwhile.isMarked()]).toEqual([true, true]);
});

test("[S24] an order to force that an earlier daemon has left is nobody's any more", () => {
  const { force, order } = silent();
  writeFileSync(order, JSON.stringify(plan(1)));
  force.forgetOrder();
  expect(existsSync(order)).toBe(false);
  force.forgetOrder();
});

test("[S24] an order given anew takes the place of the one before in the mark, and is of this boot", () => {
  const { force, mark } = silent();
  writeFileSync(mark, JSON.stringify(plan(1)));
  expect([force.plan()?.at, force.isOfThisBoot()]).toEqual([1, false]);
  expect(force.note(plan(2))).toEqual({ kind: "done" });
  expect([force.plan()?.at, force.isOfThisBoot()]).toEqual([2, true]);
  expect(force.finished()).toEqual({ kind: "done" });
  expect([force.plan(), force.isUnfinished()]).toEqual([undefined, false]);
});

test("[S24] a disk that takes nothing is told, and ends no daemon", async () => {
  const { dir, force, mark, settled } = answers(voter("h1"), voter("h2"));
  rmSync(mark);
  mkdirSync(join(mark, "in the way"), { recursive: true });
  expect(force.finished().kind).toBe("failed");
  expect(force.note(plan(2)).kind).toBe("failed");
  expect(await settled()).toBe("unknown");
  rmSync(join(dir, "run"), { recursive: true });
  expect(await new Promise<ForceEnd>((done) => force.force(plan(3), done))).toMatchObject({ kind: "failed" });
});

import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { HostId, VmId, WallMs } from "../model/ids.ts";
import { type Event, systemActor } from "../model/records.ts";
import { canonicalText, hashOf, verifyChain } from "./events.ts";

const digest = (text: string) => createHash("sha256").update(text).digest("hex");

function chain(length: number): Event[] {
  const events: Event[] = [];
  for (let seq = 1; seq <= length; seq++) {
    const before = events.at(-1);
    events.push({
      schema: 1,
      host: "h1" as HostId,
      boot: "boot",
      seq,
      type: "vm-running",
      subjects: { vm: "vm:db" as VmId },
      params: { vm: "db", epoch: seq },
      reason: null,
      alternatives: [],
      actor: systemActor,
      at: seq as WallMs,
      previous: before === undefined ? "" : hashOf(before, digest),
    });
  }
  return events;
}

test("an untouched chain is intact, in any order and from any beginning", () => {
  const events = chain(4);
  expect(verifyChain(events, digest)).toEqual({ kind: "intact", events: 4 });
  expect(verifyChain([...events].reverse(), digest).kind).toBe("intact");
  expect(verifyChain(events.slice(2), digest).kind).toBe("intact");
});

test("a changed, a missing and a foreign event break it at the one that follows", () => {
  const events = chain(4);
  const changed = events.map((event) => (event.seq === 2 ? { ...event, params: { vm: "other" } } : event));
  expect(verifyChain(changed, digest)).toMatchObject({ kind: "broken", at: { seq: 3 }, cause: "hash" });
  const missing = events.filter((event) => event.seq !== 2);
  expect(verifyChain(missing, digest)).toMatchObject({ kind: "broken", at: { seq: 3 }, cause: "sequence" });
  const foreign = events.map((event) => (event.seq === 3 ? { ...event, boot: "another" } : event));
  expect(verifyChain(foreign, digest)).toMatchObject({ kind: "broken", cause: "chain" });
});

test("the text does not depend on the order of keys", () => {
  const [event] = chain(1);
  if (event === undefined) throw new Error("no event");
  const turned = Object.fromEntries(Object.entries(event).reverse()) as Event;
  expect(canonicalText(turned)).toBe(canonicalText(event));
});

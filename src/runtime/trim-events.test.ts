import { expect, test } from "vitest";
import { virtualClock } from "../../test/support/virtual-clock.ts";
import type { HostId, StoreKey } from "../model/ids.ts";
import { eventsPrefix, keys } from "../model/keys.ts";
import type { StoredValue } from "../ports/store.ts";
import { createMemoryStore } from "../sim/memory-store.ts";
import { trimEvents } from "./trim-events.ts";

const host = "h1" as HostId;

function storeWith(events: number) {
  const store = createMemoryStore({ schedule: (work) => work() });
  for (let seq = 1; seq <= events; seq++) {
    const key = keys.event(host, "boot", seq);
    store.commit({ compares: [{ kind: "absent", key }], writes: [{ kind: "put", key, text: "{}" }] }, 1_000, () => {});
  }
  const left = (): readonly StoredValue[] => {
    let values: readonly StoredValue[] = [];
    store.snapshot(eventsPrefix, (end) => {
      if (end.kind === "done") values = end.values;
    });
    return values;
  };
  return { store, left };
}

test("[S22] the store keeps the newest events, in order of revision, over more than one transaction", () => {
  const { store, left } = storeWith(350);
  const clock = virtualClock();
  trimEvents(store, clock, () => true, { everyMs: 1_000, keepEvents: 50 });
  clock.advance(1_000);
  const expected: StoreKey[] = Array.from({ length: 50 }, (_, i) => keys.event(host, "boot", 301 + i));
  expect(
    left()
      .map((value) => value.key)
      .sort(),
  ).toEqual(expected.sort());
});

test("[S22] a host that is not the manager's removes nothing, and looks again later", () => {
  const { store, left } = storeWith(10);
  const clock = virtualClock();
  let mine = false;
  trimEvents(store, clock, () => mine, { everyMs: 1_000, keepEvents: 5 });
  clock.advance(3_000);
  expect(left()).toHaveLength(10);
  mine = true;
  clock.advance(1_000);
  expect(left()).toHaveLength(5);
});

import { describe, expect, test } from "vitest";
import { host, incarnation, member, Records } from "../../test/support/records.ts";
import { keys } from "../model/keys.ts";
import { whyNoMajority } from "./admission.ts";
import {
  isRemoved,
  isToTakeOut,
  joinedStoreTransaction,
  joinsStore,
  leavingStore,
  leftStoreTransaction,
  votesOf,
} from "./removal.ts";
import { isToRejoin, rejoinedTransaction } from "./takeover.ts";

const [h3, h4] = [host("h3"), host("h4")];
const by = { name: "root", role: "admin", requestId: "" };
const removal = (store: "voting" | "left", takenBackAt: number | null = null) => {
  return { schema: 1, member: member("h4"), device: null, incarnation: 3, store, takenBackAt, by, at: 0 };
};

const three = () => new Records().host("h1").host("h2").host("h3");

describe("votes of the store", () => {
  test("[HM7] a removed host counts until its member has left, one that was taken back from when it has joined", () => {
    const records = three().put(keys.removedHost(h4), removal("voting"));
    expect(leavingStore(records.view).map(({ member: { id } }) => id)).toEqual(["h4"]);
    expect(votesOf(records.view)).toBe(4);
    const lost = new Set([h3]);
    const isThere = () => true;
    expect(whyNoMajority(records.view, isThere, lost)).toMatchObject({ params: { left: 2, votes: 4 } });
    records.put(keys.removedHost(h4), removal("left"));
    expect(whyNoMajority(records.view, isThere, lost)).toBeUndefined();
    records.put(keys.member(h4), member("h4", { joinsStore: true }));
    expect(votesOf(records.view)).toBe(3);
    expect(whyNoMajority(records.view, isThere, new Set([h3, host("h2")]))).toMatchObject({
      params: { left: 1, votes: 3 },
    });
  });

  test("[HM7] a member is taken out by whoever manages, and only while the record says that it still has to leave", () => {
    const records = three().put(keys.removedHost(h4), removal("voting"));
    expect(isToTakeOut(records.view, h4, h3)).toBe(false);
    records.put(keys.managerTerm, { schema: 1, term: 1, host: h3, at: 0 });
    expect(isToTakeOut(records.view, h4, h3)).toBe(true);
    expect(isToTakeOut(records.view, h4, host("h1"))).toBe(false);
    records.put(keys.removedHost(h4), removal("left"));
    expect(isToTakeOut(records.view, h4, h3)).toBe(false);
  });

  test("[HM7] that a member has left, and that it has joined, is said once", () => {
    const records = three().put(keys.removedHost(h4), removal("voting"));
    const left = leftStoreTransaction(records.view, h4);
    expect(left?.writes).toMatchObject([{ key: keys.removedHost(h4), text: expect.stringContaining('"left"') }]);
    records.put(keys.removedHost(h4), removal("left"));
    expect(leftStoreTransaction(records.view, h4)).toBeUndefined();
    records.put(keys.member(h4), member("h4", { joinsStore: true }));
    expect(joinedStoreTransaction(records.view, h4)?.writes).toMatchObject([
      { key: keys.member(h4), text: expect.not.stringContaining("joinsStore") },
    ]);
    expect(rejoinedTransaction(records.view, h4)).toEqual(joinedStoreTransaction(records.view, h4));
    expect(rejoinedTransaction(records.view, h3)).toBeUndefined();
  });
});

test("[HM7] out is who was removed and is no member; its member joins the store once its next life is heard", () => {
  const records = three().put(keys.removedHost(h4), removal("left"));
  expect([h3, h4].map((id) => isRemoved(records.view, id))).toEqual([false, true]);
  records.put(keys.member(h4), member("h4", { joinsStore: true })).put(keys.removedHost(h4), removal("left", 1));
  expect(isRemoved(records.view, h4)).toBe(false);
  expect(isToRejoin(records.view, h4, "host")).toBe(false);
  records.host("h4", 4).put(keys.member(h4), member("h4", { joinsStore: true }));
  expect(isToRejoin(records.view, h4, "host")).toBe(true);
  expect(records.view.hosts.get(h4)?.value.incarnation).toBe(incarnation(4));
  // A witness has no heart that would be heard.
  records.put(keys.member(host("w1")), member("w1", { role: "witness", joinsStore: true }));
  expect(joinsStore(records.view, host("w1"))).toBe(true);
  expect(joinsStore(records.view, h3)).toBe(false);
});

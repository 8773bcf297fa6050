import { expect, test } from "vitest";
import type { Revision } from "../../model/ids.ts";
import { keepOnce } from "./housekeeping.ts";
import type { MemberHealth, StoreMaintenance } from "./maintenance.ts";

const member = (endpoint: string, leads: boolean, dbBytes: number, dbUsedBytes: number): MemberHealth => ({
  kind: "answered",
  endpoint,
  memberId: endpoint,
  version: "3.4.23",
  dbBytes,
  dbUsedBytes,
  leads,
  knowsLeader: true,
  learner: false,
  revision: 40 as Revision,
});

function recording(members: readonly MemberHealth[], full: boolean, hung?: string) {
  const done: string[] = [];
  const fine = { kind: "done", value: null } as const;
  const maintenance: StoreMaintenance = {
    health: async () => members,
    alarms: async () => ({ kind: "done", value: full ? [{ memberId: "a", alarm: "NOSPACE" as const }] : [] }),
    compact: async (revision) => {
      done.push(`compact ${revision}`);
      return fine;
    },
    moveLeader: async () => ({ kind: "done", value: null }),
    defragment: async (endpoint) => {
      done.push(`defragment ${endpoint}`);
      return endpoint === hung ? { kind: "unknown", cause: "deadline" } : fine;
    },
    disarmNoSpace: async () => {
      done.push("disarm");
      return fine;
    },
  };
  return { done, house: { maintenance, isMine: () => true, log: (code: string) => void done.push(code) } };
}

const three = [member("a", true, 300e6, 100e6), member("b", false, 300e6, 100e6), member("c", false, 100e6, 90e6)];

test("[S22] NOSPACE: compaction, one member after the other with the leader last, then the alarm is lifted", async () => {
  const { done, house } = recording(three, true);
  await keepOnce(house);
  const order = ["store-out-of-space", "compact 40", "defragment b", "defragment c", "defragment a", "disarm"];
  expect(done).toEqual([...order, "store-space-made"]);
});

test("[S22] without the alarm only members with much free space are defragmented", async () => {
  const { done, house } = recording(three, false);
  await keepOnce(house);
  expect(done).toEqual(["defragment b", "defragment a"]);
});

test("[S22] a member that does not answer ends the round: the next one is not taken away as well", async () => {
  const { done, house } = recording(three, true, "b");
  await keepOnce(house);
  expect(done).toEqual(["store-out-of-space", "compact 40", "defragment b", "store-housekeeping-failed"]);
});

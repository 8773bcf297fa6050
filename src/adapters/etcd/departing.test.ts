import { expect, test } from "vitest";
import type { HostId } from "../../model/ids.ts";
import { type Departing, departOnce } from "./departing.ts";
import type { MaintenanceEnd } from "./maintenance.ts";
import type { StoreMember } from "./membership.ts";

const host = "h4" as HostId;
const departure = { host, addresses: ["10.0.0.4"] };

function member(id: string, name: string, address: string): StoreMember {
  return { id, name, peerUrls: [`https://${address}:2380`], clientUrls: [], learner: false };
}

const others = [member("a", "h1", "10.0.0.1"), member("b", "h40", "10.0.0.40")];

function rig(
  members: readonly StoreMember[],
  end: MaintenanceEnd<null> = { kind: "done", value: null },
  isStillDue = true,
) {
  const seen: string[] = [];
  const departing: Departing = {
    membership: {
      list: async () => ({ kind: "done", value: members }),
      remove: async (id) => {
        seen.push(`removes ${id}`);
        return end;
      },
    },
    isMine: () => true,
    due: () => [departure],
    isStillDue: async () => {
      seen.push("asks");
      return isStillDue;
    },
    left: (who) => seen.push(`left ${who}`),
    log: (code) => seen.push(code),
  };
  return { departing, seen };
}

test("[HM7] the member of a removed host is taken out of the store, and no other one", async () => {
  const { departing, seen } = rig([...others, member("c", "h4", "10.0.0.4")]);
  await departOnce(departing, departure);
  expect(seen).toEqual(["asks", "removes c", "left h4"]);
});

test("[HM7] one that was never started has no name: its address tells it", async () => {
  const { departing, seen } = rig([...others, member("c", "", "10.0.0.4")]);
  await departOnce(departing, departure);
  expect(seen).toEqual(["asks", "removes c", "left h4"]);
});

test("[HM7] one that is gone already is left by record all the same: the look before was cut off", async () => {
  const { departing, seen } = rig(others);
  await departOnce(departing, departure);
  expect(seen).toEqual(["left h4"]);
});

test("[HM7] where the store does not take it out, nothing is said to have happened", async () => {
  const unhealthy = { kind: "unknown", cause: "unhealthy cluster" } as const;
  const { departing, seen } = rig([...others, member("c", "h4", "10.0.0.4")], unhealthy);
  await departOnce(departing, departure);
  expect(seen).toEqual(["asks", "removes c", "store-member-not-removed"]);
});

test("[HM7] who looks late, and is told that the host was taken back or that another one manages, takes nobody out", async () => {
  const members = [...others, member("c", "h4", "10.0.0.4")];
  const { departing, seen } = rig(members, { kind: "done", value: null }, false);
  await departOnce(departing, departure);
  expect(seen).toEqual(["asks"]);
});

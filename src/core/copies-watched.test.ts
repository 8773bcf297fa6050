import { expect, test } from "vitest";
import { facts, host, incarnation } from "../../test/support/records.ts";
import { ReplicaCluster, there, web } from "../../test/support/replicas.ts";
import type { GroupId, WallMs } from "../model/ids.ts";
import { keys } from "../model/keys.ts";
import { messages } from "../model/messages/index.ts";
import type { Check } from "../model/reason.ts";
import type { Group } from "../model/replication-records.ts";
import { copiesChecks, type Edited } from "./copies-watched.ts";
import { groupState } from "./replication-groups.ts";

const group: Group = {
  ...{ schema: 1, name: "office" as GroupId, vms: [web], source: host("h1"), target: there, points: null },
  ...{ mode: { kind: "synchronous", boundMs: 2_000 }, paused: [], createdAt: 0 as WallMs },
};
const inSync = () => new ReplicaCluster().copies({ kind: "in-sync" }).put(keys.group(group.name), group);
const editOf = (volume: string): Edited => {
  return { volume, words: `dd (process 7) wrote ${volume}.raw`, note: `/pool/${volume}.edited` };
};

test("[S21] a host tells what somebody wrote, once for each VM, and that nobody would see it, once for all", () => {
  const { view } = inSync();
  const told = (edited: readonly Edited[], unwatched: Parameters<typeof copiesChecks>[3] = []) =>
    copiesChecks(view, there, edited, unwatched);
  expect(told([])).toEqual([]);
  const checks = told([editOf("web-0"), editOf("web-1"), editOf("old-0")]);
  expect(checks.map(({ id, subject, level }) => [id, subject, level])).toEqual([
    ["copies-edited", web, "fail"],
    ["copies-edited", "old-0", "fail"],
  ]);
  expect(checks[0]?.params).toEqual({
    ...{ host: there, vm: "web", notes: "/pool/web-0.edited, /pool/web-1.edited" },
    detail: "dd (process 7) wrote web-0.raw; dd (process 7) wrote web-1.raw",
  });
  const blind = told([], [{ vm: web, why: "it is not there" }]);
  expect(blind).toEqual([
    {
      id: "copies-unwatched",
      subject: there,
      level: "warn",
      params: { host: there, vms: "web", why: "it is not there" },
    },
  ]);
  for (const { id } of [...checks, ...blind]) expect(messages.get(id)).toHaveProperty("remedy");
});

test("[S21] the group is in Error as long as one of its hosts says that somebody wrote a copy of its VM, and counts on it all the same", () => {
  const cluster = inSync();
  const says = (checks: Check[], life = 7) => {
    cluster.put(keys.hostFacts(there), facts({ incarnation: incarnation(life), checks }));
    return groupState(cluster.view, group, () => true, 0 as WallMs);
  };
  const before = says([]).word;
  expect(before).not.toBe("Error");
  const edited = copiesChecks(cluster.view, there, [editOf("web-0")], []);
  const state = says(edited);
  expect(state.word).toBe("Error");
  expect(state.reasons.map(({ rule, code, params }) => [rule, code, params["host"], params["vm"]])).toEqual([
    ["S21", "copies-edited", there, "web"],
  ]);
  expect(cluster.stateOf("h2")).toBe("in-sync");
  // Of another VM, of an earlier life of the host, and once the note is gone.
  expect(says(copiesChecks(cluster.view, there, [editOf("old-0")], [])).word).toBe(before);
  expect(says(edited, 6).word).not.toBe("Error");
  expect(says([]).word).toBe(before);
  // Nobody watches: that is its host's to tell.
  expect(says(copiesChecks(cluster.view, there, [], [{ vm: web, why: "" }])).word).toBe(before);
});

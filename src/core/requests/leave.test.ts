import { describe, expect, test } from "vitest";
import { asked, codeOf, compared, written } from "../../../test/support/planned.ts";
import { fence, heartbeat, host, incarnation, member, Records } from "../../../test/support/records.ts";
import type { IntentId } from "../../model/ids.ts";
import { keys } from "../../model/keys.ts";
import { decideTasks } from "../decide-tasks.ts";
import { planLeave, planMaintenance, planRelease } from "./change-host.ts";
import type { HostContact, Sight } from "./sight.ts";

const id = "intent-1" as IntentId;
const h1 = host("h1");
const up: Sight = () => "up";

function cluster(): Records {
  return new Records()
    .host("h1", 4)
    .host("h2")
    .host("h3")
    .put(keys.member(host("w1")), member("w1", { role: "witness" }))
    .put(keys.member(host("h9")), member("h9"));
}

function leave(records: Records, name = "h1", sight = up) {
  return planLeave(records.view, { host: name, next: "reboot" }, id, asked, sight);
}

describe("an order to go down", () => {
  test("is an intent for this life of the host, and rests on what it says it is about to do", () => {
    const planned = leave(cluster());
    expect(written(planned, keys.intent(id))).toMatchObject({
      kind: "leave-host",
      host: "h1",
      incarnation: 4,
      next: "reboot",
      answer: { kind: "open" },
    });
    expect(compared(planned)).toEqual([keys.intent(id), keys.host(h1), keys.hostMode(h1)]);
  });

  test("is refused for who cannot hear it, and for who goes already", () => {
    const records = cluster();
    expect(codeOf(leave(records, "nix"))).toBe("host-unknown");
    expect(codeOf(leave(records, "w1"))).toBe("leave-of-witness");
    expect(codeOf(leave(records, "h9"))).toBe("leave-host-not-heard");
    for (const contact of ["silent", "fenced", "absent"] satisfies HostContact[]) {
      expect(codeOf(leave(records, "h1", () => contact))).toBe("leave-host-not-heard");
    }
    const n4 = incarnation(4);
    const mode = { schema: 1, incarnation: 3, mode: "shutdown", next: "power-off", at: 1 };
    expect(codeOf(leave(records.put(keys.hostMode(h1), mode)))).toBe("planned");
    records.put(keys.hostMode(h1), { ...mode, incarnation: 4 });
    expect(leave(records)).toMatchObject({ code: "leave-already", params: { host: "h1", next: "power-off" } });
    const other = cluster().put(
      keys.intent("i0" as IntentId),
      written(leave(records, "h2"), keys.intent(id)) as object,
    );
    expect(codeOf(leave(other, "h2"))).toBe("leave-already");
    expect(codeOf(leave(other, "h1"))).toBe("planned");
    records.put(keys.heartbeat(h1, n4), heartbeat({ agentAgeMs: 90_000 }));
    expect(codeOf(leave(records))).toBe("leave-agent-silent");
  });
});

describe("[HM4] an order to go down without which no majority is left", () => {
  const three = () => new Records().host("h1", 4).host("h2").host("h3");
  const oneIs =
    (name: string, contact: HostContact): Sight =>
    (which) =>
      which === name ? contact : "up";

  test("is refused with what would be left: another member is down, or going down, or has been ordered to", () => {
    expect(codeOf(leave(three()))).toBe("planned");
    for (const contact of ["silent", "fenced", "absent"] satisfies HostContact[]) {
      const refused = { code: "leave-loses-majority", params: { host: "h1", left: 1, votes: 3, next: "reboot" } };
      expect(leave(three(), "h1", oneIs("h2", contact))).toMatchObject(refused);
    }
    const mode = { schema: 1, incarnation: 1, mode: "leaving", next: "power-off", at: 1 };
    expect(codeOf(leave(three().put(keys.hostMode(host("h2")), mode)))).toBe("leave-loses-majority");
    const ordered = three().put(
      keys.intent("i0" as IntentId),
      written(leave(three(), "h2"), keys.intent(id)) as object,
    );
    expect(codeOf(leave(ordered))).toBe("leave-loses-majority");
    const restart = { ...mode, mode: "restart", next: "agent-restart" };
    expect(codeOf(leave(three().put(keys.hostMode(host("h2")), restart)))).toBe("planned");
  });

  test("is carried out where that was accepted, and it is told that it was", () => {
    const request = { host: "h1", next: "power-off", accept: true } as const;
    const planned = planLeave(three().view, request, id, asked, oneIs("h2", "silent"));
    expect(planned).toMatchObject({
      kind: "plan",
      events: [
        { type: "host-leave-requested" },
        { type: "edit-accepted", params: { edit: "host shutdown" }, reason: { code: "store-loses-majority" } },
      ],
    });
    const harmless = planLeave(three().view, request, id, asked, up);
    expect(harmless).toMatchObject({ kind: "plan", events: [{ type: "host-leave-requested" }] });
  });

  test("stands for a witness that votes, for a restart of the agent alone, and for a cluster of one", () => {
    const witnessed = new Records()
      .host("h1", 4)
      .host("h2")
      .put(keys.member(host("w1")), member("w1", { role: "witness" }));
    expect(codeOf(leave(witnessed))).toBe("planned");
    const agent = { host: "h1", next: "agent-restart" } as const;
    expect(codeOf(planLeave(three().view, agent, id, asked, oneIs("h2", "silent")))).toBe("planned");
    expect(codeOf(leave(new Records().host("h1", 4)))).toBe("planned");
  });
});

describe("an order to go down is taken back", () => {
  const release = (records: Records) => planRelease(records.view, "h1", "intent-2" as IntentId, asked);
  const leaving = { schema: 1, incarnation: 4, mode: "leaving", next: "reboot", at: 1 };

  test("by an order of its own for this life of the host, announced or not yet", () => {
    const ordered = cluster().put(keys.intent(id), written(leave(cluster()), keys.intent(id)) as object);
    for (const records of [ordered, cluster().put(keys.hostMode(h1), leaving)]) {
      const planned = release(records);
      const key = keys.intent("intent-2" as IntentId);
      expect(written(planned, key)).toMatchObject({ kind: "leave-host", next: "nothing", incarnation: 4 });
      expect(compared(planned)).toEqual(expect.arrayContaining([key, keys.host(h1)]));
      expect(planned).toMatchObject({ events: [{ type: "host-leave-taken-back" }] });
    }
  });

  test("not once its last word stands, nor of an earlier life; taken back, it can be given again", () => {
    const records = cluster().put(keys.hostMode(h1), leaving);
    records.put(keys.fence(h1, incarnation(4)), fence({ cause: "self", proofs: ["last-word"] }));
    expect(codeOf(release(records))).toBe("host-not-held-back");
    expect(codeOf(release(cluster().put(keys.hostMode(h1), { ...leaving, incarnation: 3 })))).toBe(
      "host-not-held-back",
    );
    const taken = cluster().put(keys.hostMode(h1), leaving);
    taken.put(keys.intent(id), written(release(taken), keys.intent("intent-2" as IntentId)) as object);
    taken.put(keys.hostMode(h1), { ...leaving, mode: "active", next: "nothing" });
    expect(codeOf(leave(taken))).toBe("planned");
  });
});

test("what a newer version wrote about a host is neither written over nor taken for nothing", () => {
  for (const key of [keys.hostMode(h1), keys.maintenance(h1), keys.disarm]) {
    const records = cluster().put(key, { schema: 2 });
    const plans = [leave(records), planMaintenance(records.view, { host: "h1", reason: "" }, asked)];
    expect(plans.map(codeOf), key).toContain("record-unreadable");
  }
  const { view } = cluster().put(keys.maintenance(h1), { schema: 2 });
  expect(codeOf(planRelease(view, "h1", id, asked))).toBe("record-unreadable");
});

test("fenced or registered anew before it answered: the manager answers for it", () => {
  const open = written(leave(cluster()), keys.intent(id)) as object;
  const known = { wall: 5 } as never;
  expect(decideTasks(cluster().put(keys.intent(id), open).view, known, [], 64)).toEqual([]);
  const later = cluster().host("h1", 5).put(keys.intent(id), open);
  const fenced = cluster()
    .put(keys.fence(h1, incarnation(4)), fence())
    .put(keys.intent(id), open);
  for (const { view } of [later, fenced]) {
    const [decision] = decideTasks(view, known, [], 64);
    const write = decision?.transaction.writes[0];
    expect(write?.kind === "put" && JSON.parse(write.text)).toMatchObject({
      answer: { kind: "refused", code: "leave-overtaken", params: { host: "h1" }, at: 5 },
    });
  }
});

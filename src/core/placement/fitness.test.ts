import { expect, test } from "vitest";
import { heartbeat, host, incarnation, Records } from "../../../test/support/records.ts";
import { keys } from "../../model/keys.ts";
import type { Contact } from "../contact.ts";
import { limits } from "../limits.ts";
import { whyAway } from "./fitness.ts";
import type { Knowledge } from "./knowledge.ts";

const h1 = host("h1");

test("[PL1, S13] a host whose agent has not begun is told from one whose agent has fallen silent", () => {
  const contact = { incarnation: incarnation(1), live: true, heardAt: 1_000 } as Contact;
  const known = { now: 1_000, wall: 0, contacts: new Map([[h1, contact]]) } as unknown as Knowledge;
  const beats = (agentAgeMs: number | null) =>
    new Records().host("h1").put(keys.heartbeat(h1, incarnation(1)), heartbeat({ agentAgeMs })).view;
  expect(whyAway(beats(null), h1, known)).toMatchObject({ rule: "S13", code: "agent-not-heard-yet" });
  expect(whyAway(beats(limits.agentSilentMs + 1), h1, known)).toMatchObject({ rule: "S13", code: "agent-is-silent" });
  expect(whyAway(beats(100), h1, known)).toBeUndefined();
});

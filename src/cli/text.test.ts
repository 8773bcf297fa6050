import { expect, test } from "vitest";
import { alternativeText, eventLine, localTimes, moment, standstillText } from "./text.ts";

const why = (code: string, params: Record<string, string | number>) => ({ rule: "PL1", code, params });

test("an alternative names its host once, in words", () => {
  expect(alternativeText({ option: "h2", why: why("host-is-lost", { host: "h2" }) })).toBe(
    "not h2: is the host that was lost.",
  );
  expect(alternativeText({ option: "h2 and 3 more", why: why("host-is-fenced", { host: "h2" }) })).toBe(
    "not h2 and 3 more: is fenced.",
  );
  expect(alternativeText({ option: "h3", why: why("vm-failed-here", { host: "h3" }) })).toBe(
    "not h3: The VM failed on h3 before.",
  );
  expect(alternativeText({ option: "with a change", why: why("fix-without-rule", { rule: "r" }) })).toBe(
    "but with a change: Without rule r it would do.",
  );
});

test("times among the parameters are shown as this machine's", () => {
  expect(localTimes({ sinceWall: 5, forMs: 5, ownWall: "x" })).toEqual({
    sinceWall: moment(5),
    forMs: 5,
    ownWall: "x",
  });
});

test("a standstill says since when and why, or that it is about to end", () => {
  expect(standstillText({ since: 5, why: { code: "heart-guard-away", params: {} } })).toBe(
    `yes, since ${moment(5)}: A guard does not answer.`,
  );
  expect(standstillText({ since: null, why: null })).toBe(
    "yes, since before this process began; they go on with the next heartbeat",
  );
});

test("a reason without a cause leaves nothing empty behind", () => {
  const line = (reason: Parameters<typeof eventLine>[0]["reason"]): string =>
    eventLine({ at: 0, host: "h1", type: "cluster-created", params: {}, reason } as Parameters<typeof eventLine>[0]);
  const code = "lab-refused";
  expect(line({ rule: "S9", code, params: { cause: "" } })).toMatch(/ \[S9\]\n$/u);
  expect(line({ rule: "S9", code, params: { cause: "it was silent" } })).toMatch(/ \[S9: it was silent\]\n$/u);
  expect(line(null)).not.toContain("[");
});

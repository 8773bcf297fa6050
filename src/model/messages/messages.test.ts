import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { messages, parts, render } from "./index.ts";

const src = join(import.meta.dirname, "..", "..");

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    // The simulator's names are for its own reports: nobody renders them.
    if (entry.isDirectory()) return path === import.meta.dirname || entry.name === "sim" ? [] : sources(path);
    return path.endsWith(".ts") && !path.endsWith(".test.ts") ? [path] : [];
  });
}

const texts = sources(src).map((path) => readFileSync(path, "utf8"));

// Where a code is written down: refusals, reasons, events, checks, troubles.
const uses = [
  /\brefuse\(\s*"([a-z][a-z0-9-]*)"/gu,
  /\bcode: "([a-z][a-z0-9-]*)"/gu,
  /\bcode:\s*(?:"[a-z0-9-]+"\s*\|\s*)*"([a-z][a-z0-9-]*)"/gu,
  /\b(?:event|told|failed|fail|log|no)\(\s*"([a-z][a-z0-9-]*)"/gu,
  /\breason\(\s*"[A-Z0-9]+",\s*"([a-z][a-z0-9-]*)"/gu,
  /\bid: "([a-z][a-z0-9-]*)",\s*subject/gu,
  /"((?:heart|certificate|accel)-[a-z-]+)"/gu,
  /\bfail\([^"]*"AF\d+",\s*"([a-z][a-z0-9-]*)"/gu,
];
// zod's own code for a hand-made issue.
const foreign = new Set(["custom"]);

test("every code that is used has its words", () => {
  const used = new Set(
    texts.flatMap((text) => uses.flatMap((use) => [...text.matchAll(use)].map((hit) => hit[1] ?? ""))),
  );
  expect(used.size).toBeGreaterThan(50);
  expect([...used].filter((code) => !messages.has(code) && !foreign.has(code))).toEqual([]);
});

test("no words are left of a code that nobody uses", () => {
  const unused = [...messages.keys()].filter((code) => !texts.some((text) => text.includes(`"${code}"`)));
  expect(unused).toEqual([]);
});

test("a code stands in one part only", () => {
  expect(parts.reduce((sum, part) => sum + Object.keys(part).length, 0)).toBe(messages.size);
});

test("blanks are filled, and what is missing is shown as missing", () => {
  expect(render("vm-name-taken", { name: "web", vm: "vm:abc123" }).cause).toBe("The name web is taken by vm:abc123.");
  expect(render("vm-running", { vm: "web" }).cause).toBe("VM web runs as epoch ?.");
});

test("one and many have the word that fits", () => {
  const cause = (left: number) => render("maintenance-not-done", { host: "h1", left, seconds: 5 }).cause;
  expect([cause(1), cause(2)]).toEqual([
    "After 5 s 1 VM has not left h1 yet.",
    "After 5 s 2 VMs have not left h1 yet.",
  ]);
  for (const [code, message] of messages) {
    const texts = typeof message === "string" ? [message] : [message.cause, message.effect, message.remedy];
    for (const text of texts) expect(text, code).not.toMatch(/\} (?:VMs(?! apart)|hosts|moves|times|minutes)\b/u);
  }
});

test("nothing is told of what there is none of", () => {
  const full = (along: number) =>
    render("move-host-full", { host: "h2", vm: "mem", neededMiB: 9, freeMiB: 5, along }).cause;
  expect(full(0)).toBe("Host h2 has 5 MiB free for VMs; 9 MiB are needed for mem.");
  expect(full(2)).toBe("Host h2 has 5 MiB free for VMs; 9 MiB are needed for mem and what comes with it.");
  const fails = (more: number) => render("edit-rule-fails", { rule: "r", more }).cause;
  expect(fails(0)).toBe("Rule r could not be followed any more.");
  expect(fails(3)).toBe("Rule r could not be followed any more. 3 more would break.");
  const links = (pairs: number) => render("edit-no-link-for-moves", { host: "h1", other: "h2", pairs }).cause;
  expect(links(0)).toBe("Hosts h1 and h2 would have no link over which guests that run may move.");
  expect(links(1)).toMatch(/may move \(pairs of hosts beside them: 1\)\.$/u);
  const late = (why: string) => render("replica-lags", { vm: "web", host: "h2", seconds: 15, everyS: 5, why }).cause;
  expect(late("")).toBe("The copy of VM web on h2 is 15 s behind, with a cycle every 5 s.");
  expect(late("link cut")).toBe("The copy of VM web on h2 is 15 s behind, with a cycle every 5 s (link cut).");
  for (const [code, message] of messages)
    expect(JSON.stringify(message).replaceAll(/\[[A-Za-z]+\?[^\]]*\]/gu, ""), code).not.toMatch(/\{more\}|[[\]]/u);
});

test("a code of a later version is shown as it came", () => {
  expect(render("from-the-future", { a: 1 })).toEqual({
    code: "from-the-future",
    cause: "from-the-future a=1",
    effect: null,
    remedy: null,
  });
});

test("each message ends like a sentence and has no empty part", () => {
  for (const [code, message] of messages) {
    const texts = typeof message === "string" ? [message] : [message.cause, message.effect, message.remedy];
    for (const text of texts) expect(text, code).toMatch(/([.!?]|\{[a-z]+\}|\.\])$/u);
  }
});

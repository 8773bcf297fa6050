import { expect, test } from "vitest";
import { isListed, readDifferences, staleRows } from "./differences.ts";

const page = `# Differences

| subject | elsewhere |
| ------- | --------- |
| \`no-case\` | outcome |

## Conformance

| case | level | why |
| ---- | ----- | --- |
| \`lost1\`, \`lost2\` | outcome, paths | because |
| \`quirk*\` | paths | because |

## More

| \`other\` | paths | no row of the table |
`;
const list = readDifferences(page);
const differing = (name: string, ...levels: readonly ("outcome" | "paths" | "safety")[]) => ({
  name,
  differences: levels.map((level) => ({ level, subject: "", wanted: "", got: "" })),
});

test("the chapter's rows name cases and levels", () => {
  expect(list).toEqual([
    { cases: ["lost1", "lost2"], levels: ["outcome", "paths"], row: 11 },
    { cases: ["quirk*"], levels: ["paths"], row: 12 },
  ]);
});

test("a listed case may differ at the listed levels, never in safety", () => {
  expect(isListed(list, "lost1", "outcome")).toBe(true);
  expect(isListed(list, "quirk7", "paths")).toBe(true);
  expect(isListed(list, "quirk7", "outcome")).toBe(false);
  expect(isListed(list, "other", "paths")).toBe(false);
  expect(isListed([{ cases: ["lost1"], levels: ["safety"], row: 1 }], "lost1", "safety")).toBe(false);
});

test("a listed difference that does not occur any more is told; a case that was not played tells nothing", () => {
  expect(staleRows(list, [differing("lost1", "outcome")])).toEqual([
    "docs/DIFFERENCES.md:11: lost1 no longer differs in paths",
  ]);
  expect(staleRows(list, [differing("quirk1"), differing("quirk2", "paths")])).toEqual([]);
});

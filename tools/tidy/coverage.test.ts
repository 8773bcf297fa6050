import { expect, test } from "vitest";
import { checkCoverage, readCoverage, writeCoverage } from "./coverage.ts";

const sources = [
  { file: "test/scenarios/a-b-c.scenario", text: "# Why.\n# rules: S1 S2\ncluster hosts=h1,h2,h3\n" },
  {
    file: "src/sim/checkers/x.ts",
    text: "/** S1, S2: watches. */\nexport const watcher: CheckerKind = {};\n/** LIVE: no. */\nexport const y: CheckerKind = {};\n",
  },
  { file: "tools/mutants/planted/x.ts", text: '{\n    id: "too-early",\n    rule: "S1",\n' },
  { file: "src/core/x.test.ts", text: 'test("[S1] one", () => {});\ntest("[S2] two", () => {});\n' },
];
const page = `### S1 One

### S2 Two

## Coverage

| S1 | — | old | — | — |
| S2 | — | — | — | — |

## Open

- S1: not yet
- S2 (planted bug): nothing to plant yet
`;

test("the table is written from the files, and what is there is not open any more", () => {
  const written = writeCoverage(page, readCoverage(sources));
  expect(written).toContain("| S1 | `a-b-c` | `watcher` | `too-early` | `src/core/x.test.ts` |");
  expect(written).toContain("| S2 | `a-b-c` | `watcher` | — | `src/core/x.test.ts` |");
  expect(written).not.toContain("- S1: not yet");
  expect(written).toContain("- S2 (planted bug): nothing to plant yet");
  expect(checkCoverage(written, readCoverage(sources))).toEqual([]);
});

test("a table that says something else, a hole without a reason and an unknown rule are found", () => {
  const said = (text: string, more: typeof sources = []) =>
    checkCoverage(text, readCoverage([...sources, ...more])).map((finding) => finding.message);
  expect(said(page)).toEqual(["the page is not what the files say: node tools/tidy.ts --write"]);
  const written = writeCoverage(page, readCoverage(sources));
  expect(said(written.replace(/- S2.*\n/u, ""))).toEqual([
    'S2 has no planted bug, and no reason under "Open" like `- S2 (planted bug): …`',
  ]);
  const unknown = { file: "test/scenarios/d-e-f.scenario", text: "# rules: S9\n" };
  expect(said(written, [unknown])).toEqual(["d-e-f: S9 is no rule of this page"]);
});

test("a column that nothing fills yet asks for nothing", () => {
  const without = sources.filter(({ file }) => !file.startsWith("tools/mutants/"));
  const written = writeCoverage(page, readCoverage(without));
  expect(checkCoverage(written, readCoverage(without))).toEqual([]);
});

import { describe, expect, it } from "vitest";
import { countProject, renderFailures, type VitestReport } from "./report.ts";

const root = "/project";

function report(...tests: { name: string; status: string; why?: string }[]): VitestReport {
  return {
    testResults: [
      {
        name: `${root}/src/core/move.test.ts`,
        status: "passed",
        assertionResults: tests.map(({ name, status, why }) => ({
          fullName: name,
          status,
          failureMessages: why === undefined ? [] : [why],
        })),
      },
    ],
  };
}

describe("the end of a lane", () => {
  it("names each test that failed, with its file and the first lines of why", () => {
    const why = Array.from({ length: 30 }, (_, i) => `line ${i + 1}`).join("\n");
    const failures = renderFailures(
      [report({ name: "moves", status: "passed" }), report({ name: "stays put", status: "failed", why })],
      root,
    );
    expect(failures).toHaveLength(1);
    expect(failures[0]).toMatch(/^src\/core\/move\.test\.ts > stays put\n {4}line 1\n/);
    expect(failures[0]).not.toContain("line 13");
  });

  it("counts a skipped test without a listed reason, and a project without a test, as failed", () => {
    const skipped = report({ name: "moves", status: "passed" }, { name: "one day", status: "skipped" });
    expect(countProject("unit", skipped, root, new Map())).toMatchObject({ passed: 1, failed: 1 });
    expect(countProject("unit", skipped, root, new Map([["one day", "no such machine here"]]))).toMatchObject({
      passed: 1,
      failed: 0,
    });
    expect(countProject("lab", skipped, root, new Map())).toMatchObject({ passed: 0, failed: 1 });
  });
});

import type { Project } from "./steps.ts";
import { projectFolders } from "./steps.ts";

/** What a step or a project of a suite came to. */
export type Row = {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly seconds: number | null;
  /** Why it failed, or why it did not run. */
  readonly note: string;
};

/** The part of vitest's JSON report that is read here. */
export type VitestReport = {
  readonly testResults: readonly {
    /** The file's absolute path. */
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
};

/**
 * Counts one project's tests. Failed count also: a file that could not be loaded, a skipped test without a listed
 * reason, and a project without any test.
 */
export function countProject(
  project: Project,
  report: VitestReport,
  root: string,
  allowedSkips: ReadonlyMap<string, string>,
): Row {
  const folders = projectFolders[project].map((folder) => `${root}/${folder}/`);
  const files = report.testResults.filter((file) => folders.some((folder) => file.name.startsWith(folder)));
  const notes: string[] = [];
  let passed = 0;
  let failed = 0;
  for (const file of files) {
    if (file.assertionResults.length === 0) {
      failed++;
      notes.push(`${file.name.slice(root.length + 1)} ran no test`);
    }
    for (const test of file.assertionResults) {
      if (test.status === "passed") passed++;
      else if (test.status === "failed") failed++;
      else if (!mayBeSkipped(test.fullName, allowedSkips)) {
        failed++;
        notes.push(`skipped without a listed reason: ${test.fullName}`);
      }
    }
  }
  if (passed + failed === 0) return { name: project, passed, failed: 1, seconds: null, note: "no test ran" };
  return { name: project, passed, failed, seconds: null, note: notes.join("; ") };
}

/**
 * What failed, a paragraph per test: its file, its name, and the first lines of why. Said again at the end of a lane:
 * of a long run often only the end is kept.
 */
export function renderFailures(reports: readonly VitestReport[], root: string): string[] {
  const failures = reports.flatMap((report) =>
    report.testResults.flatMap((file) =>
      file.assertionResults.filter((test) => test.status === "failed").map((test) => ({ file, test })),
    ),
  );
  return failures.map(({ file, test }) => {
    const why = (test.failureMessages ?? []).join("\n").split("\n").slice(0, maxFailureLines);
    return [`${file.name.slice(root.length + 1)} > ${test.fullName}`, ...why.map((line) => `    ${line}`)].join("\n");
  });
}

const maxFailureLines = 12;

function mayBeSkipped(fullName: string, allowed: ReadonlyMap<string, string>): boolean {
  return [...allowed.keys()].some((part) => fullName.includes(part));
}

export function renderTable(rows: readonly Row[]): string {
  const width = Math.max(4, ...rows.map((row) => row.name.length));
  const line = (name: string, passed: string, failed: string, seconds: string, note: string) =>
    `${name.padEnd(width)}  ${passed.padStart(6)}  ${failed.padStart(6)}  ${seconds.padStart(8)}  ${note}`.trimEnd();
  const body = rows.map((row) =>
    line(
      row.name,
      String(row.passed),
      String(row.failed),
      row.seconds === null ? "" : `${row.seconds.toFixed(1)} s`,
      row.note,
    ),
  );
  return [line("step", "passed", "failed", "time", ""), ...body].join("\n");
}

/** The last line of every lane. */
export function renderTotal(rows: readonly Row[]): string {
  const sum = (pick: (row: Row) => number) => rows.reduce((total, row) => total + pick(row), 0);
  return `${sum((row) => row.passed)} passed, ${sum((row) => row.failed)} failed`;
}

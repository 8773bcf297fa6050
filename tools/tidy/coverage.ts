import type { SourceText } from "./check.ts";
import type { Finding } from "./finding.ts";
import { isTestFile, parseFile } from "./finding.ts";
import { rulesInTitles } from "./tests.ts";

// Which rule has what: read from the files themselves, written into the table of docs/RULES.md, and checked there.

const page = "docs/RULES.md";
export const columns = ["scenario", "checker", "planted bug", "test"] as const;
export type Column = (typeof columns)[number];
/** By column and rule: what is there, in order. */
export type Coverage = Readonly<Record<Column, ReadonlyMap<string, readonly string[]>>>;

/**
 * Scenarios by their `# rules:` line; checkers by the ids that the comment before an exported CheckerKind begins with;
 * planted bugs by their `rule`; tests by the ids in their titles.
 */
export function readCoverage(sources: readonly SourceText[]): Coverage {
  const found: Record<Column, Map<string, Set<string>>> = {
    scenario: new Map(),
    checker: new Map(),
    "planted bug": new Map(),
    test: new Map(),
  };
  const add = (column: Column, rule: string, what: string): void => {
    found[column].set(rule, (found[column].get(rule) ?? new Set()).add(what));
  };
  for (const { file, text } of sources) {
    if (text === null) continue;
    if (file.endsWith(".scenario"))
      for (const rule of rulesOfScenario(text)) add("scenario", rule, nameOf(file).replace(/\.scenario$/u, ""));
    if (/^src\/sim\/checkers\/[^/]+\.ts$/u.test(file))
      for (const { rule, name } of checkersIn(text)) add("checker", rule, name);
    if (file.startsWith("tools/mutants/planted/"))
      for (const { rule, name } of plantedIn(text)) add("planted bug", rule, name);
    if (isTestFile(file)) for (const { id } of rulesInTitles(parseFile(file, text))) add("test", id, file);
  }
  return {
    scenario: inOrder(found.scenario),
    checker: inOrder(found.checker),
    "planted bug": inOrder(found["planted bug"]),
    test: inOrder(found.test),
  };
}

function inOrder(found: ReadonlyMap<string, ReadonlySet<string>>): Map<string, readonly string[]> {
  return new Map([...found].map(([rule, things]) => [rule, [...things].sort()]));
}

function nameOf(file: string): string {
  return file.slice(file.lastIndexOf("/") + 1);
}

function rulesOfScenario(text: string): readonly string[] {
  return /^# rules: (.+)$/mu.exec(text)?.[1]?.split(" ") ?? [];
}

type Named = { readonly rule: string; readonly name: string };

function checkersIn(text: string): Named[] {
  const kinds = text.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*?)\*\/\nexport const (\w+): CheckerKind\b/gu);
  return [...kinds].flatMap(([, comment = "", name = ""]) => {
    const ids = /^[\s*]*((?:[A-Z]+\d+, )*[A-Z]+\d+):/u.exec(comment)?.[1];
    return (ids?.split(", ") ?? []).map((rule) => ({ rule, name }));
  });
}

function plantedIn(text: string): Named[] {
  const bugs = text.matchAll(/\bid: "([^"]+)",\s*rule: "([A-Z]+\d+)"/gu);
  return [...bugs].map(([, name = "", rule = ""]) => ({ rule, name }));
}

/** `- S22 (planted bug): reason` excuses one column, `- S15: reason` all of them. */
const openLine = /^- ([A-Z]+\d+)(?: \(([a-z ]+)\))?: (.*)$/u;

/** The page with the table as the files say, and without open lines of what is there by now. */
export function writeCoverage(text: string, coverage: Coverage): string {
  let chapter = "";
  const lines = text.split("\n").flatMap((line) => {
    if (line.startsWith("## ")) chapter = line.slice(3).trim();
    const [, open, column] = (chapter === "Open" ? openLine.exec(line) : null) ?? [];
    if (open !== undefined && isThere(coverage, open, column)) return [];
    const row = chapter === "Coverage" ? /^\| ([A-Z]+\d+) +\|/u.exec(line)?.[1] : undefined;
    return [row === undefined ? line : renderRow(row, coverage)];
  });
  return lines.join("\n");
}

function isThere(coverage: Coverage, rule: string, column: string | undefined): boolean {
  const asked = columns.filter((one) => column === undefined || one === column);
  return asked.every((one) => coverage[one].has(rule) || isAwaited(coverage, one));
}

/** A column that nothing fills yet asks for nothing: its part is not in the repository. */
function isAwaited(coverage: Coverage, column: Column): boolean {
  return coverage[column].size === 0;
}

function renderRow(rule: string, coverage: Coverage): string {
  const cells = columns.map((column) => {
    const things = coverage[column].get(rule) ?? [];
    return things.length === 0 ? "—" : things.map((thing) => `\`${thing}\``).join(", ");
  });
  return `| ${[rule, ...cells].join(" | ")} |`;
}

/** Every rule has something in each column, or a reason under "Open"; the table says what the files say. */
export function checkCoverage(text: string, coverage: Coverage): Finding[] {
  const findings: Finding[] = [];
  const add = (line: number, message: string): void => {
    findings.push({ file: page, line, rule: "coverage", message });
  };
  const rules = [...text.matchAll(/^### ([A-Z]+\d+) /gmu)].map((match) => match[1] ?? "");
  const excused = excuses(text);
  for (const rule of rules)
    for (const column of columns) {
      const missing = !coverage[column].has(rule) && !isAwaited(coverage, column);
      if (missing && !excused.has(rule) && !excused.has(`${rule} ${column}`))
        add(1, `${rule} has no ${column}, and no reason under "Open" like \`- ${rule} (${column}): …\``);
    }
  for (const column of columns)
    for (const [rule, things] of coverage[column])
      if (column !== "test" && !rules.includes(rule)) add(1, `${things.join(", ")}: ${rule} is no rule of this page`);
  const wanted = writeCoverage(text, coverage).split("\n");
  // How wide a table's columns are is nobody's business here.
  const plain = (line: string | undefined): string | undefined => line?.replace(/ +/gu, " ");
  const at = text.split("\n").findIndex((line, i) => plain(line) !== plain(wanted[i]));
  if (at >= 0) add(at + 1, "the page is not what the files say: node tools/tidy.ts --write");
  return findings;
}

function excuses(text: string): Set<string> {
  const open = text.slice(Math.max(0, text.indexOf("\n## Open")));
  return new Set(
    open.split("\n").flatMap((line) => {
      const [, rule, column] = openLine.exec(line) ?? [];
      return rule === undefined ? [] : [column === undefined ? rule : `${rule} ${column}`];
    }),
  );
}

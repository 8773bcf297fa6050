import type { Difference, Level } from "../../src/sim/reference/compare.ts";

/** Cases that may differ, by name or by a name with `*`, at which levels, as a row of docs/DIFFERENCES.md says. */
export type Listed = { readonly cases: readonly string[]; readonly levels: readonly Level[]; readonly row: number };

const chapter = "## Conformance";

/** The rows of the chapter's table: names in backticks, levels by name; whatever is no such row is text. */
export function readDifferences(text: string): Listed[] {
  const at = text.indexOf(chapter);
  if (at < 0) return [];
  const before = text.slice(0, at).split("\n").length;
  const lines = text.slice(at).split("\n");
  const end = lines.findIndex((line, i) => i > 0 && line.startsWith("## "));
  return lines.slice(0, end < 0 ? lines.length : end).flatMap((line, i) => {
    const [, names = "", levels = ""] = line.split("|").map((cell) => cell.trim());
    const cases = [...names.matchAll(/`([^`]+)`/gu)].map((match) => match[1] ?? "");
    const named = (["safety", "outcome", "paths"] as const).filter((level) => levels.includes(level));
    return cases.length === 0 ? [] : [{ cases, levels: named, row: before + i }];
  });
}

function covers(pattern: string, name: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/gu, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "u").test(name);
}

export function isListed(list: readonly Listed[], name: string, level: Level): boolean {
  // No list excuses a guest that ran twice.
  if (level === "safety") return false;
  return list.some((row) => row.levels.includes(level) && row.cases.some((pattern) => covers(pattern, name)));
}

export type Compared = { readonly name: string; readonly differences: readonly Difference[] };

/** Rows whose difference does not occur in any of the cases that they name, where at least one of those was played. */
export function staleRows(list: readonly Listed[], played: readonly Compared[]): string[] {
  return list.flatMap(({ cases, levels, row }) =>
    cases.flatMap((pattern) =>
      levels.flatMap((level) => {
        const meant = played.filter(({ name }) => covers(pattern, name));
        const occurs = meant.some(({ differences }) => differences.some((difference) => difference.level === level));
        return meant.length === 0 || occurs
          ? []
          : [`docs/DIFFERENCES.md:${row}: ${pattern} no longer differs in ${level}`];
      }),
    ),
  );
}

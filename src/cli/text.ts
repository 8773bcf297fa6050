import type { StandstillOutput, UsageOutput } from "../api/contract/base.ts";
import type { EventOutput } from "../api/contract/event.ts";
import { render } from "../model/messages/index.ts";
import type { Check, Params, Reason } from "../model/reason.ts";

/** Columns under headings, two blanks apart. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return `${all.map(line).join("\n")}\n`;
}

/** `name  value` lines. */
export function fields(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join("");
}

export function age(ms: number | null): string {
  if (ms === null) return "never";
  if (ms < 1_000) return `${ms} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}

const two = (number: number, width = 2) => String(number).padStart(width, "0");

/** This machine's local time. */
export function moment(wallMs: number): string {
  const at = new Date(wallMs);
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${two(at.getMilliseconds(), 3)}`;
}

/** What is in use: means that have not changed much since they were written. */
export function usageText(usage: NonNullable<UsageOutput>): string {
  return `${usage.cores.toFixed(2)} cores, ${usage.memoryMiB} MiB (since ${moment(usage.at)})`;
}

export function orDash(value: string | number | null | undefined): string {
  return value === null || value === undefined || value === "" ? "-" : String(value);
}

/** One line of the history: when, which host wrote it, what, and why. */
export function eventLine(event: EventOutput): string {
  const what = render(event.type, localTimes(event.params)).cause;
  const { reason } = event;
  const cause = reason === null ? "" : render(reason.code, reason.params).cause.trim();
  const why = reason === null ? "" : ` [${[reason.rule, cause].filter((part) => part !== "").join(": ")}]`;
  return `${moment(event.at)}  ${event.host}  ${what}${why}\n`;
}

/** What somebody should see to; nothing where there is nothing. */
export function checksText(checks: readonly Check[]): string {
  const lines = checks.map((check) => {
    const { cause, effect, remedy } = render(check.id, localTimes(check.params));
    const first = sentences(cause, causeOf(check.why));
    const rest = [effect, sentences(causeOf(check.fix), remedy)].map((text) =>
      text === null || text === "" ? "" : `\n        ${text}`,
    );
    return `${check.level.toUpperCase().padEnd(7)} ${first}${rest.join("")}\n`;
  });
  return lines.length === 0 ? "" : `\nNeeds attention\n${lines.join("")}`;
}

function causeOf(why: Reason | undefined): string | null {
  return why === undefined ? null : render(why.code, localTimes(why.params)).cause;
}

function sentences(...texts: readonly (string | null)[]): string {
  return texts.filter((text) => text !== null).join(" ");
}

/** How old the answer may be, where that is worth saying. */
export function staleness(asOfMs: number | null): string {
  if (asOfMs !== null && asOfMs < 3_000) return "";
  return `This host last heard from the cluster's store ${asOfMs === null ? "never" : `${age(asOfMs)} ago`}: what follows may be old.\n`;
}

/** Since when VMs stand still, and what keeps their host from beating. */
export function standstillText({ since, why }: StandstillOutput): string {
  const when = since === null ? "yes, since before this process began" : `yes, since ${moment(since)}`;
  return why === null
    ? `${when}; they go on with the next heartbeat`
    : `${when}: ${render(why.code, why.params).cause}`;
}

/** Parameters whose name ends in `Wall` are times: written as this machine's. */
export function localTimes(params: Params): Params {
  const entries = Object.entries(params);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, name.endsWith("Wall") && typeof value === "number" ? moment(value) : value]),
  );
}

/** A choice that lost, with why: the host is not named twice where the reason begins with it. */
export function alternativeText({ option, why }: EventOutput["alternatives"][number]): string {
  const { cause } = render(why.code, why.params);
  const [host = option] = option.split(" ");
  const rest = cause.startsWith(`${host} `) ? cause.slice(host.length + 1) : cause;
  return `${why.code.startsWith("fix-") ? "but" : "not"} ${option}: ${rest}`;
}

/** `1 VM`, `2 VMs`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

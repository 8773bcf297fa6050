import { InvalidArgumentError } from "@commander-js/extra-typings";

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `15m`, `1h`, `7d`, in milliseconds. */
export function duration(text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,6})([smhd])$/u.exec(text) ?? [];
  const factor = units[unit];
  if (factor === undefined || Number(count) === 0)
    throw new InvalidArgumentError("Give a number and a unit: s, m, h or d, such as 15m.");
  return Number(count) * factor;
}

/** The same; 0 for `never`, since a command line has no other word for nothing. */
export function durationOrNever(text: string): number {
  return text === "never" ? 0 : duration(text);
}

export type KeepOption = { everyMs: number; count: number }[];

/** `24x1h,7x1d`: of the last 24 hours one each, of the last 7 days one each. `none`: only the newest. */
export function keepRules(text: string): KeepOption {
  if (text === "none") return [];
  return text.split(",").map((one) => {
    const [, count = "", every = ""] = /^(\d{1,4})x(\d{1,6}[smhd])$/u.exec(one) ?? [];
    if (Number(count) === 0) throw new InvalidArgumentError("Give counts and intervals, such as 24x1h,7x1d, or none.");
    return { everyMs: duration(every), count: Number(count) };
  });
}

/** The largest unit in which it is a whole number. */
export function durationText(ms: number): string {
  const [unit = "s"] = ["d", "h", "m", "s"].filter((one) => ms % (units[one] ?? 1) === 0);
  return `${ms / (units[unit] ?? 1_000)}${unit}`;
}

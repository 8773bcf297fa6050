import type { Params } from "../model/reason.ts";
import { durationText } from "./durations.ts";

type Option = {
  readonly option: string;
  /** A bound of the field, in the unit in which it is typed. */
  readonly typed: (bound: number) => string;
};

const plain = (option: string): Option => ({ option, typed: String });
const ofMs = (option: string): Option => ({ option, typed: durationText });
const ofSeconds = (option: string): Option => ({ option, typed: (s) => durationText(s * 1_000) });
const secondsOfMs = (option: string): Option => ({ option, typed: (ms) => `${ms / 1_000} (seconds)` });

/** Fields of the contract whose option on the command line bears another name, or another unit. */
const options: Readonly<Record<string, Option>> = {
  accept: plain("--accept"),
  addVms: plain("--add-vm"),
  boundMs: plain("--bound-ms"),
  "checks.port": plain("--http-port"),
  "checks.path": plain("--http"),
  everyS: ofSeconds("--every"),
  folder: plain("--to"),
  hostReserveMiB: plain("--host-reserve"),
  limitMs: secondsOfMs("--limit"),
  lossS: ofSeconds("--allow-loss"),
  "migration.bandwidthMiBps": plain("--migration-bandwidth"),
  "migration.downtimeMs": plain("--migration-downtime"),
  "migration.links": plain("--migration-links"),
  moveAttemptsMax: plain("--move-attempts"),
  movesPerHostMax: plain("--moves-per-host"),
  point: plain("--to-point"),
  "points.everyMs": ofMs("--points-every"),
  "points.keep": plain("--keep"),
  "points.keep.count": plain("--keep"),
  "points.keep.everyMs": ofMs("--keep"),
  "points.test.checks.path": plain("--test-http"),
  "points.test.everyMs": ofMs("--test-every"),
  "quarantine.holdMs": secondsOfMs("--quarantine-hold"),
  "quarantine.losses": plain("--quarantine-losses"),
  "quarantine.windowMs": secondsOfMs("--quarantine-window"),
  quotaMiB: { option: "--quota", typed: (mib) => `${mib}M` },
  removeVms: plain("--remove-vm"),
  "scheduler.autoRebalance.holdMs": secondsOfMs("--hold"),
  "scheduler.autoRebalance.margin": plain("--margin"),
  "scheduler.autoRebalance.threshold": plain("--threshold"),
  vm: plain("--vm"),
  vms: plain("--vm"),
  wantedHostLosses: plain("--wanted-host-losses"),
};

/** What somebody typed that does not fit is told by the name and in the unit in which it was typed. */
export function asTyped(code: string, params: Params, argv: readonly string[]): Params {
  const { field } = params;
  if (!code.startsWith("input-") || typeof field !== "string") return params;
  const found = options[field.replaceAll(/\.\d+/gu, "")];
  const isTyped = (word: string): boolean => word === found?.option || word.startsWith(`${found?.option}=`);
  if (found === undefined || !argv.some(isTyped)) return params;
  const bounds = ["least", "most"].flatMap((name) => {
    const bound = params[name];
    return typeof bound === "number" ? [[name, found.typed(bound)] as const] : [];
  });
  return { ...params, field: found.option, ...Object.fromEntries(bounds) };
}

import { parseArgs } from "node:util";
import { LabError } from "../../lab/lab-error.ts";
import { type FaultKind, faultKinds } from "./fault-kinds.ts";

export const help = `Measures failovers from outside, in a lab of its own. Needs root.

  npm run --silent bench:failover -- --fault FAULT [OPTIONS]

  --fault NAME     ${[...faultKinds, "all"].join(", ")}
  --trials N       of each fault (default 5); between qemu-crashes the VM is stopped and started, so that each is the
                   first of its VM and no back-off of repeated crashes is measured
  --profile NAME   default or fast
  --seconds N      length of a network-outage (default 20); --minutes N likewise
  --idle           measure memory and processor time in a quiet minute, after the faults if any are named
  --json           one JSON object per line on stdout; progress is on stderr either way
  --hosts N        hosts (default 3)
  --accel NAME     auto, kvm or tcg
  --seed TEXT      of the random moments; each run prints its own
  --keep           leave the hosts' logs and disks`;

export type Options = {
  readonly faults: readonly FaultKind[];
  readonly trials: number;
  readonly profile: "default" | "fast";
  readonly outageMs: number;
  readonly idle: boolean;
  readonly json: boolean;
  readonly hosts: number;
  readonly accel: "auto" | "kvm" | "tcg";
  readonly seed: string | undefined;
  readonly keep: boolean;
};

/** Throws `LabError` for what it does not know. */
export function parseOptions(args: readonly string[]): Options {
  const values = parseWords(args);
  const options = {
    faults: faultsOf(values.fault),
    trials: wholeNumber("trials", values.trials, 1, 10_000),
    profile: oneOf("profile", values.profile, ["default", "fast"]),
    outageMs: outageMsOf(values.minutes, values.seconds),
    idle: values.idle,
    json: values.json,
    // With fewer than three the store has no quorum after a loss: there is nothing to measure.
    hosts: wholeNumber("hosts", values.hosts, 3, 16),
    accel: oneOf("accel", values.accel, ["auto", "kvm", "tcg"]),
    seed: values.seed,
    keep: values.keep,
  };
  if (options.faults.length === 0 && !options.idle) throw wrongWords("Neither --fault nor --idle is given.");
  return options;
}

function parseWords(args: readonly string[]) {
  const flag = { type: "boolean", default: false } as const;
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        fault: text,
        minutes: text,
        seconds: text,
        seed: text,
        idle: flag,
        json: flag,
        keep: flag,
        trials: { type: "string", default: "5" },
        hosts: { type: "string", default: "3" },
        profile: { type: "string", default: "default" },
        accel: { type: "string", default: "auto" },
      },
    }).values;
  } catch (error) {
    throw wrongWords(error instanceof Error ? error.message : String(error));
  }
}

function faultsOf(text: string | undefined): readonly FaultKind[] {
  if (text === undefined) return [];
  if (text === "all") return faultKinds;
  return [oneOf("fault", text, faultKinds)];
}

function outageMsOf(minutes: string | undefined, seconds: string | undefined): number {
  if (minutes !== undefined && seconds !== undefined) throw wrongWords("Give --minutes or --seconds, not both.");
  if (minutes !== undefined) return wholeNumber("minutes", minutes, 1, 600) * 60_000;
  return wholeNumber("seconds", seconds ?? "20", 1, 36_000) * 1_000;
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (/^\d+$/u.test(text) && number >= min && number <= max) return number;
  throw wrongWords(`--${name} ${text} is not a whole number from ${min} to ${max}.`);
}

function oneOf<const T extends string>(name: string, text: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw wrongWords(`--${name} ${text} is not one of: ${choices.join(", ")}.`);
}

const wrongWords = (cause: string): LabError => new LabError(cause, "Nothing was measured.", "See --help.");

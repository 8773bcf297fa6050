import { flag, oneOf, parseWords, text, textOr, wholeNumber, wrongWords } from "../../lab/options.ts";
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

const nothing = "Nothing was measured.";

/** Throws `LabError` for what it does not know. */
export function parseOptions(args: readonly string[]): Options {
  const options = {
    ...{ fault: text, minutes: text, seconds: text, seed: text, idle: flag, json: flag, keep: flag },
    ...{ trials: textOr("5"), hosts: textOr("3"), profile: textOr("default"), accel: textOr("auto") },
  };
  const values = parseWords(args, options, nothing);
  const wanted = {
    faults: faultsOf(values.fault),
    trials: wholeNumber("trials", values.trials, { min: 1, max: 10_000 }, nothing),
    profile: oneOf("profile", values.profile, ["default", "fast"], nothing),
    outageMs: outageMsOf(values.minutes, values.seconds),
    idle: values.idle,
    json: values.json,
    // With fewer than three the store has no quorum after a loss: there is nothing to measure.
    hosts: wholeNumber("hosts", values.hosts, { min: 3, max: 16 }, nothing),
    accel: oneOf("accel", values.accel, ["auto", "kvm", "tcg"], nothing),
    seed: values.seed,
    keep: values.keep,
  };
  if (wanted.faults.length === 0 && !wanted.idle) throw wrongWords("Neither --fault nor --idle is given.", nothing);
  return wanted;
}

function faultsOf(name: string | undefined): readonly FaultKind[] {
  if (name === undefined) return [];
  if (name === "all") return faultKinds;
  return [oneOf("fault", name, faultKinds, nothing)];
}

function outageMsOf(minutes: string | undefined, seconds: string | undefined): number {
  if (minutes !== undefined && seconds !== undefined)
    throw wrongWords("--minutes and --seconds are given, and one of them is enough.", nothing);
  if (minutes !== undefined) return wholeNumber("minutes", minutes, { min: 1, max: 600 }, nothing) * 60_000;
  return wholeNumber("seconds", seconds ?? "20", { min: 1, max: 36_000 }, nothing) * 1_000;
}

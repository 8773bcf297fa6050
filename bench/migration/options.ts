import { LabError } from "../../lab/lab-error.ts";
import { flag, parseWords, text, textOr, wholeNumber } from "../../lab/options.ts";
import type { MoveKind } from "./rig.ts";

export const help = `Measures live moves at the driver: through its port, and the same QMP sequence by hand, in turns. Needs root.

  npm run --silent bench:migration -- [OPTIONS]
  npm run --silent bench:migration -- --faults N [--kind KIND] [--seed TEXT]
  npm run --silent bench:migration -- --evacuate N

  --trials N       of each (default 5); the row holds medians
  --memory MIB     of the guests (default 80)
  --kind KIND      shared (one pool) or shared-nothing (a pool each: the disk goes along); default: both, a row each.
                   With --faults: where the guest's disk lies (default: in the shared pool)
  --without-tls    as over a direct cable
  --faults N       instead: N moves of a writing guest in a lab, each with one trouble at a random moment
  --evacuate N     instead: a host of a lab with N writing guests goes into maintenance, and comes back
  --seed TEXT      of the random troubles; each run prints its own
  --json           one JSON object per line on stdout; progress is on stderr either way

Total: from the order to start the target's QEMU until the guest executes there. Downtime: the longest time in which a guest
that writes every 5 ms wrote nothing, seen on its disk. By hand no QEMU enters a cgroup; what that costs is part of ours, and is
told as \`cgroupMs\`. The first trial finds memory that nobody used before, on either side: the median leaves it out.`;

export type Options = {
  /** Null: not asked for. */
  readonly faults: number | null;
  readonly evacuate: number | null;
  readonly seed: string | undefined;
  readonly kinds: readonly MoveKind[];
  readonly trials: number;
  readonly memoryMiB: number;
  readonly tls: boolean;
  readonly json: boolean;
};

const nothing = "Nothing was measured.";

/** Throws `LabError` for what it does not know. */
export function parseOptions(args: readonly string[]): Options {
  const options = {
    ...{ trials: textOr("5"), memory: textOr("80"), "without-tls": flag, json: flag },
    ...{ faults: text, evacuate: text, seed: text, kind: text },
  };
  const values = parseWords(args, options, nothing);
  const count = (name: string, value: string | undefined, max: number): number | null =>
    value === undefined ? null : wholeNumber(name, value, { min: 1, max }, nothing);
  return {
    faults: count("faults", values.faults, 100_000),
    evacuate: count("evacuate", values.evacuate, 50),
    seed: values.seed,
    kinds: kindsOf(values.kind),
    trials: wholeNumber("trials", values.trials, { min: 1 }, nothing),
    memoryMiB: wholeNumber("memory", values.memory, { min: 80 }, nothing),
    tls: !values["without-tls"],
    json: values.json,
  };
}

function kindsOf(kind: string | undefined): readonly MoveKind[] {
  const all = ["shared", "shared-nothing"] as const;
  if (kind === undefined) return all;
  const known = all.find((one) => one === kind);
  if (known === undefined) throw new LabError(`There is no kind ${kind}.`, nothing, `It is one of ${all.join(", ")}.`);
  return [known];
}

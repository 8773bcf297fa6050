import { flag, oneOf, parseWords, textOr, wholeNumber, wrongWords } from "../../lab/options.ts";
import type { Size } from "./cluster.ts";
import { type RoundName, roundNames } from "./rounds.ts";

export const usage = `Measures the processor time of one decision round of the production manager. Needs neither root nor a lab.

  npm run --silent bench:manager -- [OPTIONS]

  --json           one JSON object per line
  --size H/V       hosts and VMs; may be given several times (default 100/10000 and growth to 1000/100000)
  --round NAME     ${roundNames.join(", ")}; may be given several times (default: all)
  --rules WORD     none, mixed or both (default both)
  --scheduler MODE basic, static or dynamic: by which figures hosts are compared (default basic)
  --samples N      rounds of each kind (default 15; half of that from 50,000 VMs on)`;

export type Options = {
  readonly sizes: readonly Size[];
  readonly rounds: readonly RoundName[];
  readonly samples: (size: Size) => number;
  readonly json: boolean;
};

const nothing = "Nothing was measured.";
const defaultSizes = ["100/10000", "200/20000", "500/50000", "1000/100000"];

/** Throws `LabError` for what it does not know. */
export function parseOptions(args: readonly string[]): Options {
  const many = { type: "string", multiple: true } as const;
  const options = {
    ...{ json: flag, size: many, round: many },
    ...{ rules: textOr("both"), scheduler: textOr("basic"), samples: textOr("15") },
  };
  const values = parseWords(args, options, nothing);
  const asked = values.round?.map((name) => oneOf("round", name, roundNames, nothing));
  const rules = oneOf("rules", values.rules, ["none", "mixed", "both"], nothing);
  const scheduler = oneOf("scheduler", values.scheduler, ["basic", "static", "dynamic"], nothing);
  const samples = wholeNumber("samples", values.samples, { min: 1 }, nothing);
  const sizes = (values.size ?? defaultSizes).flatMap((size) => {
    const [, hosts, vms] = /^([1-9]\d*)\/([1-9]\d*)$/u.exec(size) ?? [];
    if (hosts === undefined || Number(hosts) < 3)
      throw wrongWords(`--size ${size} is not HOSTS/VMS, with three hosts or more.`, nothing);
    return [false, true]
      .filter((mixed) => rules === "both" || mixed === (rules === "mixed"))
      .map((mixed): Size => ({ hosts: Number(hosts), vms: Number(vms), mixed, scheduler }));
  });
  return {
    sizes,
    rounds: roundNames.filter((name) => asked === undefined || asked.includes(name)),
    samples: ({ vms }: Size): number => (vms < 50_000 ? samples : Math.ceil(samples / 2)),
    json: values.json,
  };
}

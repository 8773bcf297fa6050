import { parseArgs } from "node:util";
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

const defaultSizes = ["100/10000", "200/20000", "500/50000", "1000/100000"];

/** The options, or what is to be said instead of measuring. */
export function parseOptions(args: readonly string[]): Options | string {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\n\n${usage}`;
  }
  if (values.help) return usage;
  const rounds = roundNames.filter((name) => values.round === undefined || values.round.includes(name));
  const wrong = values.round?.find((name) => !roundNames.some((known) => known === name));
  if (wrong !== undefined) return `--round ${wrong} is not one of: ${roundNames.join(", ")}.`;
  if (!["none", "mixed", "both"].includes(values.rules))
    return `--rules ${values.rules} is not one of: none, mixed, both.`;
  const scheduler = (["basic", "static", "dynamic"] as const).find((mode) => mode === values.scheduler);
  if (scheduler === undefined) return `--scheduler ${values.scheduler} is not one of: basic, static, dynamic.`;
  const samples = Number(values.samples);
  if (!Number.isSafeInteger(samples) || samples < 1)
    return `--samples ${values.samples} is not a whole number from 1 on.`;
  const sizes: Size[] = [];
  for (const text of values.size ?? defaultSizes) {
    const [, hosts, vms] = /^([1-9]\d*)\/([1-9]\d*)$/u.exec(text) ?? [];
    if (Number(hosts) < 3 || hosts === undefined || vms === undefined)
      return `--size ${text} is not HOSTS/VMS, with three hosts or more.`;
    for (const mixed of [false, true]) {
      if (values.rules === "both" || mixed === (values.rules === "mixed"))
        sizes.push({ hosts: Number(hosts), vms: Number(vms), mixed, scheduler });
    }
  }
  const samplesOf = ({ vms }: Size): number => (vms < 50_000 ? samples : Math.ceil(samples / 2));
  return { sizes, rounds, samples: samplesOf, json: values.json };
}

function parse(args: readonly string[]) {
  const flag = { type: "boolean", default: false } as const;
  const many = { type: "string", multiple: true } as const;
  return parseArgs({
    args: [...args],
    options: {
      help: { ...flag, short: "h" },
      json: flag,
      size: many,
      round: many,
      rules: { type: "string", default: "both" },
      scheduler: { type: "string", default: "basic" },
      samples: { type: "string", default: "15" },
    },
  }).values;
}

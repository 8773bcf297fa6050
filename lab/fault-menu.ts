import { LabError } from "./lab-error.ts";
import { type LinkName, linkNames } from "./names.ts";

/** A fault as a person or a test asks for it. Which fields a fault needs stands in `faultMenu`. */
export type FaultRequest = {
  readonly fault: string;
  readonly host?: string | undefined;
  /** A program (agent, heart, guard-a, guard-b, etcd …) or `qemu:VM`. */
  readonly process?: string | undefined;
  /** Default: all three links. */
  readonly link?: string | undefined;
  /** tc's notation, `10mbit`. */
  readonly rate?: string | undefined;
};

type FieldUse = "needed" | "optional" | "unused";
type MenuEntry = {
  readonly host: FieldUse;
  readonly process: FieldUse;
  readonly link: FieldUse;
  readonly rate: FieldUse;
  readonly help: string;
};

const entry = (help: string, use: Partial<Record<"host" | "process" | "link" | "rate", FieldUse>>): MenuEntry => ({
  host: "unused",
  process: "unused",
  link: "unused",
  rate: "unused",
  ...use,
  help,
});

/** Every fault the lab knows: the command's help, its checks and the applier follow from this table. */
export const faultMenu = {
  "power-off": entry("cut a host's power: everything in it ends at once", { host: "needed" }),
  "power-on": entry("boot a host that is off", { host: "needed" }),
  "freeze-host": entry("stop every process of a host", { host: "needed" }),
  "thaw-host": entry("let a frozen host go on", { host: "needed" }),
  freeze: entry("stop one process (SIGSTOP)", { host: "needed", process: "needed" }),
  thaw: entry("let a stopped process go on (SIGCONT)", { host: "needed", process: "needed" }),
  kill: entry("kill one process (SIGKILL)", { host: "needed", process: "needed" }),
  cut: entry("cut a host's cables, or one of them", { host: "needed", link: "optional" }),
  "cut-in": entry("a host hears nothing, but is heard", { host: "needed", link: "optional" }),
  "cut-out": entry("a host hears, but is not heard", { host: "needed", link: "optional" }),
  "slow-link": entry("limit a host's cables to a rate (default 10mbit)", {
    host: "needed",
    link: "optional",
    rate: "optional",
  }),
  outage: entry("cut all cables of all hosts", {}),
  heal: entry("undo cuts and slow links, of one host or of all", { host: "optional", link: "optional" }),
  "fill-disk": entry("fill a host's own disk, or the shared pool where no host is named", { host: "optional" }),
  "free-disk": entry("undo fill-disk", { host: "optional" }),
} as const satisfies Record<string, MenuEntry>;
export type FaultName = keyof typeof faultMenu;

export const faultNames = Object.keys(faultMenu) as readonly FaultName[];

/** A request whose names and fields fit the menu; host and process names are checked against the world later. */
export type CheckedFault = {
  readonly fault: FaultName;
  readonly host: string | undefined;
  readonly process: string | undefined;
  readonly links: readonly LinkName[];
  readonly rate: string;
};

const defaultRate = "10mbit";

/** Throws `LabError` for an unknown fault, a missing field, one that the fault does not take, or an unknown link. */
export function checkFault(request: FaultRequest): CheckedFault {
  const fault = faultNames.find((name) => name === request.fault);
  if (fault === undefined)
    throw nothingDone(`There is no fault ${request.fault}.`, `Known are: ${faultNames.join(", ")}.`);
  const uses: MenuEntry = faultMenu[fault];
  for (const field of ["host", "process", "link", "rate"] as const) {
    const given = request[field] !== undefined;
    if (uses[field] === "needed" && !given) throw nothingDone(`The fault ${fault} needs a ${field}.`, usage(fault));
    if (uses[field] === "unused" && given) throw nothingDone(`The fault ${fault} takes no ${field}.`, usage(fault));
  }
  const rate = request.rate ?? defaultRate;
  if (!/^[1-9]\d*[kmg]?bit$/u.test(rate))
    throw nothingDone(`${rate} is not a rate.`, "Write it like 10mbit or 500kbit.");
  return { fault, host: request.host, process: request.process, links: linksOf(request.link), rate };
}

function linksOf(link: string | undefined): readonly LinkName[] {
  if (link === undefined) return linkNames;
  const found = linkNames.find((name) => name === link);
  if (found === undefined) throw nothingDone(`There is no link ${link}.`, `Known are: ${linkNames.join(", ")}.`);
  return [found];
}

/** How the fault is written on a command line: `freeze HOST --process NAME`. */
export function usage(fault: FaultName): string {
  const uses: MenuEntry = faultMenu[fault];
  const word = (field: "process" | "link" | "rate"): string[] => {
    if (uses[field] === "unused") return [];
    const text = `--${field} ${field.toUpperCase()}`;
    return [uses[field] === "optional" ? `[${text}]` : text];
  };
  const host = uses.host === "unused" ? [] : [uses.host === "optional" ? "[HOST]" : "HOST"];
  return ["./holdfast lab fault", fault, ...host, ...word("process"), ...word("link"), ...word("rate")].join(" ");
}

export function nothingDone(cause: string, remedy: string): LabError {
  return new LabError(cause, "Nothing was done.", remedy);
}

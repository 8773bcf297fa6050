import { type ChildProcess, spawn } from "node:child_process";
import { readlinkSync } from "node:fs";
import { succeed } from "../../lab/shell.ts";
import { must } from "../../src/base/assert.ts";
import { eventually } from "./store-promises.ts";

/** What one machine sends to another. */
export type Way = readonly [from: string, to: string];

/** Machines on one switch, each in a network namespace of its own; nothing of it shows outside. */
export interface Cables {
  address(machine: string): string;
  /** The words that bring a command into a machine; it dies with this process. */
  enter(machine: string): readonly [string, ...string[]];
  /** From one moment on, what is sent along these ways is lost, and nobody is told. */
  cut(ways: readonly Way[]): Promise<void>;
  heal(): Promise<void>;
  close(): Promise<void>;
}

const withUs = ["setpriv", "--pdeathsig", "KILL"] as const;
const subnet = "10.94.0";

/**
 * Frames are dropped inside the switch, so that no sender notices more than on a real cable. A namespace lives as long as
 * the process that holds it, which dies with this one: a test run that is killed leaves nothing behind.
 */
export async function plugTogether(machines: readonly string[]): Promise<Cables> {
  const holders = new Map(["switch", ...machines].map((name) => [name, hold()]));
  const close = async (): Promise<void> => {
    await Promise.all([...holders.values()].map(end));
  };
  const into = (name: string): readonly string[] => {
    const { pid } = must(holders.get(name), () => `There is no machine ${name}`);
    return [`--net=/proc/${pid}/ns/net`, "--"];
  };
  const inSwitch = (file: string, args: readonly string[], input: string): Promise<string> =>
    succeed("nsenter", [...into("switch"), file, ...args], input);
  const macOf = (name: string): string => `02:48:46:94:00:${hex(machines.indexOf(name))}`;
  try {
    await eventually(() => [...holders.values()].every(isApart), "every machine has a namespace");
    await inSwitch("ip", ["-batch", "-"], switchLines(machines, holders, macOf));
    for (const [i, name] of machines.entries()) {
      const lines = [`link set lo up`, `addr add ${subnet}.${i + 1}/24 dev eth0`, `link set eth0 up`];
      await succeed("nsenter", [...into(name), "ip", "-batch", "-"], text(lines));
    }
    await inSwitch("nft", ["-f", "-"], lossTable);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    address: (name) => `${subnet}.${machines.indexOf(name) + 1}`,
    enter: (name) => [...withUs, "nsenter", ...into(name)],
    cut: async (ways) => {
      const elements = ways.map(([from, to]) => `${macOf(from)} . ${macOf(to)}`).join(", ");
      await inSwitch("nft", ["-f", "-"], `add element bridge cables lost { ${elements} }\n`);
    },
    heal: async () => {
      await inSwitch("nft", ["-f", "-"], "flush set bridge cables lost\n");
    },
    close,
  };
}

const lossTable = `table bridge cables {
  set lost { type ether_addr . ether_addr; }
  chain pass { type filter hook forward priority 0; policy accept; ether saddr . ether daddr @lost drop; }
}
`;

function switchLines(
  machines: readonly string[],
  holders: ReadonlyMap<string, ChildProcess>,
  macOf: (name: string) => string,
): string {
  return text([
    "link set lo up",
    "link add sw0 type bridge forward_delay 0 mcast_snooping 0",
    "link set sw0 up",
    ...machines.flatMap((name) => [
      `link add p-${name} type veth peer name eth0 address ${macOf(name)} netns ${holders.get(name)?.pid}`,
      `link set p-${name} master sw0 up`,
    ]),
  ]);
}

function hold(): ChildProcess {
  const [file, ...args] = withUs;
  return spawn(file, [...args, "unshare", "--net", "sleep", "infinity"], { stdio: "ignore" });
}

function isApart({ pid }: ChildProcess): boolean {
  const own = readlinkSync("/proc/self/ns/net");
  try {
    return readlinkSync(`/proc/${pid}/ns/net`) !== own;
  } catch {
    return false; // it does not run yet
  }
}

function end(holder: ChildProcess): Promise<void> {
  if (holder.exitCode !== null || holder.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    holder.once("exit", () => resolve());
    holder.kill("SIGKILL");
  });
}

const text = (lines: readonly string[]): string => `${lines.join("\n")}\n`;
const hex = (number: number): string => number.toString(16).padStart(2, "0");

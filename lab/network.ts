import { existsSync } from "node:fs";
import {
  bridgeName,
  deviceName,
  hostAddress,
  hostMac,
  hostNamespace,
  type LinkName,
  labAddress,
  labMac,
  labNamespace,
  linkNames,
  portName,
  vmBridge,
} from "./names.ts";
import { command, succeed } from "./shell.ts";

/** Which way a cable is cut, seen from the host: `in` loses what is sent to it. */
export type CutDirection = "both" | "in" | "out";

/** The cables of a run: bridges in the lab's own namespace, so that nothing of them shows on the machine. */
export interface Network {
  /** A fresh namespace for a host, as after a boot: interfaces, addresses and an empty `br-vm`. */
  plugIn(host: string, index: number): Promise<void>;
  cut(hosts: readonly string[], links: readonly LinkName[], direction: CutDirection): Promise<void>;
  /** Undoes cuts and slow links. */
  heal(hosts: readonly string[], links: readonly LinkName[]): Promise<void>;
  /** Limits both directions of a host's cables to `rate` (tc's notation: `10mbit`). */
  slow(hosts: readonly string[], links: readonly LinkName[], rate: string): Promise<void>;
  /** What is wrong with each host's cables now, in words. */
  faults(hosts: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
}

/**
 * Frames are dropped where they enter or leave a bridge port, outside the host: a drop in the host's own output hook
 * would tell the sender (EPERM), which no real cut does. These hooks also cover the power controllers' address, which
 * is the bridge itself and never passes the forward hook.
 */
const cutTable = `table bridge lab {
  set from { type ifname; }
  set to { type ifname; }
  chain enter { type filter hook prerouting priority -300; policy accept; iifname @from drop; }
  chain leave { type filter hook postrouting priority 300; policy accept; oifname @to drop; }
}`;

export async function openNetwork(run: string): Promise<Network> {
  const lab = labNamespace(run);
  await succeed("ip", ["netns", "add", lab]);
  await inNamespace(lab, ["link set lo up", ...linkNames.flatMap(bridgeCommands)]);
  await succeed("nsenter", [`--net=/run/netns/${lab}`, "nft", "-f", "-"], cutTable);
  return {
    plugIn: (host, index) => plugIn(run, host, index),
    cut: (hosts, links, direction) => changeCuts(lab, "cut", ports(hosts, links), setsOf(direction)),
    heal: async (hosts, links) => {
      await changeCuts(lab, "heal", ports(hosts, links), setsOf("both"));
      await shape(run, hosts, links, undefined);
    },
    slow: (hosts, links, rate) => shape(run, hosts, links, rate),
    faults: (hosts) => cableFaults(lab, hosts),
  };
}

function bridgeCommands(link: LinkName): string[] {
  const bridge = bridgeName(link);
  return [
    // Without an address of its own a bridge takes one of its ports', which changes whenever a host boots: the others'
    // ARP entries for the power controllers would be wrong for half a minute.
    `link add ${bridge} address ${labMac(link)} type bridge forward_delay 0 mcast_snooping 0`,
    `addr add ${labAddress(link)}/24 dev ${bridge}`,
    `link set ${bridge} up`,
  ];
}

async function plugIn(run: string, host: string, index: number): Promise<void> {
  const lab = labNamespace(run);
  const namespace = hostNamespace(run, host);
  if (existsSync(`/run/netns/${namespace}`)) await succeed("ip", ["netns", "del", namespace]);
  await succeed("ip", ["netns", "add", namespace]);
  // The old cables vanish with the old namespace, but not at once.
  await inNamespace(
    lab,
    [],
    linkNames.map((link) => `link del ${portName(link, host)}`),
  );
  await inNamespace(
    lab,
    linkNames.flatMap((link) => [
      `link add ${portName(link, host)} type veth peer name ${deviceName(link)} address ${hostMac(link, index)} netns ${namespace}`,
      `link set ${portName(link, host)} master ${bridgeName(link)} up`,
    ]),
  );
  await inNamespace(namespace, [
    "link set lo up",
    `addr add ${hostAddress("management", index)}/24 dev ${deviceName("management")}`,
    `addr add ${hostAddress("availability", index)}/24 dev ${deviceName("availability")}`,
    `link add ${vmBridge} type bridge forward_delay 0 mcast_snooping 0`,
    `link set ${deviceName("vm")} master ${vmBridge}`,
    `link set ${vmBridge} up`,
    ...linkNames.map((link) => `link set ${deviceName(link)} up`),
  ]);
}

const ports = (hosts: readonly string[], links: readonly LinkName[]): readonly string[] =>
  hosts.flatMap((host) => links.map((link) => portName(link, host)));

/** `from` holds the ports whose host is not heard, `to` those whose host hears nothing. */
function setsOf(direction: CutDirection): readonly string[] {
  if (direction === "both") return ["from", "to"];
  return direction === "in" ? ["to"] : ["from"];
}

/** One nft transaction: all cables at one moment. */
async function changeCuts(
  lab: string,
  verb: "cut" | "heal",
  names: readonly string[],
  sets: readonly string[],
): Promise<void> {
  const elements = `{ ${names.map((name) => `"${name}"`).join(", ")} }`;
  // `delete` fails for an element that is not there; adding it first in the same transaction makes it harmless.
  const lines = sets.flatMap((set) => {
    const add = `add element bridge lab ${set} ${elements}`;
    return verb === "cut" ? [add] : [add, `delete element bridge lab ${set} ${elements}`];
  });
  await succeed("nsenter", [`--net=/run/netns/${lab}`, "nft", "-f", "-"], `${lines.join("\n")}\n`);
}

async function shape(
  run: string,
  hosts: readonly string[],
  links: readonly LinkName[],
  rate: string | undefined,
): Promise<void> {
  const line = (device: string): string =>
    rate === undefined
      ? `qdisc del dev ${device} root`
      : `qdisc replace dev ${device} root tbf rate ${rate} burst 64kb latency 50ms`;
  const devices = [
    { namespace: labNamespace(run), names: ports(hosts, links) },
    ...hosts.map((host) => ({ namespace: hostNamespace(run, host), names: links.map(deviceName) })),
  ];
  for (const { namespace, names } of devices) {
    if (!existsSync(`/run/netns/${namespace}`)) continue;
    const lines = `${names.map(line).join("\n")}\n`;
    if (rate !== undefined) await succeed("tc", ["-n", namespace, "-batch", "-"], lines);
    // Removing a limit that is not there is an error to tc: -force goes on, and the outcome is what was wanted.
    else await command("tc", ["-n", namespace, "-force", "-batch", "-"], { input: lines });
  }
}

async function cableFaults(lab: string, hosts: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const inside = `--net=/run/netns/${lab}`;
  const list = async (set: string) =>
    [...(await succeed("nsenter", [inside, "nft", "list", "set", "bridge", "lab", set])).matchAll(/"([^"]+)"/gu)].map(
      ([, port]) => port ?? "",
    );
  const [from, to, shapes] = await Promise.all([list("from"), list("to"), succeed("tc", ["-n", lab, "qdisc", "show"])]);
  const rateOf = (port: string) => new RegExp(`qdisc tbf .* dev ${port} .*rate (\\S+)`, "u").exec(shapes)?.[1];
  const faultOf = (link: LinkName, host: string): readonly string[] => {
    const port = portName(link, host);
    const [mute, deaf, rate] = [from.includes(port), to.includes(port), rateOf(port)];
    const words = rate === undefined ? [] : [`the ${link} cable is limited to ${rate}`];
    if (!mute && !deaf) return words;
    return [
      ...words,
      `the ${link} cable ${mute && deaf ? "is cut" : mute ? "carries nothing from it" : "carries nothing to it"}`,
    ];
  };
  return new Map(hosts.map((host) => [host, linkNames.flatMap((link) => faultOf(link, host))]));
}

/** `ip` commands in a namespace, in one process; `harmless` ones may fail. */
async function inNamespace(
  namespace: string,
  lines: readonly string[],
  harmless: readonly string[] = [],
): Promise<void> {
  const batch = (list: readonly string[]): string => `${list.join("\n")}\n`;
  if (harmless.length > 0) await command("ip", ["-n", namespace, "-force", "-batch", "-"], { input: batch(harmless) });
  if (lines.length > 0) await succeed("ip", ["-n", namespace, "-batch", "-"], batch(lines));
}

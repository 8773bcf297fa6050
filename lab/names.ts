import { randomBytes } from "node:crypto";
import { join } from "node:path";

/** Every name a run makes carries its id: several labs run at once, and a dead one can be told from a living one. */
export const linkNames = ["management", "availability", "vm"] as const;
export type LinkName = (typeof linkNames)[number];

/** The third byte of each link's 10.x.0.0/24, and the first letter of its ports. */
const links = {
  management: { subnet: "10.91.0", letter: "m", device: "mgmt" },
  availability: { subnet: "10.92.0", letter: "a", device: "avail" },
  vm: { subnet: "10.93.0", letter: "v", device: "vmlan" },
} as const satisfies Record<LinkName, { subnet: string; letter: string; device: string }>;

export const hostsMax = 16;
/** The lab's own address on each link; the power controllers answer on the management link. */
export const labAddress = (link: LinkName): string => `${links[link].subnet}.254`;
export const hostAddress = (link: LinkName, index: number): string => `${links[link].subnet}.${10 + index}`;
export const linkSubnet = (link: LinkName): string => `${links[link].subnet}.0/24`;
export const bmcPort = (index: number): number => 9000 + index;

export const newRunId = (): string => randomBytes(3).toString("hex");
export const labNamespace = (run: string): string => `hf-${run}-lab`;
export const hostNamespace = (run: string, host: string): string => `hf-${run}-${host}`;
export const runCgroup = (root: string, run: string): string => join(root, `holdfast-lab-${run}`);
export const runPrefix = (run: string): string => `hf-${run}-`;

/** A bridge inside the lab's namespace. */
export const bridgeName = (link: LinkName): string => `br-${links[link].device}`;
/** The lab's end of a host's cable; the only place where it is cut or slowed. */
export const portName = (link: LinkName, host: string): string => `${links[link].letter}-${host}`;
/** The host's end. */
export const deviceName = (link: LinkName): string => links[link].device;
/** The switch inside a host on which its VMs' taps are. */
export const vmBridge = "br-vm";

export const labMac = (link: LinkName): string => hostMac(link, 254);

/** Stays over reboots, as a real card's address does: neighbours keep their ARP entries. */
export function hostMac(link: LinkName, index: number): string {
  const last = index.toString(16).padStart(2, "0");
  return `02:48:46:${linkNames.indexOf(link).toString(16).padStart(2, "0")}:00:${last}`;
}

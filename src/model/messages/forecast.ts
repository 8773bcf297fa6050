import type { Catalogue } from "./message.ts";

/** What is told beforehand, and why it cannot be. */
export const forecastMessages = {
  "forecast-host-fenced":
    "Host {host} is fenced after {afterMs} ms: from then on its VMs start elsewhere, each with its proof.",
  "forecast-host-not-fenced": "Host {host} is not fenced: none of its VMs could start elsewhere.",
  "forecast-all-stand-still":
    "No host reaches the store: all VMs stand still at their deadlines, nobody is fenced, and they go on when the store is back.",
  "forecast-link-carries-no-store":
    "Link {link} does not carry the store: no VM stands still, stops or moves because of it.",
  "loses-its-run": "VM {vm} is shut down in order and boots afresh: its connections break, what it has on disk stays.",
  "loses-its-memory":
    "What VM {vm} holds in memory alone is lost with its host, and it boots afresh; each write that was acknowledged stays.",
  "whatif-host-not-up": {
    cause: "Host {host} is {state}: it cannot be lost now.",
    effect: "Nothing was worked out.",
    remedy: "See `holdfast host list`; name a host that is up.",
  },
  "whatif-link-unknown": {
    cause: "There is no link {link}. Known: {known}.",
    effect: "Nothing was worked out.",
    remedy: "Name a kind of link, a subnet, or HOST:LINK for one host's connection.",
  },
  "whatif-store-link-unknown": {
    cause: "None of the links of host {host} has an address at which its store answers.",
    effect: "Whether link {link} carries the store is not known, so nothing was worked out.",
    remedy: "Correct the links of the members; the store's addresses stand in the host's configuration.",
  },
} as const satisfies Catalogue;

import type { Catalogue } from "./message.ts";

/** What is told beforehand, and why it cannot be. */
export const forecastMessages = {
  "forecast-host-fenced":
    "Host {host} is fenced after {afterMs} ms: from then on its VMs start elsewhere, each with its proof.",
  "forecast-host-not-fenced": "Host {host} is not fenced: none of its VMs could start elsewhere.",
  "forecast-host-empty": "Host {host} is not fenced: it has no VMs.",
  "forecast-links-cut":
    "No link over which guests may be moved from host {from} to {host} connects now ({tried}): they go elsewhere where another host can take them.",
  "forecast-not-at-rest":
    "A host could take VM {vm}, but not within the time that anybody looks ahead: something else has to come first.",
  "forecast-all-stand-still":
    "No host reaches the store: all VMs stand still at their deadlines, nobody is fenced, and they go on when the store is back.",
  "forecast-link-carries-no-store":
    "Link {link} does not carry the store: no VM stands still, stops or moves because of it.",
  "forecast-no-link-for-moves":
    "Without link {link} no guest that runs can be moved between {between}: maintenance, returns and balance wait there.",
  "forecast-copies-left-behind":
    "Without link {link} nothing gets from {from} to {host}: a write of group {group} waits up to {boundS} s, its bound; then its VMs go on without their copies, at risk from then: what they write is lost with {from}, and they are not started from the copies by themselves.",
  "forecast-copies-left-by-note":
    "Without link {link} nothing gets from {from} to {host}, and no record is taken: a write of group {group} waits up to {boundS} s, its bound; then its VMs go on without their copies by a note of {from}, at risk from then: what they write is lost with {from}, and nobody but a person takes the copies.",
  "forecast-writes-wait":
    "Without link {link} nothing gets from {from} to {host}, and nobody records that the VMs of group {group} go on without their copies: a write waits until the copies answer, or the store does.",
  "forecast-copies-other-link":
    "The writes of group {group} go from {from} to {host} over {next} instead of link {link}; one that is under way waits for about {silentS} s.",
  "forecast-cycles-other-link":
    "The cycles of group {group} go from {from} to {host} over {next} instead of link {link}; no write waits.",
  "forecast-cycles-fall-behind":
    "Without link {link} no cycle of group {group} gets from {from} to {host}: no write waits, its copies fall behind, and its VMs are started from them by order alone.",
  "forecast-cycles-fall-behind-to":
    "Without link {link} no cycle of group {group} gets from {from} to {host}: no write waits, and its copies fall behind; its VMs are started from them by themselves only while those are at most {lossS} s behind.",
  "forecast-nobody-decides":
    "Of two hosts each needs the other one: nobody starts, moves or recovers a VM, and what runs goes on where it is.",
  "forecast-without-copies":
    "VMs that go on without their copies on host {host}, so that what they write from then on is lost with their own host: {vms}.",
  "fix-copy-complete":
    "Its copy on {host} is under way: once that is complete, VM {vm} starts there. See `holdfast group list`.",
  "fix-allow-loss":
    "Its copy on {host} is {seconds} s behind: where its group allows that much it starts there, without what it lacks: `holdfast group set {group} --allow-loss`.",
  "fix-takeover":
    "Once host {lost} is known to be off, somebody orders {host} to go on alone: VM {vm} starts there by `holdfast cluster takeover --peer-is-off`; with --dry-run it says what it may lack.",
  "fix-arm": "The cluster is armed again: `holdfast cluster arm`.",
  "fix-group-and-arm":
    "With a group that copies its disks to {host} before (`holdfast group create`, --from {from} --to {host} --vm {vm}), and the cluster armed again (`holdfast cluster arm`), VM {vm} would start.",
  "fix-clear-error":
    "It is tried anew once somebody has cleared its error: `holdfast vm set {vm} --state disabled`, then `holdfast vm start {vm}`.",
  "fix-move-links":
    "Moves may use {links} as well: `holdfast policy set --migration-links default`, or a list with it.",
  "loses-its-run": "VM {vm} is shut down in order and boots afresh: its connections break, what it has on disk stays.",
  "loses-its-paused-run":
    "VM {vm} is paused ({by}) and cannot go on elsewhere as it is: it is stopped and boots afresh; its connections break, what it has on disk stays.",
  "loses-its-memory":
    "What VM {vm} holds in memory alone is lost with its host, and it boots afresh; each write that was acknowledged stays.",
  "loses-its-memory-and-waits":
    "What VM {vm} holds in memory alone is lost with its host, and it is down; each write that was acknowledged stays.",
  "loses-until-host-is-back":
    "VM {vm} is down until {host} is back, with its disks and each write that was acknowledged; what it holds in memory alone is lost.",
  "loses-by-order":
    "VM {vm} does not start by itself: its copy on host {host} lacks what was written in the last {seconds} s, which only an order may give up.",
  "loses-what-came-since": "What VM {vm} wrote in the last {seconds} s is not in its copy on host {host}, and is lost.",
  "loses-nobody-knows-what":
    "VM {vm} does not start by itself: how much its copy on host {host} lacks is not known, and only an order may give it up.",
  "edit-accepted": "What {edit} would break was accepted ({breaks} in all).",
  "edit-bears-less": {
    cause:
      "The cluster bears the loss of {before} of its hosts now and would bear {after}: without {losing}, {vm} would find no host[more? (other things that would break: {more})].",
    effect: "Nothing was changed.",
    remedy:
      "Make room or loosen a rule first (`holdfast cluster status` names what helps), or repeat it with --accept.",
  },
  "edit-strands-vms": {
    cause:
      "If host {losing} is lost, these VMs find a host now and would find none any more: {vms}.[more? {more} more would break.]",
    effect: "Nothing was changed.",
    remedy:
      "Make room or loosen a rule first (`holdfast whatif host-loss {losing}` tells what becomes of each VM now), or repeat it with --accept if they may be down until {losing} is back.",
  },
  "edit-then-bears-less": {
    cause:
      "Once this has had its effect[starts? (started: {starts})][moves? (moved: {moves})], the cluster would bear the loss of {after} of its hosts instead of {before}: without {losing}, {vm} would find no host[more? (other things that would break: {more})].",
    effect: "Nothing was changed.",
    remedy:
      "Make room or loosen a rule first (`holdfast cluster status` names what helps), or repeat it with --accept.",
  },
  "edit-then-strands-vms": {
    cause:
      "Once this has had its effect[starts? (started: {starts})][moves? (moved: {moves})], these VMs would find no host any more if host {losing} is lost, and without it they would: {vms}.[more? {more} more would break.]",
    effect: "Nothing was changed.",
    remedy:
      "Make room or loosen a rule first (`holdfast whatif host-loss {losing}` tells what becomes of each VM now), or repeat it with --accept if they may be down until {losing} is back.",
  },
  "start-bears-less": {
    cause:
      "Once it runs ({starts}) the cluster bears the loss of {after} of its hosts instead of {before}: without {losing}, {vm} would find no host.",
    effect: "It is started all the same.",
    remedy: "`holdfast cluster status` names what helps.",
  },
  "start-strands-vms": {
    cause: "Once it runs ({starts}), these VMs would find no host any more if host {losing} is lost: {vms}.",
    effect: "It is started all the same.",
    remedy: "`holdfast whatif host-loss {losing}` tells what becomes of each VM, and what helps.",
  },
  "edit-loses-majority": {
    cause:
      "If host {losing} is lost, the store would have no majority any more, and no VM would start.[more? {more} more would break.]",
    effect: "Nothing was changed.",
    remedy: "Have another host or a witness join first, or repeat it with --accept.",
  },
  "edit-group-protects": {
    cause:
      "VM {vm} would start nowhere by itself once host {host} is lost: now its copy on host {copy} would take over, by group {group}.[more? {more} more would break.]",
    effect: "Nothing was changed.",
    remedy: "Repeat it with --accept if {vm} may be down until {host} is back.",
  },
  "edit-vm-fits-nowhere": {
    cause: "VM {vm} would fit on no host any more; {host} comes closest.[more? {more} more would break.]",
    effect: "Nothing was changed.",
    remedy:
      "Make room or loosen a rule first, or repeat it with --accept: the VM then starts nowhere until something changes.",
  },
  "edit-vm-starts-nowhere": {
    cause:
      "VM {vm} is down and would start nowhere any more, not even once host {host} takes VMs again: now it starts there then.[more? {more} more would break.]",
    effect: "Nothing was changed.",
    remedy: "Leave {host} to it, or repeat it with --accept: {vm} then stays down until something changes.",
  },
  "edit-rule-fails": {
    cause: "Rule {rule} could not be followed any more.[more? {more} more would break.]",
    effect: "Nothing was changed.",
    remedy: "Change that rule first, or repeat it with --accept: the rule is then left out of every decision.",
  },
  "edit-pool-too-small": {
    cause:
      "Pool {pool} would hold at most {quotaMiB} MiB, and its disks may grow to {promisedMiB}.[more? {more} more would break.]",
    effect: "Nothing was changed.",
    remedy:
      "Remove or move disks first, or repeat it with --accept: no disk is made or moved there then, and what is there may grow.",
  },
  "edit-no-link-for-moves": {
    cause:
      "Hosts {host} and {other} would have no link over which guests that run may move[pairs? (pairs of hosts beside them: {pairs})].[more? {more} more would break.]",
    effect: "Nothing was changed.",
    remedy:
      "Name a link that both have, or `default`, or repeat it with --accept: maintenance and balance then wait there.",
  },
  "vm-size-while-held": {
    cause: "VM {vm} is held by {host}: its size and its CPU model are what it was started with.",
    effect: "Nothing was changed.",
    remedy: "Stop it first: holdfast vm stop {vm}.",
  },
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

import type { Catalogue } from "./message.ts";

/** Hosts that leave the cluster for good, and their way back. */
export const removalMessages = {
  "host-removed": "Host {host} was removed from the cluster; its last life was incarnation {incarnation}.",
  "host-fenced-to-remove":
    "Host {host} is fenced as incarnation {incarnation}, by its silence: it is to be removed from the cluster.",
  "host-left-store": "The member of host {host} has left the store: it counts for no majority any more.",
  "host-taken-back": "Host {host}, once removed, may join the cluster again.",
  "own-host-removed": "Its own host {host} was removed from the cluster.",
  "host-remove-itself": {
    cause: "Host {host} was asked to remove itself.",
    effect: "Nothing was changed.",
    remedy:
      "Ask another host: run the command there, or name its socket with --socket or HOLDFAST_SOCKET (in a lab FOLDER/HOST/run/api.sock, as it says at its start).",
  },
  "host-remove-last": {
    cause: "{host} is the last host of the cluster that runs VMs.",
    effect: "Nothing was changed.",
    remedy: "Without it there is no cluster. To give it up, delete its VMs and uninstall Holdfast.",
  },
  "host-remove-another-leaves": {
    cause: "Host {other} was removed, and its member is still to leave the store.",
    effect: "Nothing was changed: the store loses one member at a time.",
    remedy:
      "Try again once `holdfast cluster status` does not name {other} any more; a majority of the members has to be up for it.",
  },
  "host-remove-another-joins": {
    cause: "Host {other} was taken back, and its member has not joined the store yet.",
    effect: "Nothing was changed: the store changes by one member at a time.",
    remedy: "Try again once it has joined (`holdfast cluster status`); where it never comes, remove {other} first.",
  },
  "host-remove-holds-vms": {
    cause: "Host {host} still holds VMs: {vms}.",
    effect: "Nothing was changed.",
    remedy:
      "`holdfast host maintenance {host}` has them moved away. Where the host is lost, they are started elsewhere as soon as it is proven off: `holdfast vm show` says what is missing.",
  },
  "host-remove-has-disks": {
    cause: "The only disks of these VMs lie in a pool of host {host}: {vms}.",
    effect: "Nothing was changed.",
    remedy:
      "Bring the host up and move them while they run (`holdfast vm migrate`); or, where they are given up, delete them (`holdfast vm delete`).",
  },
  "host-remove-in-a-move": {
    cause: "A move from host {host} or to it is under way: {vms}.",
    effect: "Nothing was changed.",
    remedy: "Wait until it has ended (`holdfast task list`), or call it off with `holdfast vm cancel-move`.",
  },
  "host-remove-in-group": {
    cause: "Host {host} is the source or the target of these groups: {groups}.",
    effect: "Nothing was changed.",
    remedy: "`holdfast group delete` first; a new group can then copy to another host.",
  },
  "host-remove-not-off": {
    cause: "Host {host} is not known to be off.",
    effect: "Nothing was changed: what may still run something is not put out of the cluster.",
    remedy:
      "`holdfast host maintenance {host}`; once it is empty, repeat this order: it shuts the host down and removes it. One that is lost is fenced as soon as a VM of it is wanted elsewhere; else bring it up once.",
  },
  "host-remove-still-goes-down": {
    cause: "Host {host} was told to shut down, and its last word was not there after {seconds} s.",
    effect: "It is still a member. What it was told stands.",
    remedy:
      "`holdfast host show {host}` says what it waits for. Repeat the order once it is off, or `holdfast host release {host}` to keep it.",
  },
  "host-remove-not-proven": {
    cause: "Host {host} is fenced ({cause}), but nothing proves yet that none of its VMs runs.",
    effect: "Nothing was changed.",
    remedy: "Wait some seconds for the proof; `holdfast host show {host}` lists those that are there.",
  },
  "host-remove-power-being-cut": {
    cause: "The power of host {host} is being cut, and its controller has not confirmed it yet.",
    effect: "Nothing was changed.",
    remedy: "Wait for it; `holdfast host show {host}` says how far it is.",
  },
  "host-remove-no-majority": {
    cause:
      "Besides host {host} only {there} of the store's {votes} members are up: it takes a majority to change them.",
    effect: "Nothing was changed.",
    remedy: "Bring another member up first; see `holdfast host list`.",
  },
  "host-removed-already": {
    cause: "Host {host} was removed from the cluster, and nothing of that is left to do.",
    effect: "Nothing was changed.",
    remedy: "To have it back: `holdfast host join {host}`.",
  },
  "host-join-is-member": {
    cause: "Host {host} is a member of the cluster.",
    effect: "Nothing was changed.",
    remedy:
      "Only a host that was removed can be taken back. See `holdfast host show {host}` for what keeps it from working.",
  },
  "host-join-still-leaves": {
    cause: "Host {host} was removed, and its member is still to leave the store.",
    effect: "Nothing was changed: it comes back only after it is out.",
    remedy: "Try again in some seconds; a majority of the store's members has to be up for it.",
  },
  "edit-store-bears-less": {
    cause:
      "Without host {host} the store has {votes member|members} and bears the loss of {after} of them instead of {before}[more? (other things that would break: {more})]. Where more are lost, nothing is decided any more and the VMs of all hosts stand still.",
    effect: "Nothing was changed.",
    remedy: "Remove it only once another member is there, or repeat it with --accept.",
  },
  "edit-copies-forgotten": {
    cause:
      "Host {host} has {copies} copies of disks and {points} recovery points or branches, of which nothing would be known any more[more? (other things that would break: {more})].",
    effect: "Nothing was changed.",
    remedy: "Export what is needed (`holdfast branch list`, `holdfast point list`), or repeat it with --accept.",
  },
  "edit-rules-end": {
    cause:
      "Rules name host {host} alone, and would go with it: {rules}[more? (other things that would break: {more})].",
    effect: "Nothing was changed.",
    remedy: "Name other hosts in them (`holdfast rule set`), or repeat it with --accept.",
  },
  "edit-rules-lose-host": {
    cause:
      "Rules name host {host} beside others, and would lose it: {rules}[more? (other things that would break: {more})].",
    effect: "Nothing was changed.",
    remedy: "See `holdfast rule show`; then repeat it with --accept.",
  },
  "asked-of-removed-host": {
    cause: "This host, {host}, was removed from the cluster.",
    effect: "Nothing was changed: it decides nothing any more, and no order is taken here.",
    remedy:
      "Ask a host of the cluster. To have this one back, run `holdfast host join {host}` there; else uninstall Holdfast here and wipe its disks.",
  },
  "answered-by-removed-host": {
    cause: "This host, {host}, was removed from the cluster.",
    effect:
      "It runs no VM, sends no heartbeats, and its member of the store is none any more. What it shows may be incomplete.",
    remedy:
      "Nothing, if that was meant: uninstall Holdfast here and wipe its disks. To have it back, run `holdfast host join {host}` on a host of the cluster.",
  },
  "host-still-in-store": {
    cause: "Host {host} was removed, but its member still counts in the store.",
    effect: "Until it is out, one more member than is there is needed for a majority.",
    remedy:
      "It is taken out by itself as soon as a majority of the members is up. If this stays, look for `store-member-not-removed` in the log of holdfastd.",
  },
  "host-not-in-store-yet": {
    cause: "Host {host} was taken back, but its member has not joined the store yet.",
    effect: "It does not count for a majority.",
    remedy: "Switch it on: it joins by itself within a minute. If it is not to come back, remove it again.",
  },
  "heart-removed": {
    cause: "This host was removed from the cluster.",
    effect: "It does not join by itself, and runs no VM.",
    remedy: "To have it back, run `holdfast host join` for it on a host of the cluster; else uninstall Holdfast here.",
  },
  "store-member-not-removed": {
    cause: "The member of the removed host {host} could not be taken out of the store: {cause}.",
    effect: "It still counts for the majority.",
    remedy: "It is tried again every second; a majority of the members has to be up.",
  },
} satisfies Catalogue;

import type { Catalogue } from "./message.ts";

/** Refusals of requests, and what a request's task can end with. */
export const requestMessages = {
  "vm-unknown": {
    cause: "There is no VM {vm}.",
    effect: "Nothing was changed.",
    remedy: "Known VMs: {known}. See `holdfast vm list`.",
  },
  "host-unknown": {
    cause: "There is no host {host}.",
    effect: "Nothing was changed.",
    remedy: "Known hosts: {known}. See `holdfast host list`.",
  },
  "pool-nothing-to-change": {
    cause: "Pool {pool} has that quota already.",
    effect: "Nothing was changed.",
    remedy: "See `holdfast pool list`.",
  },
  "pool-unknown": {
    cause: "There is no pool {pool}.",
    effect: "Nothing was changed.",
    remedy: "Known pools: {known}. See `holdfast pool list`.",
  },
  "network-unknown": {
    cause: "There is no network {network}.",
    effect: "Nothing was changed.",
    remedy: "Known networks: {known}.",
  },
  "task-unknown": {
    cause: "There is no task {task}.",
    effect: "Its end cannot be shown here any more: tasks are kept for ten minutes after their end.",
    remedy: "Look at the VM itself with `holdfast vm show`, and at the history with `holdfast log`.",
  },
  "vm-unreadable": {
    cause: "The record of VM {vm} cannot be read by this version: {trouble}.",
    effect: "Nothing was changed, and no host decides anything about this VM.",
    remedy: "Bring this host's Holdfast to the version of the others.",
  },
  "vm-owner-unreadable": {
    cause: "The record that says who runs VM {vm} cannot be read by this version.",
    effect: "It was not deleted: it may be running.",
    remedy: "Bring this host's Holdfast to the version of the others and try again.",
  },
  "vm-name-taken": {
    cause: "The name {name} is taken by {vm}.",
    effect: "No VM was created.",
    remedy: "Choose another name, or delete the other VM first.",
  },
  "vm-nothing-to-boot": {
    cause: "VM {vm} has neither a disk nor a kernel.",
    effect: "No VM was created: there is nothing it could boot from.",
    remedy: "Give it a disk (--pool and --disk) or a kernel (--kernel).",
  },
  "vm-memory-too-large": {
    cause: "VM {vm} asks for {wantedMiB} MiB of memory; the largest host has {largestMiB} MiB for VMs.",
    effect: "Nothing was changed: no host could ever start it with that much.",
    remedy: "Ask for at most {largestMiB} MiB, or give a host more memory.",
  },
  "vm-cpus-too-many": {
    cause: "VM {vm} asks for {wanted} CPUs; the largest host has {largest}.",
    effect: "Nothing was changed: it would run slower than with fewer CPUs on every host.",
    remedy: "Ask for at most {largest} CPUs.",
  },
  "pool-quota-exceeded": {
    cause: "The disks ask for {wantedMiB} MiB of pool {pool}; its quota leaves {leftMiB} MiB.",
    effect: "No VM was created.",
    remedy: "Ask for smaller disks, delete a VM that is not needed, or raise the pool's quota.",
  },
  "pool-no-room": {
    cause: "The disks ask for {wantedMiB} MiB of pool {pool}; {freeMiB} MiB are free.",
    effect: "No VM was created.",
    remedy: "Ask for smaller disks, free space in the pool, or use another pool (`holdfast pool list`).",
  },
  "pool-unfit-everywhere": {
    cause: "No host can use pool {pool} now: {cause}.",
    effect: "No VM was created.",
    remedy: "Make the pool's folder reachable on the hosts, or use another pool (`holdfast pool list`).",
  },
  "vm-already-running": {
    cause: "VM {vm} is running already, on {host}.",
    effect: "Nothing was changed.",
    remedy: "To boot it afresh use `holdfast vm reset {vm}`.",
  },
  "vm-already-stopped": {
    cause: "VM {vm} is stopped already.",
    effect: "Nothing was changed.",
    remedy: "Nothing needs to be done.",
  },
  "vm-not-running": {
    cause: "VM {vm} is not running.",
    effect: "Nothing was done with it.",
    remedy: "See `holdfast vm show {vm}` for its state; start it with `holdfast vm start {vm}`.",
  },
  "vm-between-hosts": {
    cause: "VM {vm} is being moved to host {host} at this moment.",
    effect: "Nothing was done with it.",
    remedy:
      "Try again once it has arrived (`holdfast task list`); before it changes hands `holdfast vm cancel-move {vm}` calls the move off.",
  },
  "vm-not-stopped": {
    cause: "VM {vm} is held by host {host}.",
    effect: "It was not deleted.",
    remedy:
      "Stop it first: `holdfast vm stop {vm}`. If that host is lost, the VM is released once the host is proven gone.",
  },
  "vm-wanted-started": {
    cause: "VM {vm} is not running, but it is wanted started and may start at any moment.",
    effect: "It was not deleted.",
    remedy: "Stop it first: `holdfast vm stop {vm}`.",
  },
  "vm-nothing-to-change": {
    cause: "VM {vm} already is as asked.",
    effect: "Nothing was changed.",
    remedy: "Name at least one setting with a new value; see `holdfast vm set --help`.",
  },
  "request-id-reused": {
    cause: "The request id {requestId} was used for another request.",
    effect: "Nothing was changed by this request.",
    remedy: "Use a new id for each request; repeat an id only with exactly the same request.",
  },
  "request-always-overtaken": {
    cause: "What the request is about was changed by somebody else at the same time, {attempts time|times} in a row.",
    effect: "Nothing was changed by this request.",
    remedy: "Look at the present state and try again.",
  },
  "request-outcome-unknown": {
    cause: "The cluster's store did not answer in time ({cause}).",
    effect: "It is not known whether request {requestId} was carried out. It is carried out once or not at all.",
    remedy: "Repeat the same request with this request id: the answer then says what became of it.",
  },
  "request-too-large": {
    cause: "The request is larger than any that the contract knows.",
    effect: "It was not read.",
    remedy: "Send a request that follows /api/openapi.json.",
  },
  "path-unknown": {
    cause: "There is nothing at {path}.",
    effect: "Nothing was done.",
    remedy: "See /api/openapi.json for what there is.",
  },
  "intent-not-answered": {
    cause: "The host that runs VM {vm} did not answer within {waitedMs} ms.",
    effect: "The wish stands recorded; it may still be carried out.",
    remedy: "See `holdfast log --vm {vm}` for whether it was, and `holdfast host list` for the host's state.",
  },
  "task-not-seen-yet": {
    cause: "The request was recorded as task {task}, but this host's view has not caught up with it.",
    effect: "The request stands and is being carried out; only its progress cannot be shown yet.",
    remedy: "Look with `holdfast vm show`, or ask another host.",
  },
  "store-not-reachable": {
    cause: "The cluster's store does not answer this host ({cause}).",
    effect: "Nothing was changed. VMs of a host without contact stand still before another host may start them.",
    remedy:
      "Check this host's links and whether most members are up: `holdfast host list` on another host. Where the others are off: `holdfast cluster takeover --help`.",
  },
  "store-never-read": {
    cause: "Host {host} has not reached the cluster's store since it started.",
    effect: "It cannot say anything about the cluster. It does not mean that the cluster is empty.",
    remedy:
      "Wait some seconds; if it stays so, check its links and the state of etcd on this host. Where the others are off: `holdfast cluster takeover --help`.",
  },
  "view-behind": {
    cause: "This host hears of changes too late (waiting for revision {revision}).",
    effect: "Nothing was changed: an answer would rest on an old state.",
    remedy: "Try again, or ask another host.",
  },
  "pool-kind-not-usable": {
    cause: "Pool {pool} is of the kind {kind}; VMs can use shared and local folders only so far.",
    effect: "The VM was not created.",
    remedy: "Choose a pool of the kind shared-dir or local-dir: holdfast pool list.",
  },
  "volume-pool-not-here": {
    cause: "The host that answered has no access to pool {pool}.",
    effect: "The image {volume} stays there; no VM refers to it any more.",
    remedy: "Remove the file on a host that has the pool.",
  },
  "volume-pool-absent": {
    cause: "The host that answered has no access to pool {pool}, so that it cannot make the image {volume}.",
    effect: "No VM was created.",
    remedy: "Ask a host that has the pool (`holdfast pool list`), with --socket on that host.",
  },
  "volume-create-unclear": {
    cause: "It is not known whether the image {volume} was made ({cause}).",
    effect: "No VM was created. A part of the image may lie in the pool; no VM refers to it.",
    remedy: "Check that the pool's storage answers, remove the file if it is there, and try again.",
  },
  "volume-not-removed": {
    cause: "The image {volume} in pool {pool} could not be removed ({cause}).",
    effect: "It stays there; no VM refers to it any more.",
    remedy: "Remove the file by hand.",
  },
  superseded: {
    cause: "Somebody asked for the opposite meanwhile for VM {vm}.",
    effect: "This task ended without reaching its aim.",
    remedy: "See `holdfast log --vm {vm}` for who asked for what.",
  },
  "vm-gone": {
    cause: "VM {vm} was deleted meanwhile.",
    effect: "This task ended without reaching its aim.",
    remedy: "See `holdfast log` for who deleted it.",
  },
  "vm-gave-up": {
    cause: "VM {vm} failed on every host that was tried ({hosts}); it last ended with {exit}.",
    effect: "It is not started again by itself.",
    remedy:
      "`holdfast log --vm {vm}` has each of its ends: remove what made it fail. Then `holdfast vm set {vm} --state disabled` clears the error; after that `holdfast vm start {vm}` tries anew, `holdfast vm delete {vm}` removes it.",
  },
} satisfies Catalogue;

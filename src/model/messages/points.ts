import type { Catalogue } from "./message.ts";

/** Recovery points: what is refused, what is told of them, and what is amiss with them. */
export const pointMessages = {
  "point-taken": "Recovery point {point} of VM {vm} was taken, {consistency}-consistent, and lies on {host}",
  "point-branch-kept":
    "What {host} held of VM {vm} is kept there as branch {point} before it is copied over; it takes room until somebody deletes it (`holdfast branch list`).",
  "point-last-kept":
    "What the copies of VM {vm} on {host} held is kept as {point} while they are brought up to date, and goes by itself after that.",
  "point-proven":
    "Recovery point {point} of VM {vm} was booted on {host} and showed what it should, within {tookMs} ms.",
  "point-booted":
    "Recovery point {point} of VM {vm} was booted on {host} within {tookMs} ms; nothing was checked, so that nothing is proven.",
  "point-test-failed": {
    cause: "A guest booted from recovery point {point} of VM {vm} on {host} did not show what it should: {detail}",
    effect: "Nobody knows whether the VM would work after a failover. The running VM is untouched.",
    remedy:
      "Look at what the check asks for, and whether the VM itself shows it; then test again: `holdfast point test {vm}`.",
  },
  "branches-take-room": {
    cause:
      "Host {host} keeps {count branch|branches} of VM {vm}[alone?, with acknowledged writes that the VM lacks]: up to {upToMiB} MiB of room, beside what the VM or its copy takes there.",
    effect:
      "That room is missing there for copies, recovery points and the next branch until somebody deletes what is not needed.",
    remedy:
      "Look, and save what is needed: `holdfast branch list --vm {vm}`, `holdfast branch export {vm} BRANCH --to FOLDER`. Then give it up: `holdfast branch delete {vm} BRANCH[alone? --accept]`.",
  },
  "point-last-not-kept": {
    cause: "What the copies of VM {vm} on {host} hold could not be kept as a recovery point: {detail}",
    effect:
      "They are not brought up to date before that: until they are, no start from them would work if this host were lost.",
    remedy:
      "Where no room is left: make room in the pool on {host}. Where {host} or its holdfastd does not answer: have it up. It is tried again by itself.",
  },
  "group-points-late": {
    cause: "VM {vm} has got no recovery point for {forS} s, though one is to be taken every {everyS} s.",
    effect: "Going back to a recent moment is not possible.",
    remedy: "See whether its copy is in sync: `holdfast group show`; points are taken only while it is.",
  },
  "group-test-failed": {
    cause: "The last test failover of VM {vm}, from point {point}, failed: {detail}",
    effect: "Nobody knows whether the VM would work after a failover.",
    remedy: "Look at what the check asks for; then test again: `holdfast point test {vm}`.",
  },
  "group-test-late": {
    cause: "The last test failover of VM {vm} is {forS} s old; one is to be made every {everyS} s.",
    effect: "Nobody has looked lately whether the VM would work after a failover.",
    remedy: "See whether the host of its copies has memory for it, then: `holdfast point test {vm}`.",
  },
  "point-not-protected": {
    cause: "VM {vm} is in no availability group, or on neither of its group's hosts.",
    effect: "There is no copy of which a recovery point could be taken.",
    remedy: "Protect it: `holdfast group create`.",
  },
  "point-in-cycles": {
    cause: "VM {vm} is copied in cycles, and each of them is a recovery point.",
    effect: "No other one was taken.",
    remedy: "Wait for the next cycle; `holdfast point list` shows it.",
  },
  "point-group-paused": {
    cause: "The group of VM {vm} is paused, or its hosts run different versions.",
    effect: "No recovery point was taken: nothing is copied.",
    remedy: "Resume the group: `holdfast group resume`.",
  },
  "point-not-in-sync": {
    cause: "The copy of VM {vm} does not have everything at present.",
    effect: "No recovery point was taken: it would be a moment that never was.",
    remedy: "Wait until `holdfast group show` says in-sync.",
  },
  "point-unknown": {
    cause: "VM {vm} has no recovery point {point}.",
    effect: "Nothing was done.",
    remedy: "Its points are: {known}",
  },
  "branch-unknown": {
    cause: "VM {vm} has no branch {branch}.",
    effect: "Nothing was done.",
    remedy: "Its branches are: {known}. Recovery points are none of them: see `holdfast point`.",
  },
  "point-of-deleted-vm": {
    cause: "VM {vm}, of which recovery point {point} is, was deleted.",
    effect: "The point cannot be booted for a test: what the VM was made of is not known any more.",
    remedy: "Export it (`holdfast point export {vm} {point} --to FOLDER`), and give the images to a new VM.",
  },
  "point-vm-several": {
    cause: "Several VMs that were called {vm} were deleted, and recovery points are left of each.",
    effect: "Nothing was done.",
    remedy: "Name it by its id, one of: {ids}.",
  },
  "point-host-lost": {
    cause: "Host {host}, which was to do it, is lost, or VM {vm} was deleted.",
    effect: "Nothing more will come of it.",
    remedy: "See `holdfast point list` for what is left, and ask again.",
  },
  "point-unclear": {
    cause: "What became of it is not known: {detail}",
    effect: "There may be such a point, or not.",
    remedy: "See `holdfast point list`, and ask again.",
  },
  "point-wish-unknown": {
    cause: "Nothing is known of the order {wish} about recovery points.",
    effect: "Nothing can be said of it.",
    remedy: "It was answered long ago, or never given: see `holdfast point list`.",
  },
  "branch-has-what-nobody-has": {
    cause:
      "Branch {point} of VM {vm} on {host} has acknowledged writes that the VM lacks, and maybe no other branch has.",
    effect: "It was not deleted.",
    remedy:
      "Save from it what is needed: `holdfast branch export {vm} {point} --to FOLDER`; then delete it with `--accept`.",
  },
  "point-awaited": {
    cause: "VM {vm} is ordered to go back to recovery point {point}.",
    effect: "The point was not dropped.",
    remedy: "Drop it once the VM has been started.",
  },
  "point-needed": {
    cause: "The copy of VM {vm} on {host} is being written over, and recovery point {point} holds what it was before.",
    effect: "The point was not dropped.",
    remedy: "Drop it once the copy is whole again: see `holdfast group show`.",
  },
  "point-wish-open": {
    cause: "Host {host}, which is to {act} the recovery point, has not answered yet.",
    effect: "It may still be done: the order stays open.",
    remedy: "See whether the host is up, and `holdfast point list` later.",
  },
  "point-folder-malformed": {
    cause: "{folder} is no absolute path without `..`.",
    effect: "Nothing was exported.",
    remedy: "Name a folder of the host where the point lies, from the root on.",
  },
  "point-export-there": {
    cause: "There is a file {path} already.",
    effect: "Nothing was exported: nothing is overwritten.",
    remedy: "Name another folder, or remove the file.",
  },
  "point-test-without-time": {
    cause: "What a test failover has to show was given, but not how often there is to be one.",
    effect: "Nothing has changed.",
    remedy: "Add `--test-every 1d`; for one at once: `holdfast point test`.",
  },
} as const satisfies Catalogue;

/** What a hypervisor or a volume store answers, for people: cause, effect, remedy; `{…}` are the code's parameters. */
export const hypervisorMessages = {
  "vm-run-exists": {
    cause: "Run {epoch} of VM {vm} exists on this host already.",
    effect: "It was not started a second time.",
    remedy: "Nothing to do: the next start gets an epoch of its own.",
  },
  "incarnation-gone": {
    cause: "Incarnation {incarnation} of this host has ended, or its cgroup folder is missing.",
    effect: "VM {vm} was not started; no VM of an ended incarnation ever is.",
    remedy: "Wait until the host is registered again; see the log of its heart if it stays out.",
  },
  "vm-image-locked": {
    cause: "Another process holds the lock of a disk image of VM {vm}. QEMU says: {detail}",
    effect: "The VM was not started; its disk was not touched.",
    remedy: "Find out which host or tool has the image open, and end that first.",
  },
  "vm-image-missing": {
    cause: "The disk image {path} of VM {vm} does not exist on this host.",
    effect: "The VM was not started.",
    remedy: "Check that the pool's storage is mounted; restore the image from a backup if it is lost.",
  },
  "vm-kernel-missing": {
    cause: "The file {path}, which VM {vm} boots from, does not exist on this host.",
    effect: "The VM was not started.",
    remedy: "Put the file on every host that may run the VM.",
  },
  "vm-cpu-model-unknown": {
    cause: "QEMU of this host does not know the CPU model of VM {vm}. It says: {detail}",
    effect: "The VM was not started; it is not tried again on this host.",
    remedy: "Create the VM with a model that QEMU knows: `qemu-system-x86_64 -cpu help` lists them.",
  },
  "vm-memory-short": {
    cause: "VM {vm} needs {needMiB} MiB of memory on the host; {freeMiB} MiB are free.",
    effect: "The VM was not started.",
    remedy: "Stop or move another VM of this host, give the VM less memory, or add memory.",
  },
  "vm-start-failed": {
    cause: "QEMU did not start VM {vm}. It says: {detail}",
    effect: "The VM does not run; nothing of the attempt is left.",
    remedy: "Correct what QEMU complains about in the VM's settings or on the host.",
  },
  "vm-start-late": {
    cause: "VM {vm} did not execute within {seconds} s of its start.",
    effect: "The attempt was ended; the VM does not run.",
    remedy: "Check whether the host's VMs are frozen and whether its storage answers.",
  },
  "vm-unresponsive": {
    cause: "QEMU of VM {vm} does not answer; it may be frozen.",
    effect: "Nothing was done.",
    remedy: "See whether the host is cut off; if it stays so, stop the VM and start it again.",
  },
  "qemu-silent": {
    cause: "QEMU of VM {vm} on host {host} has not answered since {sinceWall}.",
    effect:
      "Its guest probably stands still, and is neither restarted nor recovered for it; where QEMU comes back, it goes on by itself.",
    remedy:
      "Look for what it waits for on {host} (storage or network that hangs?). `holdfast vm stop {vm}` ends it, `holdfast vm start {vm}` boots it again.",
  },
  "vm-reset-failed": {
    cause: "QEMU refused to reset VM {vm}: {detail}",
    effect: "The VM goes on as it was.",
    remedy: "Stop the VM and start it again.",
  },
  "bridge-missing": {
    cause: "The bridge {bridge} does not exist on this host.",
    effect: "The VM was not started.",
    remedy: "Create the bridge, or name the right one under `networks` in the host's configuration.",
  },
  "network-unmapped": {
    cause: "The network {network} has no bridge on this host.",
    effect: "The VM was not started.",
    remedy: "Map the network to a bridge under `networks` in the host's configuration.",
  },
  "tap-failed": {
    cause: "The VM's network device could not be made: {detail}",
    effect: "The VM was not started.",
    remedy: "Check that /dev/net/tun exists and that the agent runs as root.",
  },
  "qemu-missing": {
    cause: "QEMU could not be run: {detail}",
    effect: "No VM can start on this host.",
    remedy: "Install the package qemu-system-x86.",
  },
  "run-path-too-long": {
    cause: "The run folder {path} is too long for the sockets that lie in it.",
    effect: "The VM was not started.",
    remedy: "Choose a shorter `runDir` in the host's configuration.",
  },
  "pool-not-in-cluster": {
    cause: "The pool {pool} is not known.",
    effect: "Nothing was done.",
    remedy: "Create the pool, or choose one that exists.",
  },
  "pool-folder-missing": {
    cause: "The folder {path} of pool {pool} does not exist on this host.",
    effect: "Nothing was done.",
    remedy: "Mount the pool's storage there, or create the folder.",
  },
  "pool-mark-missing": {
    cause: "The folder {path} does not bear the mark of pool {pool}: probably what is to be mounted there is away.",
    effect: "Nothing could be looked for there, and nothing was removed.",
    remedy: "Mount the pool's storage there; `holdfast host show` says whether the pool can be used.",
  },
  "pool-foreign": {
    cause: "The folder {path} of pool {pool} is marked as the property of {owner}.",
    effect: "Nothing in it was touched.",
    remedy: "Give each pool a folder of its own; remove the file .holdfast-pool only if the folder is free for sure.",
  },
  "pool-full": {
    cause: "Pool {pool} has room for {freeMiB} MiB, once its disks are full; {needMiB} MiB were asked for.",
    effect: "The disk was not created.",
    remedy:
      "Delete disks in it that are not needed, or add storage. A new disk may be smaller or go to another pool; a VM that moves may go to another host.",
  },
  "pool-quota": {
    cause: "Pool {pool} may hold {quotaMiB} MiB, of which {freeMiB} MiB are left; {needMiB} MiB were asked for.",
    effect: "The disk was not created.",
    remedy: "Raise the pool's quota, delete disks that are not needed, or choose a smaller size.",
  },
  "volume-not-of-move": {
    cause: "{path} in pool {pool} was not made for the move of the guest with disk {volume}.",
    effect: "It was not touched.",
    remedy: "Find out whose it is: it may be a copy that a deleted group has kept, with its recovery points.",
  },
  "volume-in-use": {
    cause: "A running process has the disk {volume} in pool {pool} open.",
    effect: "The disk was not deleted.",
    remedy: "Stop the VM that uses it first.",
  },
  "volume-create-failed": {
    cause: "The disk image {path} could not be created: {detail}",
    effect: "No disk was created; nothing of it is left.",
    remedy: "Correct what is said there, then try again.",
  },
  "accel-kvm-proven": {
    cause: "A trial guest ran under KVM.",
    effect: "VMs of this host run with hardware acceleration.",
    remedy: "Nothing to do.",
  },
  "accel-ordered": {
    cause: "The host's configuration names the accelerator.",
    effect: "It is used without a trial.",
    remedy: "Set `accel: auto` to have it tried.",
  },
  "accel-no-kvm": {
    cause: "/dev/kvm is missing or not accessible.",
    effect: "VMs of this host run in software (TCG), many times slower.",
    remedy: "Enable virtualisation in the firmware and load the kvm module.",
  },
  "accel-kvm-hangs": {
    cause: "A trial guest printed nothing under KVM within 10 s.",
    effect: "VMs of this host run in software (TCG), many times slower.",
    remedy: "Check the nesting of the machine this host runs on; set `accel: kvm` if you know better.",
  },
  "accel-unprobed": {
    cause: "There is no kernel to try KVM with.",
    effect: "VMs of this host run in software (TCG), many times slower.",
    remedy: "Install a kernel image under /boot, or set `accel: kvm` if you know that it works.",
  },
} as const;

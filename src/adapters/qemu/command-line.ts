import { createHash } from "node:crypto";
import type { ClusterId } from "../../model/ids.ts";
import type { Vm } from "../../model/records.ts";
import type { VmRun } from "../../ports/hypervisor.ts";
import type { RunPaths } from "./run-folder.ts";

export type DiskImage = {
  readonly path: string;
  readonly format: "raw" | "qcow2";
  /** False where the file system cannot bypass the page cache. */
  readonly direct: boolean;
  /** What the guest sees as the disk's serial number. */
  readonly serial: string;
};

export type CommandLineInput = {
  readonly run: VmRun;
  readonly cluster: ClusterId;
  readonly vm: Vm;
  readonly accel: "kvm" | "tcg";
  readonly disks: readonly DiskImage[];
  /** One tap per NIC of the spec, in its order. */
  readonly taps: readonly string[];
  readonly paths: RunPaths;
  /** It waits for a guest that another host sends, and executes nothing before it is told to (S15). */
  readonly incoming: boolean;
};

/** QEMU's arguments for one run. Everything that comes from a spec goes in as JSON or with its commas doubled. */
export function commandLine(input: CommandLineInput): readonly string[] {
  const { run, vm, paths } = input;
  return [
    ["-name", `guest=${comma(runName(run, input.cluster))},debug-threads=on`],
    ["-uuid", vmUuid(run, input.cluster)],
    ["-no-user-config", "-nodefaults"],
    ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny"],
    // By its version, and the oldest that is supported: hosts with different QEMUs can take over each other's guests.
    // What a source sends last is what its target needs last (S15): no description of the stream follows its end.
    ["-machine", "pc-q35-7.2,vmport=off,hpet=off,suppress-vmdesc=on"],
    ["-accel", input.accel],
    ["-cpu", cpuModel(vm.spec.cpuModel, input.accel)],
    ["-smp", `cpus=${vm.spec.cpus}`],
    ["-m", `size=${vm.spec.memoryMiB}M`],
    ["-rtc", "base=utc"],
    // QEMU stays, stopped, after its guest has ended: an agent that was away still learns how it ended.
    ["-action", "shutdown=pause,panic=pause"],
    input.incoming ? ["-incoming", "defer", "-S"] : [],
    kernelArguments(input),
    channelArguments(vm, paths),
    ["-device", json({ driver: "VGA" }), "-device", json({ driver: "pvpanic-pci" })],
    input.disks.flatMap(diskArguments),
    vm.spec.nics.flatMap((nic, i) => nicArguments(nic.mac, input.taps[i], i)),
  ].flat();
}

/** Tells whoever looks at the process list which run this is, and of which cluster. */
export function runName(run: VmRun, cluster: ClusterId): string {
  return `${run.vm}.${run.epoch}@${cluster}`;
}

/** The VM's identity towards its guest: the same in every epoch, so that licences and host keys stay valid. */
function vmUuid(run: VmRun, cluster: ClusterId): string {
  const hex = createHash("sha256").update(`${cluster}/${run.vm}`).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** "host" exists only under KVM; everywhere else it means the most that there is. */
function cpuModel(wanted: string, accel: "kvm" | "tcg"): string {
  return wanted === "host" && accel === "tcg" ? "max" : wanted;
}

function kernelArguments({ vm, run }: CommandLineInput): string[] {
  const kernel = vm.spec.kernel;
  if (kernel === null) return [];
  const append = kernel.append.replaceAll("{epoch}", String(run.epoch));
  const initrd = kernel.initrd === null ? [] : ["-initrd", kernel.initrd];
  return ["-kernel", kernel.path, ...initrd, "-append", append];
}

function channelArguments(vm: Vm, paths: RunPaths): string[] {
  const args = [
    ["-chardev", `socket,id=qmp,path=${comma(paths.qmp)},server=on,wait=off`],
    ["-mon", "chardev=qmp,mode=control"],
    ["-chardev", `file,id=serial,path=${comma(paths.serial)},append=on`],
    ["-serial", "chardev:serial"],
    ["-vnc", `unix:${comma(paths.vnc)}`],
  ];
  if (vm.spec.guestAgent)
    args.push(
      ["-chardev", `socket,id=agent,path=${comma(paths.agent)},server=on,wait=off`],
      ["-device", json({ driver: "virtio-serial-pci", id: "channels" })],
      ["-device", json({ driver: "virtserialport", chardev: "agent", name: "org.qemu.guest_agent.0" })],
    );
  return args.flat();
}

function diskArguments(disk: DiskImage, i: number): string[] {
  const cache = { direct: disk.direct, "no-flush": false };
  // aio=threads: what the guards freeze is then all that writes (S5). The lock refuses a second writer.
  const file = { driver: "file", filename: disk.path, aio: "threads", locking: "on", discard: "unmap", cache };
  const node = { driver: disk.format, "node-name": `disk${i}`, file, discard: "unmap", cache };
  const device = { driver: "virtio-blk-pci", drive: `disk${i}`, serial: disk.serial.slice(0, 20), bootindex: i + 1 };
  // A disk that fails stops the guest where it is, instead of telling it something it cannot mend.
  return ["-blockdev", json(node), "-device", json({ ...device, werror: "stop", rerror: "stop" })];
}

function nicArguments(mac: string, tap: string | undefined, i: number): string[] {
  if (tap === undefined) throw new TypeError(`Cannot build the command line: NIC ${i} has no tap`);
  return [
    ["-netdev", json({ type: "tap", id: `nic${i}`, ifname: tap, script: "no", downscript: "no" })],
    ["-device", json({ driver: "virtio-net-pci", netdev: `nic${i}`, mac, romfile: "" })],
  ].flat();
}

function json(value: object): string {
  return JSON.stringify(value);
}

/** QEMU's option syntax: a comma inside a value is written twice. */
function comma(text: string): string {
  return text.replaceAll(",", ",,");
}

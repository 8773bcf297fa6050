import { expect, test } from "vitest";
import type { ClusterId, Epoch, Incarnation, NetworkId, PoolId, VmId, VolumeId, WallMs } from "../../model/ids.ts";
import { type Vm, vmDefaults } from "../../model/records.ts";
import { type CommandLineInput, commandLine } from "./command-line.ts";
import { runPaths } from "./run-folder.ts";

const run = { vm: "web" as VmId, incarnation: 3 as Incarnation, epoch: 7 as Epoch };
const vm: Vm = {
  schema: 1,
  id: run.vm,
  name: "web",
  spec: {
    cpus: 2,
    memoryMiB: 512,
    cpuModel: "host",
    disks: [{ volume: "v1" as VolumeId, pool: "p" as PoolId, sizeMiB: 1, format: "qcow2" }],
    nics: [{ network: "lan" as NetworkId, mac: "52:54:00:00:00:01" }],
    kernel: { path: "/k", initrd: "/i", append: "a epoch={epoch} b={epoch}" },
    guestAgent: true,
  },
  requested: "started",
  maxRestart: 0,
  maxRelocate: 0,
  stopGraceMs: 0,
  ...vmDefaults,
  createdAt: 0 as WallMs,
};
const input: CommandLineInput = {
  run,
  cluster: "c1" as ClusterId,
  vm,
  accel: "tcg",
  disks: [{ path: "/pool/a,b.qcow2", format: "qcow2", direct: true, serial: "v1" }],
  taps: ["hf0"],
  paths: runPaths("/run/x,y", run),
  incoming: false,
};

function after(args: readonly string[], option: string): string[] {
  return args.flatMap((arg, i) => (arg === option ? [args[i + 1] ?? ""] : []));
}

test("[S14] name and kernel arguments carry the epoch, the name the cluster; the UUID stays", () => {
  const args = commandLine(input);
  expect(after(args, "-name")).toEqual(["guest=web.7@c1,debug-threads=on"]);
  expect(after(args, "-append")).toEqual(["a epoch=7 b=7"]);
  const later = commandLine({ ...input, run: { ...run, epoch: 8 as Epoch } });
  expect(after(later, "-uuid")).toEqual(after(args, "-uuid"));
  expect(after(args, "-uuid")[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u);
});

test("a kernel may come without an initial ramdisk", () => {
  const kernel = { path: "/k", initrd: null, append: "a" };
  const alone = commandLine({ ...input, vm: { ...input.vm, spec: { ...input.vm.spec, kernel } } });
  expect(after(alone, "-kernel")).toEqual(["/k"]);
  expect(alone).not.toContain("-initrd");
  expect(after(commandLine(input), "-initrd")).toEqual(["/i"]);
});

test("[S5] disks are locked, write with threads, and stop their guest when they fail", () => {
  const [disk] = after(commandLine(input), "-blockdev").map((text) => JSON.parse(text));
  expect(disk).toMatchObject({ driver: "qcow2", cache: { direct: true, "no-flush": false } });
  expect(disk.file).toMatchObject({ filename: "/pool/a,b.qcow2", aio: "threads", locking: "on" });
  const device = after(commandLine(input), "-device").find((text) => text.includes("virtio-blk-pci"));
  expect(JSON.parse(device ?? "")).toMatchObject({ werror: "stop", rerror: "stop" });
});

test("the CPU model host exists only under KVM; commas in paths are doubled", () => {
  expect(after(commandLine(input), "-cpu")).toEqual(["max"]);
  expect(after(commandLine({ ...input, accel: "kvm" }), "-cpu")).toEqual(["host"]);
  expect(after(commandLine(input), "-vnc")).toEqual(["unix:/run/x,,y/vms/web.7/vnc.sock"]);
});

test("[S15] a QEMU that waits for a guest stands still, whatever comes in", () => {
  expect(commandLine(input)).not.toContain("-S");
  const waits = commandLine({ ...input, incoming: true });
  expect([after(waits, "-incoming"), waits.includes("-S")]).toEqual([["defer"], true]);
});

import type { VmDetail, VmSummary } from "../../api/contract/vm.ts";
import { fields, moment, orDash, table } from "../text.ts";

export function vmTable(vms: readonly VmSummary[]): string {
  return table(
    ["VM", "ID", "WANTED", "STATE", "HOST", "EPOCH", "CPUS", "MEMORY MIB"],
    vms.map((vm) => [
      vm.name,
      vm.id,
      vm.requested,
      vm.state,
      orDash(vm.host),
      orDash(vm.epoch),
      String(vm.cpus),
      String(vm.memoryMiB),
    ]),
  );
}

export function vmText(vm: VmDetail): string {
  const disks = vm.disks.map((disk) => `${disk.volume} (${disk.sizeMiB} MiB ${disk.format} in ${disk.pool})`);
  const nics = vm.nics.map((nic) => `${nic.network} ${nic.mac}`);
  const limits = `${vm.maxRestart} restarts in place, then ${vm.maxRelocate} other hosts; ${vm.stopGraceMs / 1_000} s to stop`;
  const pairs: [string, string][] = [
    ["VM", `${vm.name} (${vm.id})`],
    ["Wanted", vm.requested],
    ["State", vm.pausedBy.length === 0 ? vm.state : `${vm.state} by ${vm.pausedBy.join(", ")}`],
    [
      "Host",
      vm.host === null ? "-" : `${vm.host}, epoch ${orDash(vm.epoch)}${vm.accel === null ? "" : `, ${vm.accel}`}`,
    ],
    ["Since", vm.since === null ? "-" : moment(vm.since)],
    ["Machine", `${vm.cpus} × ${vm.cpuModel}, ${vm.memoryMiB} MiB`],
    ["Disks", disks.join(", ") || "-"],
    ["Networks", nics.join(", ") || "-"],
    ["Kernel", vm.kernel === null ? "-" : `${vm.kernel.path} ${vm.kernel.append}`],
    ["On failure", limits],
    ["Restarts", `${vm.restarts}${vm.lastExit === null ? "" : `, last end: ${vm.lastExit}`}`],
  ];
  if (vm.detail !== null) pairs.push(["Detail", vm.detail]);
  for (const task of vm.tasks) pairs.push(["Task", `${task.id}: ${task.kind}, ${task.percent} %`]);
  return fields(pairs);
}

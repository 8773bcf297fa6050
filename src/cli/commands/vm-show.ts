import type { VmDetail, VmSummary } from "../../api/contract/vm.ts";
import { parseJson } from "../../model/json.ts";
import { render } from "../../model/messages/index.ts";
import { paramsSchema } from "../../model/reason.ts";
import { counted, fields, moment, orDash, standstillText, table, usageText } from "../text.ts";
import { courseText } from "./task-list.ts";

export function vmTable(vms: readonly VmSummary[]): string {
  const rows = table(
    ["VM", "ID", "WANTED", "STATE", "HOST", "EPOCH", "CPUS", "MEMORY MIB", "COPY"],
    vms.map((vm) => [
      vm.name,
      vm.id,
      vm.requested,
      stateText(vm),
      orDash(vm.host),
      orDash(vm.epoch),
      String(vm.cpus),
      String(vm.memoryMiB),
      vm.protection?.status ?? "-",
    ]),
  );
  return rows + vms.map(troubleLine).join("");
}

/** What is wrong with its copy, or with its start from it; `vm show` says what helps. */
function troubleLine({ name, protection }: VmSummary): string {
  if (protection === null || (protection.status !== "Warning" && protection.status !== "Error")) return "";
  const causes = protection.reasons.map(({ code, params }) => render(code, params).cause);
  return `\n${name}: ${causes.join(" ")}\n`;
}

type Stated = Pick<VmSummary, "state" | "pausedBy" | "silentSince">;

/** `paused by io-error`; `paused by its move`: its guest stands still while its memory is copied. */
export function stateText({ state, pausedBy, silentSince }: Stated): string {
  const by = pausedBy.map((one) => (one === "move" ? "its move" : one));
  const silent = silentSince === null ? "" : ", QEMU silent";
  return `${by.length === 0 ? state : `${state} by ${by.join(", ")}`}${silent}`;
}

export function vmText(vm: VmDetail): string {
  const disks = vm.disks.map((disk) => `${disk.volume} (${disk.sizeMiB} MiB ${disk.format} in ${disk.pool})`);
  const nics = vm.nics.map((nic) => `${nic.network} ${nic.mac}`);
  const limits = `${counted(vm.maxRestart, "restart")} in place, then ${counted(vm.maxRelocate, "other host")}; ${vm.stopGraceMs / 1_000} s to stop`;
  const pairs: [string, string][] = [
    ["VM", `${vm.name} (${vm.id})`],
    ["Wanted", vm.requested],
    ["State", stateText(vm)],
    ["Service", serviceText(vm)],
    [
      "Host",
      vm.host === null ? "-" : `${vm.host}, epoch ${orDash(vm.epoch)}${vm.accel === null ? "" : `, ${vm.accel}`}`,
    ],
    ["Since", vm.since === null ? "-" : moment(vm.since)],
    ["Machine", `${vm.cpus} × ${cpuText(vm)}, ${vm.memoryMiB} MiB`],
    ["Disks", disks.join(", ") || "-"],
    ["Networks", nics.join(", ") || "-"],
    ["Kernel", vm.kernel === null ? "-" : `${vm.kernel.path} ${vm.kernel.append}`],
    ["On failure", limits],
    ["Failback", vm.failback ? "on" : "off"],
    ["Start order", `priority ${vm.startPriority}; lower ones wait ${vm.startDelayMs / 1_000} s`],
    ["Rules", vm.rules.join(", ") || "-"],
    ["Restarts", `${vm.restarts}${vm.lastExit === null ? "" : `, last end: ${vm.lastExit}`}`],
  ];
  if (vm.silentSince !== null) pairs.splice(3, 0, ["Silent", `QEMU has not answered since ${moment(vm.silentSince)}`]);
  if (vm.standstill !== null) pairs.splice(3, 0, ["Frozen", standstillText(vm.standstill)]);
  if (vm.usage !== null) pairs.push(["In use", usageText(vm.usage)]);
  pairs.push(...standing(vm));
  if (vm.detail !== null) pairs.push(["Detail", detailText(vm.detail)]);
  pairs.push(...openTasks(vm));
  return fields(pairs);
}

/** What was asked for and has not ended, each with what it waits for. */
export function openTasks({ tasks }: VmDetail): [string, string][] {
  return tasks.map((task) => {
    const course = courseText(task);
    return ["Task", `${task.id}: ${task.kind}, ${task.percent} %${course === "" ? "" : `; ${course}`}`];
  });
}

function serviceText({ service }: VmDetail): string {
  const where = service.host === null ? "" : `, ${service.host}`;
  return `${service.state}${where}${service.target === null ? "" : ` → ${service.target}`}`;
}

/** What stands in its way, was ordered, is under way or remembered: only what there is. */
export function standing(vm: VmDetail): [string, string][] {
  const pairs: [string, string][] = [];
  const { error, lock, order, move, returnTo, failedMoves } = vm;
  pairs.push(...downPairs(vm));
  if (error !== null) {
    const { cause, remedy } = render(error.code, error.params);
    pairs.push(["Error", `${cause}${error.at === null ? "" : ` (${moment(error.at)})`}`]);
    pairs.push(["Way out", remedy ?? errorRemedy(vm.name)]);
  }
  pairs.push(...protectionPairs(vm));
  if (lock !== null) pairs.push(["Locked", `by ${lock.kind} since ${moment(lock.at)}`]);
  if (order !== null) {
    const what =
      order.kind === "stop" ? `stop within ${(order.graceMs ?? 0) / 1_000} s` : `${order.kind} to ${order.to}`;
    pairs.push(["Ordered", `${what}, by ${order.by.name} at ${moment(order.at)}`]);
  }
  if (move !== null) {
    const failed = move.failed === null ? "" : `; it failed: ${render(move.failed.code, move.failed.params).cause}`;
    const why = render(move.reason.code, move.reason.params).cause;
    pairs.push(["Move", `${move.kind} from ${move.from} to ${move.to}: ${why}${failed}`]);
  }
  if (returnTo !== null) pairs.push(["Returns to", `${returnTo}, after its maintenance`]);
  if (failedMoves !== null && failedMoves.count > 0) {
    const { count, to, code, params } = failedMoves;
    const why = params === null ? code : render(code, params).cause;
    pairs.push(["Failed moves", `${count} in a row, last to ${to} (${why})`]);
  }
  return pairs;
}

/** A daemon of an older version says nothing of it. */
function downPairs({ down }: Partial<Pick<VmDetail, "down">>): [string, string][] {
  if (down == null) return [];
  const { cause, effect, remedy } = render(down.why.code, down.why.params);
  const help = down.fix === null ? remedy : render(down.fix.code, down.fix.params).cause;
  return [["Down", [cause, effect].filter((text) => text !== null).join(" ")], ...optional("Way out", help)];
}

/** Where its group does what it is meant to do, its name alone. */
function protectionPairs({ protection }: VmDetail): [string, string][] {
  if (protection === null) return [];
  const { group, status, reasons } = protection;
  const told = reasons.flatMap(({ code, params }): [string, string][] => {
    const { cause, effect, remedy } = render(code, params);
    return [["", [cause, effect].filter((text) => text !== null).join(" ")], ...optional("Way out", remedy)];
  });
  return [["Protection", `group ${group}: ${status}`], ...told];
}

function optional(name: string, text: string | null): [string, string][] {
  return text === null ? [] : [[name, text]];
}

function errorRemedy(vm: string): string {
  return render("vm-given-up", { vm }).remedy ?? "";
}

function cpuText({ cpuModel, cpuShown }: VmDetail): string {
  return cpuShown === null ? cpuModel : `${cpuModel} (${cpuShown})`;
}

/** An agent's own words, or a refusal that it wrote down as its code and parameters. */
function detailText(detail: string): string {
  const [, code, params] = /^([a-z-]+) (\{.*\})$/su.exec(detail) ?? [];
  if (code === undefined || params === undefined) return detail;
  const parsed = paramsSchema.safeParse(parseJson(params));
  return parsed.success ? render(code, parsed.data).cause : detail;
}

import type { GroupOutput, ProtectedVm } from "../../api/contract/group.ts";
import { render } from "../../model/messages/index.ts";
import { fields, moment, table } from "../text.ts";
import { scheduleText } from "./point.ts";
import { proofText } from "./point-checks.ts";

export function groupsText(groups: readonly GroupOutput[]): string {
  const rows = groups.map((group) => {
    const { name, status, vms } = group;
    const names = vms.map((vm) => vm.name);
    const lags = vms.flatMap(({ lagMs }) => lagMs ?? []);
    const lag = lags.length === 0 ? "" : `${Math.round(Math.max(...lags) / 1_000)} s`;
    const some = names.length <= 6 ? names.join(", ") : `${names.slice(0, 6).join(", ")}, … (${names.length} in all)`;
    return [name, status, directionText(group), lag, some];
  });
  return (
    table(["GROUP", "STATUS", "DIRECTION", "BEHIND", "VMS"], rows) +
    groups.map((group) => whyText(group, false)).join("")
  );
}

export function groupText(group: GroupOutput): string {
  const pairs: [string, string][] = [
    ["Group", group.name],
    ["Status", group.status],
    ["Direction", directionText(group)],
    ["Mode", modeText(group)],
    ["Points", group.points === null ? "by hand" : scheduleText(group.points)],
    [
      "Room",
      `${group.useMiB} MiB of ${group.quotaMiB === null ? "what both hosts have free" : `${group.quotaMiB} MiB`}`,
    ],
    ["Resume", group.resume === "manual" ? "by hand" : "by itself"],
    ["Since", moment(group.createdAt)],
  ];
  const rows = group.vms.map((vm) => {
    const ends = [vm.name, vm.on?.name ?? "-", vm.copyOn?.name ?? "-"];
    return [...ends, vm.copy, linkOf(vm), pointsText(vm.points), figuresOf(vm) || pausedText(group, vm)];
  });
  return `${fields(pairs)}\n${table(["VM", "ON", "COPY ON", "COPY", "LINK", "POINTS", ""], rows)}${whyText(group, true)}${notesText(group)}`;
}

/** As it is now, and how it was made where that is another. */
function directionText({ from, to, directions }: Pick<GroupOutput, "from" | "to" | "directions">): string {
  const home = `${from.name} to ${to.name}`;
  const [first, other] = directions;
  if (first === undefined) return home;
  if (other !== undefined)
    return directions.map((one) => `${one.from.name} to ${one.to.name} (${one.vms.join(", ")})`).join(", ");
  if (first.from.id === from.id) return home;
  return `${first.from.name} to ${first.to.name} (made as ${home}; its VMs are on ${first.from.name} now)`;
}

/** A branch is no point to go back to, and is told as what it is. */
function pointsText({ count, branches, newestAt, proof }: ProtectedVm["points"]): string {
  const parts = [
    newestAt === null ? "" : `${count}, the newest of ${moment(newestAt)}`,
    proof === null ? "" : proofText(proof),
    // A daemon of an older version says nothing of them.
    (branches ?? 0) === 0 ? "" : `${branches} ${branches === 1 ? "branch" : "branches"} kept (holdfast branch list)`,
  ];
  return parts.filter((part) => part !== "").join("; ") || "-";
}

/** A daemon of an older version says none. */
function notesText({ notes }: Partial<Pick<GroupOutput, "notes">>): string {
  return (notes ?? [])
    .map(({ code, params, rule }) => {
      const { cause, effect, remedy } = render(code, params);
      const rest = [effect, remedy].flatMap((text) => (text === null ? [] : `  ${text}\n`));
      return `\n${cause} [${rule}]\n${rest.join("")}`;
    })
    .join("");
}

function linkOf({ link: { latencyMs, mibPerSecond } }: ProtectedVm): string {
  const parts = [latencyMs === null ? "" : `${latencyMs} ms`, mibPerSecond === null ? "" : `${mibPerSecond} MiB/s`];
  return parts.filter((part) => part !== "").join(", ") || "-";
}

function modeText({ mode, boundMs, everyS, lossS }: GroupOutput): string {
  if (boundMs !== null) return `${mode}, a write waits ${boundMs} ms at most`;
  const loss = lossS === null ? "only by order" : `by itself where at most ${lossS} s are lost`;
  return `${mode}, every ${everyS} s; failover ${loss}`;
}

function figuresOf({ copying, aloneMs, aloneBy, waiting, atRiskMiB, lagMs, copyAt }: ProtectedVm): string {
  if (waiting) return "a write waits for it, by its host's own word";
  if (lagMs !== null) return `${Math.round(lagMs / 1_000)} s behind`;
  if (copyAt !== null) return `as of ${moment(copyAt)}`;
  if (copying !== null) {
    const { percent, mibPerSecond, remainingMiB, remainingMs } = copying;
    const left = remainingMs === null ? "" : `, about ${Math.ceil(remainingMs / 1_000)} s`;
    return `${percent} %, ${remainingMiB} MiB left at ${mibPerSecond} MiB/s${left}`;
  }
  if (aloneMs === null) return "";
  const risk = atRiskMiB === null ? "" : `, ${atRiskMiB} MiB at risk`;
  const by = aloneBy === "host" ? ", by its host's own word" : "";
  return `alone for ${Math.round(aloneMs / 1_000)} s${risk}${by}`;
}

/** Its record is true until its host has said otherwise, and it does so before it lets any write go without the copy. */
function pausedText({ status }: Pick<GroupOutput, "status">, { copy }: ProtectedVm): string {
  return status === "Paused" && copy === "in-sync" ? "until its host, told of the pause, leaves it behind" : "";
}

/** `whole`: with what follows from each, and what helps. */
function whyText({ name, status, reasons }: GroupOutput, whole: boolean): string {
  if (status === "Normal") return "";
  const lines = reasons.map(({ code, params, rule }) => {
    const { cause, effect, remedy } = render(code, params);
    const rest = whole ? [effect, remedy].flatMap((text) => (text === null ? [] : `      ${text}\n`)) : [];
    return `  ${cause} [${rule}]\n${rest.join("")}`;
  });
  return `\n${name}: ${status}\n${lines.join("")}`;
}

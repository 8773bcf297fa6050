import type { HostDetail, HostSummary } from "../../api/contract/host.ts";
import { render } from "../../model/messages/index.ts";
import { examples, type Group, jsonOption } from "../program.ts";
import { age, fields, localTimes, moment, orDash, staleness, standstillText, table, usageText } from "../text.ts";
import { hostChangeCommands } from "./host-change.ts";

export const hostCommands: Group = (program, cli) => {
  const host = program.command("host").description("the members of the cluster");
  host.addHelpText("after", examples("holdfast host list", "holdfast host show h1"));
  host
    .command("list")
    .description("all hosts and witnesses with their state")
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast host list", "holdfast host list --json"))
    .action(async (options) => {
      const answer = await (await cli.session()).call((client) => client.host.list());
      if (options.json === true) cli.json(answer);
      else cli.io.out(staleness(answer.asOfMs) + hostTable(answer.hosts));
    });
  host
    .command("show")
    .description("one host: what it is, what it has, what it holds")
    .argument("<host>", "name or id")
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast host show h1", "holdfast host show h1 --json"))
    .action(async (name, options) => {
      const answer = await (await cli.session()).call((client) => client.host.show({ host: name }));
      if (options.json === true) cli.json(answer);
      else cli.io.out(staleness(answer.asOfMs) + hostText(answer.host));
    });
  hostChangeCommands(host, cli);
};

export function hostTable(hosts: readonly HostSummary[]): string {
  return table(
    ["HOST", "ROLE", "STATE", "HEARTBEAT", "VMS", "MEMORY MIB", "ACCEL"],
    hosts.map((host) => [
      host.name,
      host.role,
      stateText(host),
      host.role === "witness" ? "-" : host.heartbeatAgeMs === null ? "never" : `${age(host.heartbeatAgeMs)} ago`,
      host.role === "witness" ? "-" : String(host.vms),
      host.role === "witness" ? "-" : `${host.memoryUsedMiB}/${orDash(host.memoryForVmsMiB)}`,
      orDash(host.accel),
    ]),
  );
}

const witnessWords: Partial<Record<HostSummary["state"], string>> = { silent: "away", unknown: "not known" };

/** What it is, and what holds it back. */
function stateText(host: HostSummary): string {
  if (host.role === "witness") return `${witnessWords[host.state] ?? host.state}; votes, runs no VMs`;
  if (host.leftInOrder) return host.next === "reboot" ? "reboots, in order" : "off, in order";
  const more = [
    // Its fence cut the power; a daemon of an older version says nothing of it.
    host.state === "fenced" && host.poweredOff ? "off: switch it on" : "",
    host.frozen === true && host.state !== "fenced" ? "VMs frozen" : "",
    host.maintenance === null ? "" : "maintenance",
    host.mode === "active" ? "" : host.mode,
    host.quarantinedUntil === null ? "" : "quarantine",
  ].filter((text) => text !== "");
  return [host.state, ...more].join(", ");
}

function guestCpuText({ guestCpu }: HostDetail): string {
  return guestCpu === null ? "not known" : `${guestCpu.vendor}; models: ${guestCpu.models.join(", ") || "none"}`;
}

function heldBackText(host: HostDetail): string {
  const { maintenance, quarantinedUntil } = host;
  const texts = [
    maintenance === null
      ? ""
      : `in maintenance by ${maintenance.by.name} since ${moment(maintenance.at)}: ${maintenance.reason || "no reason given"}`,
    quarantinedUntil === null ? "" : `in quarantine until ${moment(quarantinedUntil)}: lost too often`,
  ].filter((text) => text !== "");
  return texts.join("; ") || "no";
}

function frozenText({ frozen, state, standstill, leftInOrder, poweredOff }: HostDetail): string {
  if (leftInOrder) return "none is there: it went down in order";
  if (poweredOff) return "none is there: its fence device has confirmed that it is off";
  if (standstill !== null) return standstillText(standstill);
  if (frozen === null) return "not known";
  if (state === "fenced") return "yes, or gone: it is fenced and may run none";
  if (state === "silent") return "yes: it has been silent for longer than its deadline";
  return frozen ? "yes" : "no";
}

function linksText({ links }: HostDetail): string {
  return links.map((link) => `${link.kind} ${link.address}`).join(", ") || "-";
}

/** It has no heart and no agent: there is nothing to say of them. */
function witnessText(host: HostDetail): string {
  return fields([
    ["Host", `${host.name} (${host.id}), ${host.role}`],
    ["State", stateText(host)],
    ["Joined", host.joinedAt === null ? "-" : moment(host.joinedAt)],
    ["Links", linksText(host)],
  ]);
}

function hostText(host: HostDetail): string {
  if (host.role === "witness") return witnessText(host);
  const pools = host.pools.map(
    (pool) => `${pool.pool}: ${pool.unfit ?? `${pool.freeMiB} of ${pool.capacityMiB} MiB free`}`,
  );
  const networks = host.networks.map((network) => `${network.network}: ${network.unfit ?? `bridge ${network.bridge}`}`);
  const fence = host.fence;
  return fields([
    ["Host", `${host.name} (${host.id}), ${host.role}`],
    ["State", stateText(host)],
    ["Held back", heldBackText(host)],
    ["Next", host.next === "nothing" ? "nothing" : `${host.next} (${host.mode})`],
    ["Incarnation", orDash(host.incarnation)],
    ["Heartbeat", host.heartbeatAgeMs === null ? "never" : `${age(host.heartbeatAgeMs)} ago`],
    ["VMs frozen", frozenText(host)],
    ["Agent", host.agentAgeMs === null ? "not heard" : `${age(host.agentAgeMs)} before the heartbeat`],
    [
      "Fence",
      fence === null
        ? "none"
        : `${fence.cause}, by ${fence.by} at ${moment(fence.at)}; proofs: ${fence.proofs.join(", ") || "none yet"}`,
    ],
    ["Holds", host.holds.map((held) => `${held.name} (epoch ${held.epoch})`).join(", ") || "nothing"],
    ["Guests' CPU", guestCpuText(host)],
    ["CPU", `${orDash(host.cores)} × ${orDash(host.cpuModel)}, ${orDash(host.accel)}`],
    [
      "Memory",
      `${host.memoryUsedMiB} of ${orDash(host.memoryForVmsMiB)} MiB for VMs used, ${orDash(host.memoryMiB)} MiB in all`,
    ],
    ...(host.usage === null ? [] : [["In use", usageText(host.usage)] as const]),
    ["Pools", pools.join("; ") || "-"],
    ["Networks", networks.join("; ") || "-"],
    ["Links", linksText(host)],
    [
      "Versions",
      Object.entries(host.versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(", ") || "-",
    ],
    [
      "Checks",
      host.checks
        .filter((check) => check.level !== "ok")
        .map((check) => `${check.level}: ${render(check.id, localTimes(check.params)).cause}`)
        .join("; ") || "all well",
    ],
  ]);
}

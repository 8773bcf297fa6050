import type { HostId, RuleId, WallMs } from "../../src/model/ids.ts";
import type { HostAffinityRule, VmAffinityRule } from "../../src/model/rules.ts";
import { host, vmId } from "./records.ts";

// Rules in a line each: VMs as words (`a b c`), hosts as words with their priority behind a colon (`h1:2 h2`).

const common = (id: string, vms: string) => ({
  schema: 1 as const,
  id: id as RuleId,
  vms: words(vms).map(vmId),
  enabled: true,
  comment: "",
  createdAt: 0 as WallMs,
});

const words = (text: string): string[] => text.split(" ").filter((word) => word !== "");

export function ruleId(text: string): RuleId {
  return text as RuleId;
}

export function hostSet(text: string): ReadonlySet<HostId> {
  return new Set(words(text).map(host));
}

export function together(id: string, vms: string): VmAffinityRule {
  return { ...common(id, vms), kind: "vm-affinity", affinity: "together" };
}

export function apart(id: string, vms: string): VmAffinityRule {
  return { ...common(id, vms), kind: "vm-affinity", affinity: "apart" };
}

export function onHosts(id: string, vms: string, hosts: string, strict = false): HostAffinityRule {
  const ranked = words(hosts).map((word) => {
    const [name = "", priority = "0"] = word.split(":");
    return { host: host(name), priority: Number(priority) };
  });
  return { ...common(id, vms), kind: "host-affinity", hosts: ranked, strict };
}

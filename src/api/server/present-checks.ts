import { compareText, inKeyOrder } from "../../base/order.ts";
import { isSame } from "../../base/same.ts";
import { limits } from "../../core/limits.ts";
import { policyChecks } from "../../core/policy-checks.ts";
import { isRemoved, leavingStore } from "../../core/removal.ts";
import { isOverBy } from "../../core/silent-qemus.ts";
import { vmsDown } from "../../core/start-waits.ts";
import { vmError } from "../../core/vm-error.ts";
import type { HostId } from "../../model/ids.ts";
import type { Check } from "../../model/reason.ts";
import type { ClusterView } from "../../model/view.ts";
import { admissionChecks } from "./present-admission.ts";
import { branchChecks, groupChecks } from "./present-groups.ts";
import { presentHosts } from "./present-hosts.ts";
import { failingRuleChecks } from "./present-rules.ts";
import { standstillCheck } from "./present-standstill.ts";
import { mayBeUp, type Tracker } from "./tracker.ts";

/** So many are named one by one with what keeps them down: what would help is tried out for each. */
const downToldMax = 10;

function downChecks(view: ClusterView, tracker: Tracker): Check[] {
  const { told, more } = vmsDown(view, mayBeUp(tracker), tracker.wall(), downToldMax);
  const checks = told.map(({ vm, down: { why, fix } }): Check => {
    const params = { vm: vm.name };
    return { id: "vm-wanted-is-down", subject: vm.id, level: "fail", params, why, ...(fix === null ? {} : { fix }) };
  });
  if (more > 0)
    checks.push({ id: "more-wanted-vms-are-down", subject: "cluster", level: "fail", params: { count: more } });
  return checks;
}

/** What needs somebody's attention, worst first. */
export function presentChecks(view: ClusterView, tracker: Tracker, self: HostId): Check[] {
  const checks: Check[] = [];
  for (const host of presentHosts(view, tracker)) {
    const params = { host: host.name };
    const still = standstillCheck(host, tracker.wall());
    if (still !== undefined) checks.push(still);
    if (host.state === "silent") {
      checks.push({
        id: "heartbeats-missing",
        subject: host.id,
        level: "fail",
        params: { ...params, ageMs: host.heartbeatAgeMs ?? 0 },
      });
    }
    if (host.leftInOrder) {
      checks.push({ id: "host-is-down", subject: host.id, level: "warn", params: { ...params, next: host.next } });
    } else if (host.state === "fenced") {
      const id = host.poweredOff ? "fenced-host-is-off" : "fence-in-force";
      checks.push({ id, subject: host.id, level: "fail", params });
    }
    if (host.state === "up" && host.frozen === true && still === undefined) {
      checks.push({ id: "vms-frozen", subject: host.id, level: "fail", params });
    }
    if (
      host.state === "up" &&
      host.role === "host" &&
      (host.agentAgeMs ?? Number.POSITIVE_INFINITY) > limits.agentHungMs
    ) {
      checks.push({ id: "agent-silent", subject: host.id, level: "warn", params });
    }
    if (host.quarantinedUntil !== null) {
      checks.push({ id: "host-in-quarantine", subject: host.id, level: "warn", params });
    }
    const facts = view.facts.get(host.id as HostId)?.value;
    const told = (facts?.checks ?? []).filter((check) => check.level !== "ok" && !isOverBy(view, host.id, check));
    // What concerns the whole cluster, every host says.
    checks.push(...told.filter(({ id, subject }) => !checks.some((one) => one.id === id && one.subject === subject)));
  }
  if (isRemoved(view, self))
    checks.push({ id: "answered-by-removed-host", subject: self, level: "fail", params: { host: self } });
  for (const { member } of leavingStore(view)) {
    checks.push({ id: "host-still-in-store", subject: member.id, level: "warn", params: { host: member.name } });
  }
  for (const { value } of view.members.values()) {
    if (value.joinsStore === true)
      checks.push({ id: "host-not-in-store-yet", subject: value.id, level: "warn", params: { host: value.name } });
  }
  const disarm = view.disarm?.value;
  if (disarm !== undefined) {
    const params = { mode: disarm.mode, by: disarm.by.name };
    checks.push({ id: "cluster-is-disarmed", subject: "cluster", level: "warn", params });
  }
  for (const [id, vm] of inKeyOrder(view.vms)) {
    if (vmError(view, id) === undefined) continue;
    checks.push({ id: "vm-given-up", subject: id, level: "fail", params: { vm: vm.value.name } });
  }
  checks.push(...downChecks(view, tracker));
  for (const [key, trouble] of inKeyOrder(view.unreadable)) {
    checks.push({ id: "record-unreadable", subject: key, level: "fail", params: { key, trouble } });
  }
  checks.push(...policyChecks(view), ...failingRuleChecks(view));
  // What a host says of the copies that lie there its group says, too (S21): once is enough.
  const isTold = ({ id, params }: Check): boolean => checks.some((one) => one.id === id && isSame(one.params, params));
  checks.push(...admissionChecks(view, tracker), ...groupChecks(view, tracker).filter((one) => !isTold(one)));
  checks.push(...branchChecks(view));
  const order = { fail: 0, warn: 1, unknown: 2, ok: 3 } as const;
  return checks.sort((a, b) => order[a.level] - order[b.level] || compareText(a.subject, b.subject));
}

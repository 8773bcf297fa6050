import { copiesState, protectionOf } from "../../core/replication-duty.ts";
import { type FailoverRequest, type Loss, lossesOf, planFailover } from "../../core/requests/failover.ts";
import type { Replicas } from "../../core/requests/group-delete.ts";
import { afterSwitch, type GroupMove, vmsToSwitch } from "../../core/requests/group-moves.ts";
import {
  type CreateGroupRequest,
  hostOf,
  planCreateGroup,
  planDeleteGroup,
  planPauseGroup,
  planSetGroup,
  type SetGroupRequest,
} from "../../core/requests/groups.ts";
import { planMoveVm } from "../../core/requests/move.ts";
import type { Asked, Planned } from "../../core/requests/plan.ts";
import type { Sight } from "../../core/requests/sight.ts";
import { type GroupId, later } from "../../model/ids.ts";
import type { Reason } from "../../model/reason.ts";
import type { ClusterView } from "../../model/view.ts";
import type { GroupOutput, Losses } from "../contract/group.ts";
import type { TaskOutput } from "../contract/task.ts";
import { type Answer, ask, askForTask, type WithRequestId } from "./ask.ts";
import { linkCheck } from "./cut-links.ts";
import { type Acceptable, guarded } from "./guarded.ts";
import { type ApiOptions, apiLimits } from "./options.ts";
import { presentGroup } from "./present-groups.ts";
import type { Tracker } from "./tracker.ts";
import { waitFor } from "./wait.ts";

type OneGroup = WithRequestId & { readonly group: string };
type Written = { readonly group: GroupOutput };

/** Edits of availability groups, answered with the group as it stands once they are committed. */
export function groupChanges(options: ApiOptions, tracker: Tracker, sight: Sight) {
  const change = async (
    procedure: string,
    input: OneGroup,
    plan: (asked: Asked) => Planned,
  ): Promise<Answer<Written>> => {
    const end = await ask(options, procedure, "cluster-changed", input, plan);
    if (end.kind !== "ok") return end;
    const group = presentGroup(options.view(), input.group, tracker);
    return "kind" in group ? group : { kind: "ok", value: { group } };
  };
  return {
    create: (input: CreateGroupRequest & WithRequestId) =>
      change("group.create", input, (asked) => planCreateGroup(options.view(), input, asked, sight)),
    set: (input: SetGroupRequest & Acceptable) =>
      change("group.set", input, (asked) =>
        guarded(options, sight, "group set", input, asked, planSetGroup(options.view(), input, asked, sight)),
      ),
    pause: async (input: OneGroup): Promise<Answer<Written>> => {
      const end = await change("group.pause", input, (asked) =>
        planPauseGroup(options.view(), input.group, true, asked),
      );
      if (end.kind !== "ok" || !(await areLetGo(options, sight, input.group))) return end;
      const group = presentGroup(options.view(), input.group, tracker);
      return "kind" in group ? group : { kind: "ok", value: { group } };
    },
    resume: (input: OneGroup) =>
      change("group.resume", input, (asked) => planPauseGroup(options.view(), input.group, false, asked)),
    losses: (input: FailoverRequest): Answer<Losses> => {
      const found = lossesOf(options.view(), input, sight, options.clock.wall());
      return found.kind === "refused" ? found : { kind: "ok", value: presentLosses(options.view(), found.losses) };
    },
    failover: (input: FailoverInput) => failover(options, sight, input),
    switchover: (input: GroupMove & WithRequestId) => switchover(options, tracker, input),
    delete: async (
      input: Acceptable & OneGroup & { readonly replicas?: Replicas | undefined },
    ): Promise<Answer<{ readonly name: string }>> => {
      const end = await ask(options, "group.delete", "cluster-changed", input, (asked) =>
        guarded(options, sight, "group delete", input, asked, planDeleteGroup(options.view(), input, asked, sight)),
      );
      return end.kind === "ok" ? { kind: "ok", value: { name: input.group } } : end;
    },
  };
}

/**
 * Their hosts say at once that the copies are left behind, and from then on what those lack: the answer tells that. False: there was
 * nothing to wait for. One that says nothing is not waited for longer than `apiLimits.viewMs`.
 */
async function areLetGo({ view, clock }: ApiOptions, sight: Sight, name: string): Promise<boolean> {
  const isCounted = (): boolean =>
    (view().groups.get(name as GroupId)?.value.vms ?? []).some((vm) => {
      const owner = view().owners.get(vm)?.value;
      const to = protectionOf(view(), vm)?.to;
      if (owner?.kind !== "held" || to === undefined || sight(owner.host) !== "up") return false;
      return copiesState(view(), vm, owner, to) === "in-sync";
    });
  if (!isCounted()) return false;
  await waitFor(clock, later(clock.now(), apiLimits.viewMs), apiLimits.pollMs, () => !isCounted());
  return true;
}

/** One order for each VM, which are carried out in their turn; repeated, each of them is the one that was given before. */
async function switchover(
  options: ApiOptions,
  tracker: Tracker,
  { requestId, ...move }: GroupMove & WithRequestId,
): Promise<Answer<{ tasks: TaskOutput[]; notes: Reason[] }>> {
  const { group, manner } = move;
  const found = vmsToSwitch(options.view(), move);
  if (found.kind === "refused") return found;
  const notes = afterSwitch(options.view(), move, found.vms);
  const kind = manner === "live" ? "migrate" : "relocate";
  const all = options.view().groups.get(group as GroupId)?.value.vms ?? [];
  const tasks: TaskOutput[] = [];
  for (const vm of found.vms) {
    const part = requestId === undefined ? {} : { requestId: `${requestId.slice(0, 60)}-${all.indexOf(vm)}` };
    const input = { vm, to: found.to, kind, ...part } as const;
    const end = await askForTask(
      options,
      "group.switchover",
      input,
      (task, asked) => planMoveVm(options.view(), input, task, asked, tracker.contact),
      linkCheck(options, tracker, kind, input).first,
    );
    if (end.kind !== "ok") return end;
    tasks.push(end.value);
  }
  return { kind: "ok", value: { tasks, notes } };
}

type FailoverInput = FailoverRequest & WithRequestId & { readonly accept: readonly string[] };

/** All of what would be lost has to be accepted before the first VM is ordered. */
async function failover(
  options: ApiOptions,
  sight: Sight,
  { accept, requestId, ...request }: FailoverInput,
): Promise<Answer<Losses>> {
  const found = lossesOf(options.view(), request, sight, options.clock.wall());
  if (found.kind === "refused") return found;
  const lossy = found.losses.filter(({ code }) => code !== "whole");
  const asked: Asked = { actor: { name: "root", role: "admin", requestId: requestId ?? "" }, at: options.clock.wall() };
  for (const loss of lossy) {
    const end = planFailover(options.view(), loss, accept, asked);
    if (end.kind === "refused") return end;
  }
  for (const [i, loss] of lossy.entries()) {
    const part = requestId === undefined ? {} : { requestId: `${requestId.slice(0, 60)}-${i}` };
    const input = { vm: loss.vm, accept: loss.accept, ...part };
    const end = await ask(options, "group.failover", "cluster-changed", input, (by) =>
      planFailover(options.view(), loss, accept, by),
    );
    if (end.kind !== "ok") return end;
  }
  return { kind: "ok", value: presentLosses(options.view(), found.losses) };
}

function presentLosses(view: ClusterView, losses: readonly Loss[]): Losses {
  return { vms: losses.map(({ vm, to, ...loss }) => ({ ...loss, id: vm, to: hostOf(view, to) })) };
}

import { type GroupMove, vmsToSwitch } from "../../core/requests/group-moves.ts";
import {
  type CreateGroupRequest,
  planCreateGroup,
  planDeleteGroup,
  planPauseGroup,
  planSetGroup,
  type SetGroupRequest,
} from "../../core/requests/groups.ts";
import { planMoveVm } from "../../core/requests/move.ts";
import type { Asked, Planned } from "../../core/requests/plan.ts";
import type { Sight } from "../../core/requests/sight.ts";
import type { GroupId } from "../../model/ids.ts";
import type { GroupOutput } from "../contract/group.ts";
import type { TaskOutput } from "../contract/task.ts";
import { type Answer, ask, askForTask, type WithRequestId } from "./ask.ts";
import type { ApiOptions } from "./options.ts";
import { presentGroup } from "./present-groups.ts";
import type { Tracker } from "./tracker.ts";

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
      change("group.create", input, (asked) => planCreateGroup(options.view(), input, asked)),
    set: (input: SetGroupRequest & WithRequestId) =>
      change("group.set", input, (asked) => planSetGroup(options.view(), input, asked)),
    pause: (input: OneGroup) =>
      change("group.pause", input, (asked) => planPauseGroup(options.view(), input.group, true, asked)),
    resume: (input: OneGroup) =>
      change("group.resume", input, (asked) => planPauseGroup(options.view(), input.group, false, asked)),
    switchover: (input: GroupMove & WithRequestId) => switchover(options, sight, input),
    delete: async (input: OneGroup): Promise<Answer<{ readonly name: string }>> => {
      const end = await ask(options, "group.delete", "cluster-changed", input, (asked) =>
        planDeleteGroup(options.view(), input.group, asked),
      );
      return end.kind === "ok" ? { kind: "ok", value: { name: input.group } } : end;
    },
  };
}

/** One order for each VM, which are carried out in their turn; repeated, each of them is the one that was given before. */
async function switchover(
  options: ApiOptions,
  sight: Sight,
  { group, to, manner, requestId }: GroupMove & WithRequestId,
): Promise<Answer<{ tasks: TaskOutput[] }>> {
  const found = vmsToSwitch(options.view(), { group, to, manner });
  if (found.kind === "refused") return found;
  const kind = manner === "live" ? "migrate" : "relocate";
  const all = options.view().groups.get(group as GroupId)?.value.vms ?? [];
  const tasks: TaskOutput[] = [];
  for (const vm of found.vms) {
    const part = requestId === undefined ? {} : { requestId: `${requestId.slice(0, 60)}-${all.indexOf(vm)}` };
    const input = { vm, to: found.to, kind, ...part } as const;
    const end = await askForTask(options, "group.switchover", input, (task, asked) =>
      planMoveVm(options.view(), input, task, asked, sight),
    );
    if (end.kind !== "ok") return end;
    tasks.push(end.value);
  }
  return { kind: "ok", value: { tasks } };
}

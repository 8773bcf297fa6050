import {
  type CreateGroupRequest,
  planCreateGroup,
  planDeleteGroup,
  planPauseGroup,
  planSetGroup,
  type SetGroupRequest,
} from "../../core/requests/groups.ts";
import type { Asked, Planned } from "../../core/requests/plan.ts";
import type { GroupOutput } from "../contract/group.ts";
import { type Answer, ask, type WithRequestId } from "./ask.ts";
import type { ApiOptions } from "./options.ts";
import { presentGroup } from "./present-groups.ts";
import type { Tracker } from "./tracker.ts";

type OneGroup = WithRequestId & { readonly group: string };
type Written = { readonly group: GroupOutput };

/** Edits of availability groups, answered with the group as it stands once they are committed. */
export function groupChanges(options: ApiOptions, tracker: Tracker) {
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
    delete: async (input: OneGroup): Promise<Answer<{ readonly name: string }>> => {
      const end = await ask(options, "group.delete", "cluster-changed", input, (asked) =>
        planDeleteGroup(options.view(), input.group, asked),
      );
      return end.kind === "ok" ? { kind: "ok", value: { name: input.group } } : end;
    },
  };
}

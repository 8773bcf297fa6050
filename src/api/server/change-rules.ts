import {
  type AddRuleRequest,
  planAddRule,
  planRemoveRule,
  planSetRule,
  type SetRuleRequest,
} from "../../core/requests/rules.ts";
import type { Sight } from "../../core/requests/sight.ts";
import type { Reason } from "../../model/reason.ts";
import type { RuleSummary } from "../contract/rule.ts";
import { type Answer, ask } from "./ask.ts";
import { type Acceptable, EditWatch } from "./guarded.ts";
import type { ApiOptions } from "./options.ts";
import { presentRule } from "./present-rules.ts";

/** `bearsLess`: what is borne less only for a VM that was down and starts by it; null: nothing. */
type Costs = { readonly bearsLess: Reason | null };
type Written = Costs & { readonly rule: RuleSummary };

/** Edits of rules, answered with the rule as it stands once they are committed. */
export function ruleChanges(options: ApiOptions, sight: Sight) {
  const written = (id: string, { note }: EditWatch): Answer<Written> => {
    const rule = presentRule(options.view(), id);
    return rule.kind === "refused" ? rule : { kind: "ok", value: { rule, bearsLess: note } };
  };
  return {
    add: async (input: AddRuleRequest & Acceptable): Promise<Answer<Written>> => {
      const watch = new EditWatch(options, sight);
      const end = await ask(options, "rule.add", "rule-written", input, (asked) =>
        watch.held("rule add", input, asked, planAddRule(options.view(), input, asked)),
      );
      return end.kind === "ok" ? written(end.value.rule, watch) : end;
    },
    set: async (input: SetRuleRequest & Acceptable): Promise<Answer<Written>> => {
      const watch = new EditWatch(options, sight);
      const end = await ask(options, "rule.set", "rule-written", input, (asked) =>
        watch.held("rule set", input, asked, planSetRule(options.view(), input, asked)),
      );
      return end.kind === "ok" ? written(end.value.rule, watch) : end;
    },
    remove: async (input: Acceptable & { readonly rule: string }): Promise<Answer<Costs & { readonly id: string }>> => {
      const watch = new EditWatch(options, sight);
      const end = await ask(options, "rule.remove", "rule-removed", input, (asked) =>
        watch.held("rule remove", input, asked, planRemoveRule(options.view(), input.rule, asked)),
      );
      return end.kind === "ok" ? { kind: "ok", value: { id: end.value.rule, bearsLess: watch.note } } : end;
    },
  };
}

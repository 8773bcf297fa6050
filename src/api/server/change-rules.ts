import {
  type AddRuleRequest,
  planAddRule,
  planRemoveRule,
  planSetRule,
  type SetRuleRequest,
} from "../../core/requests/rules.ts";
import type { Sight } from "../../core/requests/sight.ts";
import type { RuleSummary } from "../contract/rule.ts";
import { type Answer, ask } from "./ask.ts";
import { type Acceptable, guarded } from "./guarded.ts";
import type { ApiOptions } from "./options.ts";
import { presentRule } from "./present-rules.ts";

type Written = { readonly rule: RuleSummary };

/** Edits of rules, answered with the rule as it stands once they are committed. */
export function ruleChanges(options: ApiOptions, sight: Sight) {
  const written = (id: string): Answer<Written> => {
    const rule = presentRule(options.view(), id);
    return rule.kind === "refused" ? rule : { kind: "ok", value: { rule } };
  };
  return {
    add: async (input: AddRuleRequest & Acceptable): Promise<Answer<Written>> => {
      const end = await ask(options, "rule.add", "rule-written", input, (asked) =>
        guarded(options, sight, "rule add", input, asked, planAddRule(options.view(), input, asked)),
      );
      return end.kind === "ok" ? written(end.value.rule) : end;
    },
    set: async (input: SetRuleRequest & Acceptable): Promise<Answer<Written>> => {
      const end = await ask(options, "rule.set", "rule-written", input, (asked) =>
        guarded(options, sight, "rule set", input, asked, planSetRule(options.view(), input, asked)),
      );
      return end.kind === "ok" ? written(end.value.rule) : end;
    },
    remove: async (input: Acceptable & { readonly rule: string }): Promise<Answer<{ readonly id: string }>> => {
      const end = await ask(options, "rule.remove", "rule-removed", input, (asked) =>
        guarded(options, sight, "rule remove", input, asked, planRemoveRule(options.view(), input.rule, asked)),
      );
      return end.kind === "ok" ? { kind: "ok", value: { id: end.value.rule } } : end;
    },
  };
}

import { z } from "zod";

/** What fills the blanks of a code. Plain values only: the same reason is rendered in three languages. */
export const paramsSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
export type Params = Readonly<Record<string, string | number | boolean>>;

/** Why something was decided: the rule (docs/RULES.md), a code of `messages`, its parameters. */
export const reasonSchema = z.object({ rule: z.string(), code: z.string(), params: paramsSchema });
export type Reason = { readonly rule: string; readonly code: string; readonly params: Params };

/** A choice that was possible and lost, with why. */
export const alternativeSchema = z.object({ option: z.string(), why: reasonSchema });
export type Alternative = { readonly option: string; readonly why: Reason };

/** A request that was not carried out: nothing has changed. The code has cause, effect and remedy in `messages`. */
export type Refusal = { readonly kind: "refused"; readonly code: string; readonly params: Params };

export function refuse(code: string, params: Params = {}): Refusal {
  return { kind: "refused", code, params };
}

/** Checks are data: requirements, validation, warnings and triggers come from one registry. */
export const checkSchema = z.object({
  id: z.string(),
  subject: z.string(),
  level: z.enum(["ok", "warn", "fail", "unknown"]),
  params: paramsSchema,
  why: reasonSchema.optional(),
  fix: reasonSchema.optional(),
});
export type Check = {
  /** Also the code of its cause, effect and fix in `messages`. */
  readonly id: string;
  readonly subject: string;
  readonly level: "ok" | "warn" | "fail" | "unknown";
  readonly params: Params;
  /** What it comes from, and the one change that would end it, where `id` alone cannot say them. */
  readonly why?: Reason | undefined;
  readonly fix?: Reason | undefined;
};

import type { z } from "zod";
import { messages } from "../../model/messages/index.ts";
import type { Params } from "../../model/reason.ts";
import type { Trouble } from "./base.ts";

type Issue = z.core.$ZodIssue;

const kinds: Readonly<Record<string, string>> = {
  number: "input-not-a-number",
  int: "input-not-a-whole-number",
  string: "input-not-text",
  boolean: "input-not-on-or-off",
  array: "input-not-a-list",
  object: "input-not-fields",
};

/**
 * What the parser found wrong, as a code with words of our own. `input`: what was parsed. Where the contract itself names a
 * code as the message of a check, that one is told.
 */
export function inputTrouble(issue: Issue, input: unknown): Trouble {
  const field = fieldOf(issue);
  const trouble = (code: string, more: Params = {}): Trouble => ({ code, params: { field, ...more } });
  if (messages.has(issue.message)) return trouble(issue.message, { value: shown(valueAt(input, issue.path)) });
  switch (issue.code) {
    case "invalid_type":
      return trouble(
        valueAt(input, issue.path) === undefined ? "input-missing" : (kinds[issue.expected] ?? "input-does-not-fit"),
      );
    case "too_small":
      return sizeTrouble(trouble, issue.origin, "least", Number(issue.minimum));
    case "too_big":
      return sizeTrouble(trouble, issue.origin, "most", Number(issue.maximum));
    case "invalid_value":
      return trouble("input-not-a-choice", { choices: issue.values.map(String).join(", ") });
    case "unrecognized_keys":
      return trouble("input-field-unknown");
    case "invalid_format":
      return issue.format === "starts_with" && "prefix" in issue
        ? trouble("input-wrong-beginning", { prefix: String(issue.prefix) })
        : trouble("input-does-not-fit");
    default:
      return trouble("input-does-not-fit");
  }
}

const shownMax = 80;

/** What was given, cut where it is long: a message is no place for all of it. */
function shown(value: unknown): string {
  const text = String(value);
  return text.length > shownMax ? `${text.slice(0, shownMax)}…` : text;
}

/** An unknown field is named by its parent's issue. */
export function pathOf(issue: Issue): readonly PropertyKey[] {
  return issue.code === "unrecognized_keys" ? [...issue.path, issue.keys[0] ?? ""] : issue.path;
}

function fieldOf(issue: Issue): string {
  return pathOf(issue).map(String).join(".") || "input";
}

function sizeTrouble(
  trouble: (code: string, more: Params) => Trouble,
  origin: string,
  bound: "least" | "most",
  limit: number,
): Trouble {
  const codes: Readonly<Record<string, readonly [least: string, most: string]>> = {
    string: ["input-text-too-short", "input-text-too-long"],
    array: ["input-too-few", "input-too-many"],
  };
  const [least, most] = codes[origin] ?? ["input-too-small", "input-too-large"];
  return trouble(bound === "least" ? least : most, { [bound]: limit });
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value: unknown = input;
  for (const part of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}

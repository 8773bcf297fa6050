import type { Catalogue, Trouble } from "./message.ts";

/** Input that does not fit the contract: nothing of it was carried out. */
const wrong = (cause: string, remedy: string): Trouble => ({ cause, effect: "Nothing was changed.", remedy });
const help = "Correct it and try again; the help of the command and /api/openapi.json name what is allowed.";

export const inputMessages = {
  "input-does-not-fit": wrong("What is given as {field} does not have the form that is asked for.", help),
  "input-missing": wrong("{field} is missing.", "Give it and try again."),
  "input-not-a-number": wrong("What is given as {field} is not a number.", help),
  "input-not-a-whole-number": wrong("What is given as {field} is not a whole number.", help),
  "input-not-text": wrong("What is given as {field} is not text.", help),
  "input-not-on-or-off": wrong("What is given as {field} is neither true nor false.", help),
  "input-not-a-list": wrong("What is given as {field} is not a list.", help),
  "input-not-fields": wrong("What is given as {field} does not hold fields with values.", help),
  "input-too-small": wrong("What is given as {field} is too small.", "Give at least {least}."),
  "input-too-large": wrong("What is given as {field} is too large.", "Give at most {most}."),
  "input-text-too-short": wrong(
    "What is given as {field} is too short.",
    "Give a text of at least {least} characters.",
  ),
  "input-text-too-long": wrong("What is given as {field} is too long.", "Give a text of at most {most} characters."),
  "input-too-few": wrong("What is given as {field} holds too little.", "Give at least {least}."),
  "input-too-many": wrong("What is given as {field} holds too much.", "Give at most {most}."),
  "input-not-a-choice": wrong("What is given as {field} is none of what it can be.", "Choose one of: {choices}."),
  "input-field-unknown": wrong("There is no field {field}.", help),
  "input-wrong-beginning": wrong(
    "What is given as {field} does not begin as it must.",
    "Let it begin with {prefix} and try again.",
  ),
  "vm-name-malformed": wrong(
    "“{value}” is no name for a VM.",
    "Give 1 to 63 lower-case letters, digits and hyphens; a hyphen neither first nor last.",
  ),
  "rule-name-malformed": wrong(
    "“{value}” is no name for a rule.",
    "Give 2 to 63 letters, digits, hyphens or underscores, the first of them a letter.",
  ),
  "cpu-model-malformed": wrong(
    "“{value}” is no name of a CPU model.",
    "Give one that QEMU knows: `qemu-system-x86_64 -cpu help` lists them.",
  ),
  "request-id-malformed": wrong(
    "“{value}” is no id for a request.",
    "Give 8 to 64 letters, digits, hyphens or underscores.",
  ),
} satisfies Catalogue;

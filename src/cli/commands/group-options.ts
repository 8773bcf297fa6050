import type { Command } from "@commander-js/extra-typings";
import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { sizeInMiB } from "../numbers.ts";

type Chosen = {
  readonly quota?: number | "none" | undefined;
  readonly resume?: "automatic" | "manual" | undefined;
};

/** How much room a group takes, and what becomes of a copy that was left behind. */
export function withOptions<A extends unknown[], O extends Record<string, unknown>, G extends Record<string, unknown>>(
  command: Command<A, O, G>,
) {
  return command
    .option(
      "--quota <size>",
      "room for its copies and their points, such as 50G; none: what both hosts have free",
      quotaNamed,
    )
    .addOption(
      new Option(
        "--resume <how>",
        "a copy that was left behind comes back by itself, or when you say `resume`",
      ).choices(["automatic", "manual"] as const),
    );
}

export function chosenOptions({ quota, resume }: Chosen) {
  const quotaMiB = quota === "none" ? null : quota;
  return { ...(quotaMiB === undefined ? {} : { quotaMiB }), ...(resume === undefined ? {} : { resume }) };
}

/** Not null: commander takes that for an empty text. */
function quotaNamed(text: string): number | "none" {
  if (text === "none") return text;
  try {
    return sizeInMiB(text);
  } catch {
    throw new InvalidArgumentError("Give a size such as 512M, 50G or 2T, or none.");
  }
}

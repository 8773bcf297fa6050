import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { assertProfile } from "../core/limits.ts";
import { type HostConfig, hostConfigSchema } from "../model/config.ts";
import { type Refusal, refuse } from "../model/reason.ts";

export type ConfigEnd = { readonly kind: "done"; readonly config: HostConfig } | Refusal;

/** Reads a host's configuration file (YAML). Refused with the file, and the line or the field that is wrong. */
export function readHostConfig(file: string): ConfigEnd {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    return refuse("config-unreadable", { file, cause: (error as Error).message });
  }
  let data: unknown;
  try {
    data = parse(text);
  } catch (error) {
    return refuse("config-not-yaml", { file, cause: (error as Error).message.split("\n")[0] ?? "" });
  }
  const result = hostConfigSchema.safeParse(data);
  if (!result.success) {
    const issue = result.error.issues[0];
    return refuse("config-invalid", { file, field: issue?.path.join(".") ?? "", cause: issue?.message ?? "" });
  }
  try {
    assertProfile(result.data.profile);
  } catch (error) {
    return refuse("config-invalid", { file, field: "profile", cause: (error as Error).message });
  }
  return { kind: "done", config: result.data };
}

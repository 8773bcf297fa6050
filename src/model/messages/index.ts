import type { Params } from "../reason.ts";
import { certificateMessages } from "./certificates.ts";
import { checkMessages } from "./checks.ts";
import { clientMessages } from "./client.ts";
import { decisionMessages } from "./decisions.ts";
import { editMessages } from "./edits.ts";
import { forecastMessages } from "./forecast.ts";
import { groupMessages } from "./groups.ts";
import { heartMessages } from "./heart.ts";
import { hostMessages } from "./host.ts";
import { hypervisorMessages } from "./hypervisor.ts";
import { inputMessages } from "./input.ts";
import { managementMessages } from "./management.ts";
import type { Catalogue, Message } from "./message.ts";
import { migrationMessages } from "./migration.ts";
import { pointMessages } from "./points.ts";
import { processorMessages } from "./processors.ts";
import { removalMessages } from "./removal.ts";
import { replicationMessages } from "./replication.ts";
import { requestMessages } from "./requests.ts";
import { ruleMessages } from "./rules.ts";
import { standingMessages } from "./standing.ts";
import { takeoverMessages } from "./takeover.ts";

/** The catalogue's parts. A code stands in exactly one of them. */
export const parts: readonly Catalogue[] = [
  requestMessages,
  ruleMessages,
  editMessages,
  inputMessages,
  decisionMessages,
  managementMessages,
  checkMessages,
  clientMessages,
  hostMessages,
  hypervisorMessages,
  migrationMessages,
  forecastMessages,
  processorMessages,
  replicationMessages,
  groupMessages,
  pointMessages,
  heartMessages,
  standingMessages,
  takeoverMessages,
  removalMessages,
  certificateMessages,
];

/** Every code of Holdfast in English. */
export const messages: ReadonlyMap<string, Message> = new Map(parts.flatMap((part) => Object.entries(part)));

/** `effect` and `remedy` are null where the code is a plain sentence. */
export type Rendered = {
  readonly code: string;
  readonly cause: string;
  readonly effect: string | null;
  readonly remedy: string | null;
};

/** A code that this version does not know (a newer daemon sent it) is shown as it came rather than hidden. */
export function render(code: string, params: Params): Rendered {
  const message = messages.get(code);
  if (message === undefined) {
    const rest = Object.entries(params).map(([name, value]) => `${name}=${value}`);
    return { code, cause: [code, ...rest].join(" "), effect: null, remedy: null };
  }
  if (typeof message === "string") return { code, cause: fill(message, params), effect: null, remedy: null };
  return {
    code,
    cause: fill(message.cause, params),
    effect: fill(message.effect, params),
    remedy: fill(message.remedy, params),
  };
}

function fill(text: string, params: Params): string {
  return withoutNothing(text, params).replace(
    /\{([A-Za-z]+)(?: ([^|}]+)\|([^}]+))?\}/gu,
    (_, name: string, one?: string, many?: string) => {
      const value = String(params[name] ?? "?");
      return one === undefined || many === undefined ? value : `${value} ${value === "1" ? one : many}`;
    },
  );
}

function withoutNothing(text: string, params: Params): string {
  return text.replace(/\[([A-Za-z]+)\?([^\]]*)\]/gu, (_, name: string, part: string) =>
    [undefined, 0, ""].includes(params[name] as string | number | undefined) ? "" : part,
  );
}

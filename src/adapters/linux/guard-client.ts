import { join } from "node:path";
import type { Incarnation } from "../../model/ids.ts";
import { type Guard, type GuardListener, type GuardName, type GuardSays, guardNames } from "../../ports/guard.ts";
import { openLineClient } from "./lines.ts";

export interface GuardClient extends Guard {
  close(): void;
}
export type GuardClientOptions = {
  readonly name: GuardName;
  readonly runDir: string;
  readonly listener: GuardListener;
  readonly log: (line: string) => void;
};

/** The line to one guard, `guard-NAME.sock` in the run folder. `hello` comes on each connection, `lost` at its end. */
export function openGuard(options: GuardClientOptions): GuardClient {
  const { name, log, listener } = options;
  // Until the guard's hello nothing of it counts: it may be one of another protocol.
  let greeted = false;
  const lines = openLineClient({
    path: join(options.runDir, `guard-${name}.sock`),
    onOpen: () => {
      greeted = false;
    },
    onLine: (text) => {
      const says = parseGuardLine(text);
      if (says === undefined) return log(`Guard ${name} says what this heart does not understand: ${text}`);
      if (says.kind === "error") return log(`Guard ${name} refused: ${says.cause}`);
      if (greeted === (says.kind === "hello")) return lines.drop(`out of turn: ${text}`);
      greeted = true;
      listener(name, says);
    },
    onLost: (cause) => {
      log(`Guard ${name} is away: ${cause}. No heartbeat is sent without it; its supervisor should start it again.`);
      if (greeted) listener(name, { kind: "lost" });
      greeted = false;
    },
  });
  return {
    name,
    incarnation: (incarnation) => lines.send(`incarnation ${incarnation}`),
    stamp: (stamp) => lines.send(`stamp ${stamp}`),
    committed: (stamp) => lines.send(`committed ${stamp}`),
    freeze: () => lines.send("freeze"),
    close: () => lines.close(),
  };
}

/** Both guards of a host, as the heart's runtime wants them. */
export function openGuards(
  runDir: string,
  log: (line: string) => void,
): (listener: GuardListener) => Readonly<Record<GuardName, GuardClient>> {
  return (listener) => {
    const [a, b] = guardNames.map((name) => openGuard({ name, runDir, listener, log }));
    if (a === undefined || b === undefined) throw new RangeError("Cannot open the guards: there must be two");
    return { a, b };
  };
}

type Refused = { readonly kind: "error"; readonly cause: string };

/** One line of the guard; undefined where it is none of protocol 1. */
export function parseGuardLine(text: string): GuardSays | Refused | undefined {
  const [word = "", ...rest] = text.split(" ");
  if (word === "error") return { kind: "error", cause: rest.join(" ") };
  if (word === "incarnation") return parseIncarnation(rest);
  if (word === "hello") return parseHello(rest);
  const numbers = wholeNumbers(rest);
  if (numbers === undefined) return undefined;
  const [first = 0, second = 0, third = 0] = numbers;
  switch (`${word}/${numbers.length}`) {
    case "stamped/1":
    case "late/1":
      return { kind: word as "stamped" | "late", stamp: first };
    case "deadline/2":
      return { kind: "deadline", stamp: first, remainingMs: second };
    case "frozen/3":
      return { kind: "frozen", latenessMs: first, verified: second === 1, inFlight: third };
    case "thawed/0":
      return { kind: "thawed" };
    default:
      return undefined;
  }
}

function parseHello(words: readonly string[]): GuardSays | undefined {
  const [version, deadline, margin, incarnation, frozen, watchdog, ...more] = words;
  const numbers = wholeNumbers([deadline ?? "", margin ?? "", frozen ?? "", watchdog ?? ""]);
  const known = incarnation === "-" ? [] : wholeNumbers([incarnation ?? ""]);
  if (version !== "1" || more.length > 0 || numbers === undefined || known === undefined) return undefined;
  const [deadlineMs = 0, marginMs = 0, isFrozen = 0, hasWatchdog = 0] = numbers;
  return {
    kind: "hello",
    deadlineMs,
    marginMs,
    incarnation: (known[0] as Incarnation | undefined) ?? null,
    frozen: isFrozen === 1,
    watchdog: hasWatchdog === 1,
  };
}

function parseIncarnation(words: readonly string[]): GuardSays | undefined {
  const [incarnation = "", end = "", left = "", ...cause] = words;
  const numbers = wholeNumbers([incarnation, left]);
  if (numbers === undefined || (end !== "ok" && end !== "failed")) return undefined;
  const [n = 0, leftovers = 0] = numbers;
  return { kind: "incarnation", incarnation: n as Incarnation, ok: end === "ok", cause: cause.join(" "), leftovers };
}

function wholeNumbers(words: readonly string[]): readonly number[] | undefined {
  return words.every((word) => /^\d{1,15}$/u.test(word)) ? words.map(Number) : undefined;
}

import type { Command } from "@commander-js/extra-typings";
import type { PointProof, ProofCheck } from "../../model/point-proof.ts";
import { wholeNumber } from "../numbers.ts";
import { moment } from "../text.ts";

export type CheckOptions = {
  readonly http?: string | undefined;
  readonly httpPort?: number | undefined;
  readonly httpAddress?: string | undefined;
  readonly httpText?: string | undefined;
  readonly agent?: true | undefined;
  readonly screen?: true | undefined;
};

/** What a guest that was booted from a point has to show. */
export function withChecks<A extends unknown[], O extends Record<string, unknown>, G extends Record<string, unknown>>(
  command: Command<A, O, G>,
): Command<A, O & CheckOptions, G> {
  const more = command
    .option("--http <path>", "it answers HTTP at this path, with a status below 400")
    .option("--http-port <port>", "at this port (default: 80)", wholeNumber)
    .option(
      "--http-address <address>",
      "the address that the guest has, such as 10.0.0.5/24 (default: it asks for one)",
    )
    .option("--http-text <text>", "with this text in the answer")
    .option("--agent", "its guest agent answers")
    .option("--screen", "its screen is not of one colour");
  // Named: to write down what these options infer takes the compiler minutes.
  return more as unknown as Command<A, O & CheckOptions, G>;
}

export function checksOf({ http, httpPort, httpAddress, httpText, agent, screen }: CheckOptions): ProofCheck[] {
  const checks: ProofCheck[] = [];
  if (http !== undefined)
    checks.push({
      ...{ kind: "http", address: httpAddress ?? null, port: httpPort ?? 80 },
      ...{ path: http.startsWith("/") ? http : `/${http}`, text: httpText ?? null },
    });
  if (agent === true) checks.push({ kind: "agent" });
  if (screen === true) checks.push({ kind: "screen" });
  return checks;
}

/** "proven on …: 4.2 s", or what it did not show. */
export function proofText({ at, tookMs, passed, checks }: PointProof): string {
  if (passed) return `proven on ${moment(at)}: ${(tookMs / 1_000).toFixed(1)} s`;
  const failed = checks.find((check) => !check.passed);
  return `failed on ${moment(at)}: ${failed?.kind ?? "boot"}: ${failed?.detail ?? ""}`;
}

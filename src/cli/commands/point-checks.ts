import type { Command } from "@commander-js/extra-typings";
import type { PointOutput } from "../../api/contract/point.ts";
import { kindsChecked, type PointProof, type ProofCheck, proofWord } from "../../model/point-proof.ts";
import { wholeNumber } from "../numbers.ts";
import { age, moment } from "../text.ts";

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

const kindWords: Readonly<Record<string, string>> = { http: "HTTP", agent: "guest agent", screen: "screen" };

/** "proven on …: HTTP, 4.2 s, RPO 35.0 s", that nothing was checked, or what it did not show. */
export function proofText(proof: PointProof): string {
  const { at, tookMs, checks, rpoMs } = proof;
  const word = proofWord(proof);
  const figures = `${(tookMs / 1_000).toFixed(1)} s${rpoMs === undefined ? "" : `, RPO ${age(rpoMs)}`}`;
  if (word === "proven") {
    const shown = kindsChecked(proof).map((kind) => kindWords[kind] ?? kind);
    return `proven on ${moment(at)}: ${shown.join(" and ")}, ${figures}`;
  }
  if (word === "booted") return `booted on ${moment(at)}: ${figures}; nothing checked`;
  const failed = checks.find((check) => !check.passed);
  return `failed on ${moment(at)}: ${failed?.kind ?? "boot"}: ${failed?.detail ?? ""}`;
}

/**
 * Of one point: a proof, and what earlier ones looked for that it did not; what booted it without looking only where there is none,
 * or where it did not even boot since.
 */
export function testText({
  proof,
  boot,
  earlierProofs,
}: Pick<PointOutput, "proof" | "boot" | "earlierProofs">): string {
  const failed = proof !== null && boot !== null && !boot.passed && boot.at > proof.at;
  const shown = failed ? boot : (proof ?? boot);
  return shown === null ? "-" : [shown, ...(failed ? [] : earlierProofs)].map(proofText).join("; before: ");
}

type Tests = Pick<PointOutput, "proof" | "boot" | "earlier">;
const testsOf = ({ proof, boot, earlier }: Tests): readonly PointProof[] => [proof ?? [], boot ?? [], earlier].flat();

/** What the last test of this point came to, also where the point is gone since. Null: it is not on record. */
export function testOf(points: readonly Tests[], point: string | null): PointProof | null {
  return newestOf(points.flatMap(testsOf).filter((one) => one.point === point));
}

function newestOf(all: readonly PointProof[]): PointProof | null {
  return all.reduce<PointProof | null>((last, one) => (last !== null && last.at >= one.at ? last : one), null);
}

/** Each VM's last test, where its point is gone: a line below the table. */
export function earlierText(points: readonly (Tests & Pick<PointOutput, "vm">)[]): string {
  const lines = [...new Set(points.map(({ vm }) => vm.name))].flatMap((name) => {
    const own = points.filter(({ vm }) => vm.name === name);
    const last = newestOf(own.flatMap(testsOf));
    if (last === null || !own.some(({ earlier }) => earlier.includes(last))) return [];
    const of = last.rpoMs === undefined ? "" : ` of ${moment(last.at - last.rpoMs)}`;
    return [`\nThe last test of ${name} was of point ${last.point}${of}, which is gone since: ${proofText(last)}.\n`];
  });
  return lines.join("");
}

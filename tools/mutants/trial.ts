import { type SeedLayout, seedLayouts } from "../../src/sim/plan.ts";

/** One run of the simulator: a seed's drawn plan, or a scenario of test/scenarios. */
export type Trial =
  | { readonly kind: "seed"; readonly seed: number; readonly layout: SeedLayout }
  | { readonly kind: "scenario"; readonly scenario: string };

/** `crashed`: it ended by an assertion, an exception, a dead process or a time limit; that is nobody's finding. */
export type Verdict =
  | { readonly kind: "held" | "crashed" }
  | {
      readonly kind: "found";
      /** The rule of the checker, or `scenario`. */
      readonly by: string;
      readonly text: string;
    };

export function nameOf(trial: Trial): string {
  if (trial.kind === "scenario") return `scenario ${trial.scenario}`;
  return trial.layout === "many" ? `seed ${trial.seed}` : `seed ${trial.seed} of ${trial.layout}`;
}

/** The inverse of `nameOf`; undefined: it names no trial. */
export function trialOf(name: string): Trial | undefined {
  const [kind, what = "", of, layout] = name.split(" ");
  if (kind === "seed" && Number.isSafeInteger(Number(what)))
    return {
      kind: "seed",
      seed: Number(what),
      layout: seedLayouts.find((one) => of === "of" && one === layout) ?? "many",
    };
  return kind === "scenario" ? { kind: "scenario", scenario: what } : undefined;
}

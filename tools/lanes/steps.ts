/** One row of a lane. A check counts as one; a suite counts its tests. */
export type Step =
  | {
      readonly kind: "check";
      readonly name: string;
      readonly command: readonly string[];
      readonly limitMinutes: number;
    }
  | {
      readonly kind: "suite";
      readonly name: string;
      /** Projects of vitest.config.ts; each of them must run at least one test. */
      readonly projects: readonly Project[];
      readonly limitMinutes: number;
    };

/** Where a project's test files lie: a project whose folders hold none fails, it is not silently green. */
export const projectFolders = {
  unit: ["src", "tools", "bench", "lab"],
  properties: ["test/properties"],
  scenarios: ["test/scenarios"],
  seeds: ["test/seeds"],
  contracts: ["test/contracts"],
  lab: ["test/lab"],
  long: ["test/long"],
} as const satisfies Record<string, readonly string[]>;
export type Project = keyof typeof projectFolders;

/**
 * Parts of a lane that do not exist yet, with the reason: shown in the table, never counted as passed. An entry whose
 * part exists by now fails the lane, so that this list can only shrink.
 */
export const awaited: ReadonlyMap<Project | "dead code", string> = new Map();

/** Tests that may be skipped, by a part of their full name, and why. Any other skipped test counts as failed. */
export const allowedSkips: ReadonlyMap<string, string> = new Map([
  ["the reference's cases end as it does", "the folder of the cases is no part of this repository"],
]);

const checks: readonly Step[] = [
  { kind: "check", name: "format", command: ["biome", "check", "--error-on-warnings", "."], limitMinutes: 4 },
  { kind: "check", name: "types", command: ["tsc", "-p", "."], limitMinutes: 4 },
  { kind: "check", name: "boundaries", command: ["node", "tools/boundaries.ts"], limitMinutes: 4 },
  { kind: "check", name: "tidy", command: ["node", "tools/tidy.ts"], limitMinutes: 4 },
  { kind: "check", name: "dead code", command: ["knip", "--no-progress"], limitMinutes: 4 },
];
const quick: Step = {
  kind: "suite",
  name: "quick tests",
  projects: ["unit", "properties", "scenarios", "seeds"],
  limitMinutes: 12,
};
const ok = [...checks, quick];

export const lanes = {
  /** The gate before each commit: no root, no real processes. */
  ok,
  /** Everything that is called a test. */
  test: [
    ...ok,
    { kind: "suite", name: "contracts", projects: ["contracts"], limitMinutes: 10 },
    { kind: "suite", name: "lab", projects: ["lab"], limitMinutes: 18 },
  ],
  long: [{ kind: "suite", name: "long", projects: ["long"], limitMinutes: 60 }],
} as const satisfies Record<string, readonly Step[]>;
export type LaneName = keyof typeof lanes;

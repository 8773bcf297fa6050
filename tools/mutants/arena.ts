import { type ChildProcess, fork } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { SeedReport } from "../../src/sim/report.ts";
import type { Mutant } from "./mutant.ts";
import { copyTree, plant } from "./plant.ts";
import type { Trial } from "./trial.ts";

/** `dead`: the process died or did not end in time; nothing is known of this trial. */
export type TrialEnd = { readonly kind: "played"; readonly report: SeedReport } | { readonly kind: "dead" };

/** A trial takes about a second; this only ends one that never would. */
const trialLimitMs = 90_000;
const player = "tools/mutants/player.ts";
const parts = ["src", "tools/sim/play.ts", player];

/** A copy of the sources with a bug in it (or none), and the process that plays trials there. */
export class Arena {
  readonly #dir: string;
  #child: ChildProcess | undefined;

  constructor(mutant: Mutant | null) {
    this.#dir = copyTree(mutant?.id ?? "none", parts);
    if (mutant !== null) plant(mutant, this.#dir);
  }

  play(trial: Trial): Promise<TrialEnd> {
    this.#child ??= fork(join(this.#dir, player), { stdio: ["ignore", "ignore", "ignore", "ipc"] });
    const child = this.#child;
    return new Promise((resolve) => {
      const end = (result: TrialEnd): void => {
        clearTimeout(limit);
        child.removeAllListeners();
        if (result.kind === "dead") this.#end();
        resolve(result);
      };
      const limit = setTimeout(() => end({ kind: "dead" }), trialLimitMs);
      child.once("message", (report) => end({ kind: "played", report: report as SeedReport }));
      child.once("error", () => end({ kind: "dead" }));
      child.once("exit", () => end({ kind: "dead" }));
      child.send(trial);
    });
  }

  close(): void {
    this.#end();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #end(): void {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }
}

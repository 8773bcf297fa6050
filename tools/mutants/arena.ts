import { type ChildProcess, fork } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { closeIfBrokenOff } from "./leftovers.ts";
import type { Mutant } from "./mutant.ts";
import { copyTree, plant } from "./plant.ts";
import type { Trial, Verdict } from "./trial.ts";

/** A trial takes about a second; this only ends one that never would. */
const trialLimitMs = 90_000;
const player = "tools/mutants/player.ts";
const parts = ["src", "test/scenarios", "tools/scenarios/files.ts", "tools/sim/play.ts", player];

/** A copy of the sources with a bug in it (or none), and the process that plays trials there. */
export class Arena {
  readonly #dir: string;
  readonly #closed: () => void;
  #child: ChildProcess | undefined;
  #broken = false;

  constructor(mutant: Mutant | null) {
    this.#dir = copyTree(mutant?.id ?? "none", parts);
    this.#closed = closeIfBrokenOff(() => {
      this.#broken = true;
      this.close();
    });
    if (mutant !== null) plant(mutant, this.#dir);
  }

  play(trial: Trial): Promise<Verdict> {
    // The hunt was broken off while it was between two trials: this one is never played.
    if (this.#broken) return new Promise(() => {});
    this.#child ??= fork(join(this.#dir, player), { stdio: ["ignore", "ignore", "ignore", "ipc"] });
    const child = this.#child;
    return new Promise((resolve) => {
      const end = (verdict: Verdict): void => {
        clearTimeout(limit);
        child.removeAllListeners();
        resolve(verdict);
      };
      const die = (): void => {
        if (this.#broken) return;
        this.#end();
        end({ kind: "crashed" });
      };
      const limit = setTimeout(die, trialLimitMs);
      child.once("message", (verdict) => end(verdict as Verdict));
      child.once("error", die);
      child.once("exit", die);
      child.send(trial);
    });
  }

  close(): void {
    this.#end();
    rmSync(this.#dir, { recursive: true, force: true });
    this.#closed();
  }

  #end(): void {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }
}

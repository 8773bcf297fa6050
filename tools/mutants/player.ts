import { drawPlan } from "../../src/sim/draw-plan.ts";
import { play } from "../sim/play.ts";
import type { Trial } from "./trial.ts";

// Runs in a copy of the tree, on the copy's sources: a trial comes in, its report goes out.
process.on("message", ({ seed, plan }: Trial) => {
  process.send?.(play(plan ?? drawPlan(String(seed))).report);
});

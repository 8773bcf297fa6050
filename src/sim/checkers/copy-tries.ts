import { backoffMs } from "../../base/backoff.ts";
import { limits } from "../../core/limits.ts";
import type { Replica } from "../../model/replication-records.ts";
import type { Life } from "../world/process.ts";
import type { CheckerKind } from "./kind.ts";

/** Clocks of hosts run at rates of their own. */
const rateSlack = 0.99;
/** What is left behind before anything was sent to it, as when its doors change, is no attempt; it cannot be told from one here. */
const uncounted = 2;

type Tries = {
  readonly epoch: number;
  readonly life: Life | undefined;
  readonly left: number;
  readonly leftAt: number;
};

/** S17: a copy that is left behind each time, because it does not answer, is brought up to date ever more seldom. */
export const copiesAreTriedSeldom: CheckerKind = {
  rule: "S17",
  make: (world, fail) => {
    const known = new Map<string, Tries>();
    return {
      committed: ({ name, value, before }, writer) => {
        // Whoever pauses or changes a group wants it tried anew.
        if (name.kind === "group") known.clear();
        if (name.kind !== "replica") return;
        const key = `${name.vm} ${name.volume} ${name.host}`;
        const [is, was] = [value as Replica | undefined, before as Replica | undefined];
        const tries = known.get(key);
        const isSame = tries !== undefined && tries.epoch === is?.epoch && tries.life === writer?.life;
        const { now } = world.scheduler;
        if (is?.state.kind === "stale" && is.state.cause === "silent") {
          if (was?.state.kind === "stale") return;
          const left = isSame ? tries.left + 1 : 1;
          known.set(key, { epoch: is.epoch, life: writer?.life, left, leftAt: now });
        } else if (is?.state.kind === "copying" && isSame) {
          const leastMs = backoffMs(tries.left - 1 - uncounted, limits.replicaRetryMs, limits.replicaRetryMaxMs);
          const waitedMs = now - tries.leftAt;
          if (tries.left > uncounted && waitedMs < leastMs * rateSlack)
            fail(`${name.vm} is copied again ${Math.floor(waitedMs)} ms after it was left behind ${tries.left} times`);
        } else known.delete(key);
      },
    };
  },
};

import type { Answer } from "../api/server/ask.ts";
import type { Params } from "../model/reason.ts";
import type { StoreForce } from "../ports/store-force.ts";

/** Why what a takeover lacks is not written; `messages` has its cause, effect and remedy. */
export type HeldBy = { readonly code: string; readonly params: Params };

export type TakeoverMark = {
  readonly look: () => Promise<void>;
  /** Undefined: nothing is in the way, or nobody has looked yet. */
  readonly heldBy: () => HeldBy | undefined;
};

/**
 * S24: managers hold for a takeover that was begun here; where it never came, or its daemon has died, nothing else would end that.
 * Whatever fails is told, once for each cause, and tried again: a daemon that ended for it would only do so again.
 */
export function watchTakeoverMark(
  force: Pick<StoreForce, "isUnfinished" | "settle">,
  finish: () => Promise<Answer<unknown> | undefined>,
  log: (code: string, params: Params) => void,
): TakeoverMark {
  let heldBy: HeldBy | undefined;
  const hold = (code: string, params: Params): void => {
    const isKnown = JSON.stringify(heldBy) === JSON.stringify({ code, params });
    heldBy = { code, params };
    if (!isKnown) log(code, params);
  };
  const look = async (): Promise<void> => {
    if (!force.isUnfinished()) {
      heldBy = undefined;
      return;
    }
    const became = await new Promise<Parameters<Parameters<StoreForce["settle"]>[0]>[0]>((done) => force.settle(done));
    if (became === "never-came") log("takeover-never-came", {});
    if (became !== "forced") return;
    const end = await finish();
    if (end === undefined) return;
    if (end.kind !== "ok") return hold(end.code, end.params);
    heldBy = undefined;
    log("takeover-finished", {});
  };
  return {
    look: async () => {
      try {
        await look();
      } catch (error) {
        hold("takeover-look-failed", { cause: error instanceof Error ? error.message : String(error) });
      }
    },
    heldBy: () => (force.isUnfinished() ? heldBy : undefined),
  };
}

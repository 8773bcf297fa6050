import { stepAgent } from "../../agent/agent.ts";
import { step as stepHeart } from "../../heart/heart.ts";
import { startManager, stepManager } from "../../manager/manager.ts";
import type { ManagerStep } from "../../manager/state.ts";
import type { StepChecks } from "../checkers/checker.ts";

/** Managers that stand still while their hosts work on; each begins anew afterwards. */
export class Held {
  readonly #held = new Set<string>();
  readonly #fresh = new Set<string>();

  hold(host: string, held: boolean): void {
    if (held) this.#held.add(host);
    else if (this.#held.delete(host)) this.#fresh.add(host);
  }

  steps(): StepChecks {
    return {
      forHeart: () => stepHeart,
      forDaemon: ({ id }) => ({
        manager: (state, event): ManagerStep => {
          if (this.#held.has(id))
            return { state: { ...state, synced: state.synced || event.kind === "synced" }, effects: [] };
          if (!this.#fresh.delete(id)) return stepManager(state, event);
          const begun = { ...startManager(id, state.profile, event.now), synced: state.synced, nextId: state.nextId };
          return stepManager(begun, { kind: "woke", now: event.now, wall: event.wall, view: event.view });
        },
        agent: stepAgent,
      }),
    };
  }
}

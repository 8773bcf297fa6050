import { whatBreaks } from "../../core/foresee/guard.ts";
import type { Asked, Planned } from "../../core/requests/plan.ts";
import {
  foreseeRemoval,
  planRemoveHost,
  planTakeBack,
  type Removal,
  type RemovalContext,
  votesWithout,
} from "../../core/requests/remove-host.ts";
import type { Sight } from "../../core/requests/sight.ts";
import { type HostId, later } from "../../model/ids.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import { systemActor } from "../../model/records.ts";
import type { RemovalOutput, RemovedOutput } from "../contract/host-removal.ts";
import { type Answer, ask, type Named, type WithRequestId } from "./ask.ts";
import { leave } from "./change-cluster.ts";
import { type Acceptable, guarded, hostsUp } from "./guarded.ts";
import type { Unavailable } from "./mutate.ts";
import { type ApiOptions, apiLimits } from "./options.ts";
import type { Tracker } from "./tracker.ts";
import { waitFor } from "./wait.ts";

type OneHost = WithRequestId & { readonly host: string };

/** Hosts that leave the cluster for good, and that are taken back (HM7). */
export function hostRemovals(options: ApiOptions, tracker: Tracker) {
  const sight = tracker.contact;
  const silent = (host: HostId) => (tracker.isLost(host) ? options.heard?.contacts().get(host) : undefined);
  const context: RemovalContext = { sight, self: options.self, silent };
  return {
    plan: (input: { readonly host: string }): RemovalOutput => {
      const view = options.view();
      const asked = { actor: systemActor, at: options.clock.wall() };
      const now = planRemoveHost(view, input, asked, context);
      const afterwards = isNotOff(now.planned) ? foreseeRemoval(view, input, asked, context) : undefined;
      const { planned, breaks, fence } = afterwards ?? now;
      const votes = votesWithout(view);
      const shutsDown = afterwards !== undefined;
      const refused = [fence, planned].find((one) => one?.kind === "refused");
      if (planned.kind === "refused" || refused?.kind === "refused")
        return { refused: trouble(refused as Refusal), breaks: [], votes, shutsDown: false };
      const { breaks: more } = whatBreaks(view, planned.transaction, hostsUp(view, sight), asked.at);
      const all = [...breaks, ...more];
      return { refused: null, breaks: all.map((why) => trouble(why, all.length - 1)), votes, shutsDown };
    },
    remove: async (input: Acceptable & OneHost): Promise<Answer<RemovedOutput>> => {
      const held = ({ planned, breaks, fence }: Removal, asked: Asked) => {
        return { guarded: guarded(options, sight, "host remove", input, asked, planned, breaks), fence };
      };
      const plan = (asked: Asked) => held(planRemoveHost(options.view(), input, asked, context), asked);
      const now = { actor: systemActor, at: options.clock.wall() };
      const afterwards = isNotOff(plan(now).guarded) ? foreseeRemoval(options.view(), input, now, context) : undefined;
      if (afterwards !== undefined) {
        const clear = held(afterwards, now).guarded;
        const trouble =
          clear.kind === "refused" ? clear : await goesDown(options, sight, input, () => plan(now).guarded);
        if (trouble !== undefined) return trouble;
      }
      const first = plan(now);
      // Not before all else is clear: a fence is for good.
      if (first.fence !== undefined && first.guarded.kind === "plan") {
        const one: OneHost = { host: input.host };
        const fenced = await ask(options, "host.fence-to-remove", "host-changed", one, (asked) => {
          return plan(asked).fence ?? refuse("host-remove-not-off", { host: input.host });
        });
        if (fenced.kind !== "ok") return fenced;
      }
      const end = await ask(options, "host.remove", "host-changed", input, (asked) => {
        const again = plan(asked);
        const isClear = again.fence === undefined || again.guarded.kind === "refused";
        return isClear ? again.guarded : refuse("host-remove-not-off", { host: input.host });
      });
      if (end.kind !== "ok") return end;
      const { host: id, name } = end.value;
      const hasLeft = (): boolean => options.view().removals.get(id)?.value.store !== "voting";
      const isOut = await waitFor(
        options.clock,
        later(options.clock.now(), apiLimits.intentMs),
        apiLimits.pollMs,
        hasLeft,
      );
      return { kind: "ok", value: { id, name, store: isOut ? "left" : "voting" } };
    },
    join: async (input: OneHost): Promise<Answer<Named>> => {
      const end = await ask(options, "host.join", "host-changed", input, (asked) =>
        planTakeBack(options.view(), input.host, asked),
      );
      return end.kind === "ok" ? { kind: "ok", value: { id: end.value.host, name: end.value.name } } : end;
    },
  };
}

function isNotOff(planned: Planned): boolean {
  return planned.kind === "refused" && ["host-remove-not-off", "host-remove-not-proven"].includes(planned.code);
}

/** It is told to go down, and waited for until its last word is there: only that is a ground to remove it (S9). */
async function goesDown(
  options: ApiOptions,
  sight: Sight,
  { host, accept }: Acceptable & OneHost,
  plan: () => Planned,
): Promise<Refusal | Unavailable | undefined> {
  const told = await leave(options, sight, "power-off", { host, accept });
  // Somebody has told it so before.
  if (told.kind !== "ok" && !(told.kind === "refused" && told.code === "leave-already")) return told;
  const until = later(options.clock.now(), apiLimits.lastWordMs);
  const isOff = await waitFor(options.clock, until, apiLimits.pollMs, () => !isNotOff(plan()));
  return isOff ? undefined : refuse("host-remove-still-goes-down", { host, seconds: apiLimits.lastWordMs / 1_000 });
}

function trouble({ code, params }: { readonly code: string; readonly params: object }, more = 0) {
  return { code, params: { ...params, more } };
}

import type { TakeoverOutput } from "../contract/takeover.ts";
import type { Answer } from "./ask.ts";
import { type ListenEnd, listenOnSocket } from "./listen.ts";
import type { ApiOptions } from "./options.ts";
import { type ApiRouter, createRouter } from "./router.ts";
import { sweepRegularly } from "./sweep.ts";
import { finishTakeover, takeOver } from "./takeover.ts";
import { trackContacts } from "./tracker.ts";

export type { ListenEnd } from "./listen.ts";
export type { ApiOptions } from "./options.ts";

export type Api = {
  readonly router: ApiRouter;
  /** S23: as an order would, by the word of the other one's device alone. */
  readonly takeOverByDevice: () => Promise<Answer<TakeoverOutput>>;
  /** S24: what an earlier process of this host has begun, and may be written to its end without a person. */
  readonly finishTakeover: () => Promise<Answer<TakeoverOutput> | undefined>;
  /** Serves on a unix socket (mode 0600). */
  readonly listen: (socket: string) => Promise<ListenEnd>;
  /** Ends its timers; a server that listens is closed by its own `close`. */
  readonly stop: () => void;
};

/** The API of one host. Reads come from the process's own view, changes are one guarded transaction each. */
export function createApi(options: ApiOptions): Api {
  const tracker = trackContacts(options.view, options.clock, options.self, options.heard, options.memberAnswers);
  const stopSweeping = sweepRegularly(options);
  const router = createRouter(options, tracker);
  return {
    router,
    takeOverByDevice: () => takeOver(options, { claim: "peer-is-off", byItself: true }),
    finishTakeover: () => finishTakeover(options),
    listen: (socket) => listenOnSocket(options, router, socket),
    stop: () => {
      tracker.stop();
      stopSweeping();
    },
  };
}

import { step } from "../heart/heart.ts";
import { type GuardCommand, type HeartConfig, type HeartEffect, type HeartEvent, start } from "../heart/state.ts";
import type { InstantMs, WallMs } from "../model/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { Guard, GuardListener, GuardName } from "../ports/guard.ts";
import type { HeartSays } from "../ports/heart.ts";
import type { AgentLine, IncarnationFile } from "../ports/heart-host.ts";
import type { Random } from "../ports/random.ts";
import type { Store } from "../ports/store.ts";
import { singleTimer } from "./single-timer.ts";

export type HeartPorts = {
  readonly clock: Clock;
  readonly store: Store;
  readonly random: Random;
  readonly file: IncarnationFile;
  readonly agents: AgentLine;
  /** Opens the lines to both guards; what they say comes to `listener` from now on, never from within a command. */
  readonly guards: (listener: GuardListener) => Readonly<Record<GuardName, Guard>>;
};

type Unstamped = HeartEvent extends infer E ? (E extends HeartEvent ? Omit<E, "at" | "wall"> : never) : never;

/** One heart at work. `stop` takes no further event; what runs on the host is the guards' business then. */
export interface RunningHeart {
  stop(): void;
  /** The newest word to the agent; null before the first. */
  says(): HeartSays | null;
}

/**
 * The loop: one event at a time, its effects begun in their order, their ends come back as events. `decide`: the step machine; the
 * simulator looks over its shoulder.
 */
export function runHeart(config: HeartConfig, ports: HeartPorts, decide: typeof step = step): RunningHeart {
  const { clock } = ports;
  let state = start(config, ports.file.read(), ports.random.hex(32), clock.now());
  let stopped = false;
  let busy = true; // until everything is wired
  const wake = singleTimer(clock, () => take({ kind: "tick" }));
  const waiting: Unstamped[] = [];

  // A port may answer from within the call: its event waits until the effects before it are begun.
  const take = (event: Unstamped): void => {
    if (stopped) return;
    waiting.push(event);
    if (busy) return;
    busy = true;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const result = decide(state, stamped(next, clock.now(), clock.wall()));
      state = result.state;
      for (const effect of result.effects) perform(effect);
    }
    busy = false;
  };

  const guards = ports.guards((name, says) => take({ kind: "guard", name, says }));
  const perform = (effect: HeartEffect): void => {
    switch (effect.kind) {
      case "guard":
        command(guards[effect.name], effect.command);
        break;
      case "snapshot":
        ports.store.snapshot(effect.prefix, (end) => take({ kind: "snapshot", ticket: effect.ticket, end }));
        break;
      case "commit":
        ports.store.commit(effect.transaction, effect.timeoutMs, (end) =>
          take({ kind: "commit", ticket: effect.ticket, end }),
        );
        break;
      case "write-incarnation":
        ports.file.write(effect.own, (written) =>
          take({ kind: "incarnation-written", ticket: effect.ticket, written }),
        );
        break;
      case "tell-agent":
        ports.agents.tell(effect.says);
        break;
      case "wake-at":
        wake(effect.at);
        break;
    }
  };

  ports.agents.listen((poolAgeMs) => take({ kind: "agent-alive", poolAgeMs }));
  busy = false;
  take({ kind: "tick" });
  return {
    stop: () => {
      stopped = true;
      wake(undefined);
    },
    says: () => state.told?.says ?? null,
  };
}

function stamped(event: Unstamped, at: InstantMs, wall: WallMs): HeartEvent {
  return { ...event, at, wall };
}

function command(guard: Guard, what: GuardCommand): void {
  switch (what.kind) {
    case "incarnation":
      guard.incarnation(what.incarnation);
      break;
    case "stamp":
      guard.stamp(what.stamp);
      break;
    case "committed":
      guard.committed(what.stamp);
      break;
    case "freeze":
      guard.freeze();
      break;
  }
}

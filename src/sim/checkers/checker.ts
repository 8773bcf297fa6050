import type { step as stepHeart } from "../../heart/heart.ts";
import type { VmExit } from "../../model/records.ts";
import type { Transaction } from "../../model/transaction.ts";
import type { GuardName } from "../../ports/guard.ts";
import type { VmRun } from "../../ports/hypervisor.ts";
import type { DaemonSteps } from "../../runtime/daemon.ts";
import type { Copy, ProcessName, SimHost } from "../world/host.ts";
import type { Life } from "../world/process.ts";
import type { Written } from "../world/truth.ts";

export type Violation = { readonly rule: string; readonly text: string; readonly atMs: number };

/** Who asked the store; null: the world itself. */
export type Writer = { readonly host: SimHost; readonly process: ProcessName; readonly life: Life };

/**
 * Watches the ground truth and knows nothing of how the product decides. Every hook is called right when it happens;
 * `afterEvent` after every event of the scheduler, `audit` every 20 ms of virtual time.
 */
export type Checker = {
  /** The rule of docs/RULES.md that it watches. */
  readonly rule: string;
  /** A record was written or deleted; any but a heartbeat, which four in five are. */
  readonly committed?: (written: Written, writer: Writer | null) => void;
  /** A heartbeat was. */
  readonly beats?: (written: Written, writer: Writer | null) => void;
  readonly stamped?: (host: SimHost, heart: Life, guard: GuardName, stamp: number) => void;
  readonly starting?: (copy: Copy) => void;
  readonly adopting?: (copy: Copy, as: VmRun) => void;
  readonly ended?: (copy: Copy, exit: VmExit) => void;
  /** A write that was under way before a freeze reaches the disk. */
  readonly landed?: (copy: Copy) => void;
  /** A guard opens its level now. */
  readonly thawing?: (host: SimHost, guard: GuardName) => void;
  /** A guard's level of this host was frozen or thawed. */
  readonly levels?: (host: SimHost, before: ReadonlySet<GuardName>, after: ReadonlySet<GuardName>) => void;
  readonly asked?: (writer: Writer, transaction: Transaction, by: 1 | -1) => void;
  /** The store refuses a transaction: a compare of it did not hold. */
  readonly refused?: (writer: Writer, transaction: Transaction) => void;
  /** A process hears the store: a change that was committed, or that its own commit was. */
  readonly heard?: (life: Life, by: "watch" | "commit") => void;
  /** An image is gone from a local pool of this host. */
  readonly imageGone?: (host: SimHost, volume: string) => void;
  readonly powerOffAsked?: (target: string) => void;
  readonly afterEvent?: () => void;
  readonly audit?: () => void;
};

/** Who is to be called at each hook: dozens of checkers watch, and few of them any one thing. */
export type Hooks = { readonly [K in keyof Omit<Checker, "rule">]-?: readonly NonNullable<Checker[K]>[] };

export function hooksOf(checkers: readonly Checker[]): Hooks {
  const of = <K extends keyof Hooks>(hook: K): Hooks[K] => checkers.flatMap((one) => one[hook] ?? []) as never;
  return {
    committed: of("committed"),
    beats: of("beats"),
    stamped: of("stamped"),
    starting: of("starting"),
    adopting: of("adopting"),
    ended: of("ended"),
    landed: of("landed"),
    thawing: of("thawing"),
    levels: of("levels"),
    asked: of("asked"),
    refused: of("refused"),
    heard: of("heard"),
    imageGone: of("imageGone"),
    powerOffAsked: of("powerOffAsked"),
    afterEvent: of("afterEvent"),
    audit: of("audit"),
  };
}

export type Fail = (text: string) => void;
/** Looks over the shoulder of the step machines, after their decisions. */
export type StepChecks = {
  readonly forDaemon: (host: SimHost) => DaemonSteps;
  readonly forHeart: (host: SimHost) => typeof stepHeart;
};

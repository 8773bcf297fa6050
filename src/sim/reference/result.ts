// What a run came to, in the shape that a scenario file's `expect` has.

export type ServiceTransition = {
  readonly t: number;
  readonly sid: string;
  /** Null: the service was added; `to` null: it was taken away. */
  readonly from: string | null;
  readonly to: string | null;
  readonly node: string | null;
  readonly target?: string;
  readonly by: string | null;
  readonly cause?: "disarm";
};

export type NodeTransition = {
  readonly t: number;
  readonly node: string;
  readonly from: string;
  readonly to: string;
  readonly by: string | null;
};

export type FencingEntry = {
  readonly node: string;
  readonly requestedAt: number;
  acknowledgedAt: number | null;
  readonly by: string | null;
};

export type HardwareTransition = {
  readonly t: number;
  readonly node: string;
  readonly daemon: "hardware";
  readonly from: null;
  readonly to: "power-off" | "power-on";
  readonly cause: "watchdog" | "shutdown" | "reboot";
};

export type ActionName =
  | "start.begin"
  | "start.ok"
  | "start.fail"
  | "start.retry"
  | "start.giveup"
  | "stop.begin"
  | "stop.ok"
  | "stop.fail"
  | "move.begin"
  | "move.ok"
  | "move.fail"
  | "locked"
  | "error.reported";

export type Action = {
  readonly t: number;
  readonly node: string;
  readonly sid: string;
  readonly action: ActionName;
  readonly target?: string;
  readonly how?: "migrate" | "relocate";
};

export type FinalService = {
  readonly requested: string | null;
  readonly managed: boolean;
  readonly state: string | null;
  readonly node: string | null;
  readonly configNode: string | null;
  readonly runningOn: readonly string[];
};

export type FinalNode = { readonly managerView: string; readonly power: "on" | "off"; readonly network: "on" | "off" };

/** A decision as the product told it: its code, its rule, and what it was about. */
export type TakenDecision = {
  readonly t: number;
  readonly kind: string;
  readonly rule: string;
  readonly sid?: string;
  readonly node?: string;
  readonly because?: string;
};

/** A step of a path: what, where, and where to. */
export type PathStep = readonly [what: string | null, node: string | null, target: string | null];

export type Outcome = {
  readonly fencedNodes: readonly string[];
  readonly watchdogResetNodes: readonly string[];
  readonly placement: Readonly<
    Record<
      string,
      { readonly state: string | null; readonly node: string | null; readonly runningOn: readonly string[] }
    >
  >;
  readonly servicePaths: Readonly<Record<string, readonly PathStep[]>>;
  readonly actionPaths: Readonly<Record<string, readonly PathStep[]>>;
};

export type HaResult = {
  readonly name: string;
  readonly endTime: number;
  readonly aborted: string | null;
  readonly serviceTransitions: readonly ServiceTransition[];
  readonly nodeTransitions: readonly NodeTransition[];
  readonly fencing: readonly FencingEntry[];
  readonly watchdogResets: readonly { readonly t: number; readonly node: string }[];
  readonly daemonTransitions: readonly HardwareTransition[];
  readonly actions: readonly Action[];
  readonly decisions: readonly TakenDecision[];
  readonly final: {
    readonly services: Readonly<Record<string, FinalService>>;
    readonly nodes: Readonly<Record<string, FinalNode>>;
    readonly manager: string | null;
  };
  readonly invariants: {
    readonly neverTwoNodes: boolean;
    readonly violations: readonly { readonly t: number; readonly rule: string; readonly text: string }[];
  };
  readonly outcome: Outcome;
};

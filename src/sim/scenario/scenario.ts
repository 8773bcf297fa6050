import type { Scheduler } from "../../model/policy.ts";
import type { Pool, RequestedState } from "../../model/records.ts";
import type { PlannedGroup, ProfileName, WorldPlan } from "../plan.ts";
import type { SimCpu } from "../world/processors.ts";

/** A VM of a story: where it runs when the story begins; without a host the manager places it. */
export type StoryVm = {
  readonly name: string;
  readonly host: string | undefined;
  readonly pool: string;
  readonly memoryMiB: number;
  readonly requested: RequestedState;
  readonly maxRestart: number;
  readonly maxRelocate: number;
  readonly failback: boolean;
  readonly startPriority: number;
  /** Milliseconds. */
  readonly startDelayMs: number;
  /** Undefined: the most that there is. */
  readonly cpuModel?: string;
  /** One where it is not said. */
  readonly disks?: number;
};

export type StoryCluster = {
  /** Always h1, h2, …; the last may be a witness. */
  readonly hosts: number;
  readonly witness: boolean;
  readonly voters: number;
  readonly profile: ProfileName;
  /** Hosts whose guards and heart hold to another profile than the manager's (S7). */
  readonly hostProfiles: Readonly<Record<string, ProfileName>>;
  /** Processors of hosts, where their QEMUs were asked. */
  readonly hostCpus: Readonly<Record<string, SimCpu>>;
  readonly accel: "kvm" | "tcg";
  /** Who holds the office, and who leads the store, when the story begins. */
  readonly manager: string;
  readonly storeLeader: string;
  /** What VMs may use of each host. */
  readonly memoryMiB: number;
  readonly devices: boolean;
  /** By which figures hosts are compared, and whether a VM that is started looks for the best one. */
  readonly scheduler: Scheduler["mode"];
  readonly rebalanceOnStart: boolean;
  /** Hosts are kept even, as the policy has it by default where that is asked for. */
  readonly autoRebalance: boolean;
  /** Which limits of the guarantee the story goes beyond: what is lost is told in its trace. */
  readonly outside: WorldPlan["outside"];
  readonly pools: readonly { readonly name: string; readonly kind: Pool["kind"] }[];
  readonly vms: readonly StoryVm[];
  readonly groups: readonly PlannedGroup[];
};

/** `at 20s cut h1 for 5s`: what happens, in the words of phrases.ts. */
export type StoryStep = {
  readonly line: number;
  readonly atMs: number;
  readonly words: readonly string[];
  readonly forMs: number | undefined;
};

/** One file of test/scenarios, read. */
export type Scenario = {
  readonly name: string;
  readonly why: string;
  readonly rules: readonly string[];
  /** Played in the lab, too. */
  readonly lab: boolean;
  readonly cluster: StoryCluster;
  readonly steps: readonly StoryStep[];
  readonly untilMs: number;
  /** Everything above the expectation, as it stands in the file. */
  readonly head: string;
  /** Undefined: the file has none yet. */
  readonly expected: string | undefined;
};

/** What is wrong with a file, and where. */
export type ScenarioProblem = { readonly line: number; readonly message: string };
export type Parsed =
  | { readonly kind: "scenario"; readonly scenario: Scenario }
  | { readonly kind: "unreadable"; readonly problems: readonly ScenarioProblem[] };

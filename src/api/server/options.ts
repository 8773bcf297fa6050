import type { Contacts } from "../../core/contact.ts";
import type { CopyHere } from "../../core/copies-here.ts";
import type { Standstill } from "../../core/standstill.ts";
import type { HostId, InstantMs } from "../../model/ids.ts";
import type { ClusterView } from "../../model/view.ts";
import type { Clock } from "../../ports/clock.ts";
import type { CommitWithEvents } from "../../ports/committer.ts";
import type { Volumes } from "../../ports/hypervisor.ts";
import type { Journal } from "../../ports/journal.ts";
import type { Links } from "../../ports/links.ts";
import type { Random } from "../../ports/random.ts";
import type { Store } from "../../ports/store.ts";
import type { TakeoverMeans } from "./takeover-means.ts";

/** What the process's own loop has noted; without it the view is looked at every `trackMs`. */
export type Heard = {
  readonly heardAt: () => InstantMs;
  readonly contacts: () => Contacts;
  /** Whether this host's own VMs stand still, by its heart's word. */
  readonly standstill: () => Standstill | undefined;
  /** What this host's agent knows of its copies that no record says; without it: nothing. */
  readonly copiesHere?: () => readonly CopyHere[];
};

export type ApiOptions = {
  /** This process's own view, kept current by its runtime; at revision 0 it was never read. */
  readonly view: () => ClusterView;
  readonly store: Store;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly random: Random;
  /** This host's pools. Without it a deleted VM's images stay, and the answer says so. */
  readonly volumes?: Volumes | undefined;
  readonly self: HostId;
  readonly version: string;
  /** Commits together with the events that tell of it (runtime/committer.ts). Without it no event is written. */
  readonly commit?: CommitWithEvents | undefined;
  /** When what was received, by the process's own loop; without it: when the view was seen to change. */
  readonly heard?: Heard | undefined;
  /** Without it this host cannot go on alone where most members are off. */
  readonly takeover?: TakeoverMeans | undefined;
  /** Without it an order to move a guest is not held against how the links are. */
  readonly links?: Links | undefined;
  /** The addresses of the members of the store that this host asks. */
  readonly storeAddresses?: readonly string[] | undefined;
  /** Whether the store's member at one of these addresses answers this host; undefined: it is not known. */
  readonly memberAnswers?: ((addresses: readonly string[]) => boolean | undefined) | undefined;
  /** Gets one line for each failure that is this program's own mistake. */
  readonly log?: ((line: string) => void) | undefined;
};

/** Bounds of the waits. Nothing here decides about a VM: they only say how long a person waits for an answer. */
export const apiLimits = {
  /** One commit or read; the store's own client fails over between members within this. */
  storeMs: 5_000,
  /** One commit: the committer insists for 10 s on an outcome that it does not know. */
  commitMs: 12_000,
  /** Making or removing one image. */
  volumeMs: 60_000,
  /** All attempts of one request. */
  requestMs: 20_000,
  /** For the view to reach a revision that was read or written: a watch delivers within milliseconds. */
  viewMs: 2_000,
  attempts: 5,
  /** For an agent to answer an intent. */
  intentMs: 20_000,
  /** For a host without VMs to go down in order. */
  lastWordMs: 30_000,
  linksMs: 3_000,
  /** A host that has not been heard for so long has missed a heartbeat, and may be gone. */
  missedBeatMs: 1_500,
  pollMs: 10,
  followMs: 150,
  trackMs: 500,
  /** A view in which nothing has changed for so long is not a ground to call a host silent: heartbeats change it. */
  staleMs: 3_000,
  /** Beyond D + M: a host that is silent for longer has VMs that stand still, and no fence has come of it. */
  lostAfterMs: 1_000,
  sweepMs: 3_600_000,
  keepMs: 86_400_000,
} as const;

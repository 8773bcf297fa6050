import type { HostId } from "../../model/ids.ts";
import type { Params } from "../../model/reason.ts";
import type { StoreMember, StoreMembership } from "./membership.ts";

/** A host that left the cluster, and whose member has to leave the store. */
export type Departure = { readonly host: HostId; readonly addresses: readonly string[] };

export type Departing = {
  readonly membership: Pick<StoreMembership, "list" | "remove">;
  /** Only the active manager's host takes members out. */
  readonly isMine: () => boolean;
  readonly due: () => readonly Departure[];
  /** As the store itself says at this moment: its member still has to leave, and this host manages. */
  readonly isStillDue: (host: HostId) => Promise<boolean>;
  /** Its member is none any more. */
  readonly left: (host: HostId) => void;
  readonly log: (code: string, params: Params) => void;
};

const everyMs = 1_000;

/** Takes the members of removed hosts out of the store (HM7). Cut off anywhere, the next look finishes it. Returns the stop. */
export function keepDeparting(departing: Departing): () => void {
  let working = false;
  const timer = setInterval(() => {
    const [next] = departing.due();
    if (working || next === undefined || !departing.isMine()) return;
    working = true;
    void departOnce(departing, next).finally(() => {
      working = false;
    });
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** One look; exported for tests. */
export async function departOnce(
  { membership, isStillDue, left, log }: Departing,
  departure: Departure,
): Promise<void> {
  const { host } = departure;
  const listed = await membership.list();
  if (listed.kind === "unknown") return log("store-member-not-removed", { host, cause: listed.cause });
  const own = listed.value.filter((member) => isOf(member, departure));
  for (const { id } of own) {
    // Asked after the list: a member of a host that was taken back is either none of these, or the answer is no.
    if (!(await isStillDue(host))) return;
    // Refused by the store itself where it would lose its majority by it.
    const end = await membership.remove(id);
    if (end.kind === "unknown") return log("store-member-not-removed", { host, cause: end.cause });
  }
  left(host);
}

/** One that was never started has no name. */
function isOf({ name, peerUrls }: StoreMember, { host, addresses }: Departure): boolean {
  return name === host || peerUrls.some((url) => addresses.includes(new URL(url).hostname.replaceAll(/[[\]]/gu, "")));
}

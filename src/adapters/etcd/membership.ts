import { finished, hexId, type MaintenanceEnd } from "./maintenance.ts";
import type { Pool } from "./pool.ts";
import { type MemberMessage, rpc } from "./rpc.ts";

export type StoreMember = {
  /** Hexadecimal, as etcd's tools print it. */
  readonly id: string;
  /** Empty until the member was started for the first time. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly learner: boolean;
};

/**
 * Who votes. Right after a promotion etcd refuses changes for some seconds ("unhealthy cluster"), and a learner cannot be
 * promoted before it has caught up: both end as `unknown` with that cause, and are to be tried again.
 */
export interface StoreMembership {
  list(): Promise<MaintenanceEnd<readonly StoreMember[]>>;
  /** As a learner: it votes only after `promote`, so that a member that never starts costs no quorum. */
  addLearner(peerUrl: string): Promise<MaintenanceEnd<StoreMember | null>>;
  promote(id: string): Promise<MaintenanceEnd<null>>;
  remove(id: string): Promise<MaintenanceEnd<null>>;
}

export function createMembership(pool: Pool): StoreMembership {
  return {
    list: () => finished(pool, rpc.memberList, {}, (answer) => answer.members.map(storeMember)),
    addLearner: (peerUrl) =>
      finished(pool, rpc.memberAdd, { peerUrls: [peerUrl], isLearner: true }, readMember, "never-taken"),
    promote: (id) => finished(pool, rpc.memberPromote, { id: decimalId(id) }, () => null, "never-taken"),
    remove: (id) => finished(pool, rpc.memberRemove, { id: decimalId(id) }, () => null, "never-taken"),
  };
}

function readMember({ member }: { member: MemberMessage | null }): StoreMember | null {
  return member === null ? null : storeMember(member);
}

function decimalId(hex: string): string {
  return BigInt(`0x${hex}`).toString();
}

function storeMember(member: MemberMessage): StoreMember {
  const { id, name, peerUrls, clientUrls, isLearner } = member;
  return { id: hexId(id), name, peerUrls, clientUrls, learner: isLearner };
}

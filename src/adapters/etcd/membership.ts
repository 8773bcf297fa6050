import type { CallEnd } from "./endpoint.ts";
import { causeOf } from "./failure.ts";
import { limits } from "./limits.ts";
import { finished, hexId, type MaintenanceEnd } from "./maintenance.ts";
import type { Pool } from "./pool.ts";
import { type MemberMessage, type Method, rpc } from "./rpc.ts";

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
  /** As the first endpoint's own member has it, after it has caught up with what its majority has decided. */
  ownList(): Promise<MaintenanceEnd<readonly StoreMember[]>>;
  /** As a learner: it votes only after `promote`, so that a member that never starts costs no quorum. */
  addLearner(peerUrl: string): Promise<MaintenanceEnd<StoreMember | null>>;
  promote(id: string): Promise<MaintenanceEnd<null>>;
  remove(id: string): Promise<MaintenanceEnd<null>>;
}

export function createMembership(pool: Pool): StoreMembership {
  return {
    list: () => finished(pool, rpc.memberList, {}, (answer) => answer.members.map(storeMember)),
    ownList: () => ownList(pool),
    addLearner: (peerUrl) =>
      finished(pool, rpc.memberAdd, { peerUrls: [peerUrl], isLearner: true }, readMember, "never-taken"),
    promote: (id) => finished(pool, rpc.memberPromote, { id: decimalId(id) }, () => null, "never-taken"),
    remove: (id) => finished(pool, rpc.memberRemove, { id: decimalId(id) }, () => null, "never-taken"),
  };
}

/** etcd 3.4 answers with what the asked member has applied: a read through its majority before it makes that true. */
async function ownList(pool: Pool): Promise<MaintenanceEnd<readonly StoreMember[]>> {
  const [own] = pool.endpoints;
  if (own === undefined || !own.ready()) return { kind: "unknown", cause: `not-connected: ${own?.trouble()}` };
  const ask = <Request, Response>(method: Method<Request, Response>, request: Request) =>
    new Promise<CallEnd<Response>>((resolve) => own.ask(method, request, limits.maintenanceMs, resolve));
  const read = await ask(rpc.range, { key: "/", limit: 1 });
  if (read.kind === "failed") return { kind: "unknown", cause: causeOf(read.failure) };
  const listed = await ask(rpc.memberList, {});
  if (listed.kind === "failed") return { kind: "unknown", cause: causeOf(listed.failure) };
  return { kind: "done", value: listed.response.members.map(storeMember) };
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

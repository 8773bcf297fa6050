import type { Revision } from "../../model/ids.ts";
import type { CallEnd, Endpoint } from "./endpoint.ts";
import { causeOf } from "./failure.ts";
import { limits } from "./limits.ts";
import type { Pool, Repeat } from "./pool.ts";
import { type AlarmKind, type Method, rpc } from "./rpc.ts";

export type MaintenanceEnd<Value> =
  | { readonly kind: "done"; readonly value: Value }
  | { readonly kind: "unknown"; readonly cause: string };

export type MemberHealth =
  | {
      readonly kind: "answered";
      readonly endpoint: string;
      /** etcd's member id, hexadecimal as its tools print it. */
      readonly memberId: string;
      readonly version: string;
      readonly dbBytes: number;
      readonly dbUsedBytes: number;
      /** False also where the member knows no leader. */
      readonly leads: boolean;
      readonly knowsLeader: boolean;
      readonly learner: boolean;
      readonly revision: Revision;
    }
  | { readonly kind: "silent"; readonly endpoint: string; readonly cause: string };

export type Alarm = { readonly memberId: string; readonly alarm: AlarmKind };

/** S22's work, one step at a time: the caller decides when, and that never two members are defragmented at once. */
export interface StoreMaintenance {
  /** Each member as it sees itself, in the order of the endpoints. Never fails as a whole. */
  health(): Promise<readonly MemberHealth[]>;
  alarms(): Promise<MaintenanceEnd<readonly Alarm[]>>;
  /** Forgets the history before `revision`. Doing it twice is harmless and counts as done. */
  compact(revision: Revision): Promise<MaintenanceEnd<null>>;
  /** Gives the free space of one member back. The member serves nobody meanwhile: the leader comes last. */
  defragment(endpoint: string): Promise<MaintenanceEnd<null>>;
  /**
   * Where the store's leader is a member that `away` names: makes the member that knows most of the others the leader.
   * `value`: its endpoint; null: nothing was to be done, or no other member could lead.
   */
  moveLeader(away: (endpoint: string) => boolean): Promise<MaintenanceEnd<string | null>>;
  /** Lifts NOSPACE wherever it is raised. Only after compaction and defragmentation: it comes back at once otherwise. */
  disarmNoSpace(): Promise<MaintenanceEnd<null>>;
}

export function createMaintenance(pool: Pool): StoreMaintenance {
  const alarms = () =>
    finished(pool, rpc.alarm, { action: "GET", memberId: "0", alarm: "NONE" }, (answer): readonly Alarm[] =>
      answer.alarms.map(({ memberId, alarm }) => ({ memberId: hexId(memberId), alarm })),
    );
  return {
    health: () => Promise.all(pool.endpoints.map(healthOf)),
    alarms,
    async compact(revision) {
      const end = await finished(pool, rpc.compact, { revision: String(revision), physical: true }, () => null);
      return end.kind === "unknown" && end.cause.startsWith("compacted") ? { kind: "done", value: null } : end;
    },
    defragment: (endpoint) => defragment(pool, endpoint),
    moveLeader: (away) => moveLeader(pool, away),
    async disarmNoSpace() {
      const raised = await alarms();
      if (raised.kind === "unknown") return raised;
      for (const { memberId, alarm } of raised.value) {
        if (alarm !== "NOSPACE") continue;
        const request = { action: "DEACTIVATE", memberId: BigInt(`0x${memberId}`).toString(), alarm } as const;
        const end = await finished(pool, rpc.alarm, request, () => null);
        if (end.kind === "unknown") return end;
      }
      return { kind: "done", value: null };
    },
  };
}

/** etcd's ids are 64 bits, unsigned: decimal on the wire of this client, hexadecimal for people. */
export function hexId(id: string): string {
  return BigInt(id).toString(16);
}

export function finished<Request, Response, Value>(
  pool: Pool,
  method: Method<Request, Response>,
  request: Request,
  read: (response: Response) => Value,
  repeat: Repeat = "always",
): Promise<MaintenanceEnd<Value>> {
  return new Promise((resolve) => {
    const times = { timeoutMs: limits.maintenanceMs, attemptMs: limits.maintenanceMs / 2, repeat };
    pool.call(method, request, times, (end) => resolve(ended(end, read)));
  });
}

function ended<Response, Value>(end: CallEnd<Response>, read: (response: Response) => Value): MaintenanceEnd<Value> {
  return end.kind === "answer"
    ? { kind: "done", value: read(end.response) }
    : { kind: "unknown", cause: causeOf(end.failure) };
}

function healthOf(endpoint: Endpoint): Promise<MemberHealth> {
  const { address } = endpoint;
  return new Promise((resolve) => {
    if (!endpoint.ready())
      return resolve({ kind: "silent", endpoint: address, cause: `not-connected: ${endpoint.trouble()}` });
    endpoint.ask(rpc.status, {}, limits.probeMs, (end) => {
      if (end.kind === "failed") return resolve({ kind: "silent", endpoint: address, cause: causeOf(end.failure) });
      const { header, version, dbSize, dbSizeInUse, leader, isLearner } = end.response;
      resolve({
        kind: "answered",
        endpoint: address,
        memberId: hexId(header?.memberId ?? "0"),
        version,
        dbBytes: Number(dbSize),
        dbUsedBytes: Number(dbSizeInUse),
        leads: leader !== "0" && leader === header?.memberId,
        knowsLeader: leader !== "0",
        learner: isLearner,
        revision: Number(header?.revision ?? 0) as Revision,
      });
    });
  });
}

function defragment(pool: Pool, address: string): Promise<MaintenanceEnd<null>> {
  const endpoint = pool.endpoints.find((each) => each.address === address);
  return new Promise((resolve) => {
    if (endpoint === undefined) return resolve({ kind: "unknown", cause: `invalid: no endpoint ${address}` });
    if (!endpoint.ready()) return resolve({ kind: "unknown", cause: `not-connected: ${endpoint.trouble()}` });
    endpoint.ask(rpc.defragment, {}, limits.defragmentMs, (end) => resolve(ended(end, () => null)));
  });
}

async function moveLeader(pool: Pool, away: (endpoint: string) => boolean): Promise<MaintenanceEnd<string | null>> {
  const members = (await Promise.all(pool.endpoints.map(healthOf))).filter((member) => member.kind === "answered");
  const leader = members.find(({ leads }) => leads);
  const [next] = members
    .filter(({ endpoint, leads, learner, knowsLeader }) => !leads && !learner && knowsLeader && !away(endpoint))
    .sort((a, b) => b.revision - a.revision);
  const endpoint = pool.endpoints.find(({ address }) => address === leader?.endpoint);
  if (leader === undefined || next === undefined || endpoint === undefined || !away(leader.endpoint))
    return { kind: "done", value: null };
  const request = { targetId: BigInt(`0x${next.memberId}`).toString() };
  return new Promise((resolve) => {
    endpoint.ask(rpc.moveLeader, request, limits.maintenanceMs, (end) => resolve(ended(end, () => next.endpoint)));
  });
}

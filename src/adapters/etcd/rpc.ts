import { fileURLToPath } from "node:url";
import { loadSync, type MethodDefinition } from "@grpc/proto-loader";
import { must } from "../../base/assert.ts";

// The messages of rpc.proto as they stand after decoding: 64-bit numbers are decimal strings (they do not fit a double),
// enums are their names, absent fields have their defaults, an absent message is null.

export type Header = { readonly revision: string };
export type KeyValue = {
  readonly key: string;
  readonly modRevision: string;
  readonly value: string;
};

export type RangeRequest = {
  key: string;
  rangeEnd?: string;
  limit?: number;
  countOnly?: boolean;
  serializable?: boolean;
};
export type RangeResponse = { header: Header | null; kvs: readonly KeyValue[] };

export type CompareMessage = {
  result: "EQUAL";
  target: "CREATE" | "MOD";
  key: string;
  createRevision?: string;
  modRevision?: string;
};
export type RequestOp =
  | { requestRange: RangeRequest }
  | { requestPut: { key: string; value: string } }
  | { requestDeleteRange: { key: string } };
export type TxnRequest = { compare: CompareMessage[]; success: RequestOp[]; failure: RequestOp[] };
export type TxnResponse = {
  header: Header | null;
  succeeded: boolean;
  responses: readonly { readonly responseRange?: { readonly kvs: readonly KeyValue[] } | null }[];
};

export type WatchRequest =
  | { createRequest: { key: string; rangeEnd: string; startRevision: string } }
  | { progressRequest: Record<string, never> };
export type WatchResponse = {
  readonly header: Header | null;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compactRevision: string;
  readonly cancelReason: string;
  readonly fragment: boolean;
  readonly events: readonly { readonly type: "PUT" | "DELETE"; readonly kv: KeyValue }[];
};

export type AlarmKind = "NOSPACE" | "CORRUPT";
export type AlarmRequest = { action: "GET" | "DEACTIVATE"; memberId: string; alarm: "NONE" | AlarmKind };
export type AlarmResponse = { readonly alarms: readonly { readonly memberId: string; readonly alarm: AlarmKind }[] };
export type StatusResponse = {
  readonly header: (Header & { readonly memberId: string }) | null;
  readonly version: string;
  readonly dbSize: string;
  readonly dbSizeInUse: string;
  /** "0" where the member knows no leader. */
  readonly leader: string;
  readonly isLearner: boolean;
};
export type MemberMessage = {
  readonly id: string;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
};

/** What a call needs of a method: its path and the two codecs. */
export type Method<Request, Response> = {
  readonly path: string;
  readonly encode: (request: Request) => Buffer;
  readonly decode: (bytes: Buffer) => Response;
};

const definitions = loadSync(fileURLToPath(new URL("rpc.proto", import.meta.url)), {
  longs: String,
  enums: String,
  defaults: true,
});

function method<Request, Response>(service: string, name: string): Method<Request, Response> {
  const methods = definitions[`etcdserverpb.${service}`] as
    | Record<string, MethodDefinition<object, object>>
    | undefined;
  const found = must(methods?.[name], `Cannot find ${service}.${name} in rpc.proto`);
  // The types above are rpc.proto written a second time; the contract suite on a real etcd keeps the two together.
  return {
    path: found.path,
    encode: found.requestSerialize as (request: unknown) => Buffer,
    decode: found.responseDeserialize as (bytes: Buffer) => unknown as (bytes: Buffer) => Response,
  };
}

type Empty = Record<string, never>;

export const rpc = {
  range: method<RangeRequest, RangeResponse>("KV", "Range"),
  txn: method<TxnRequest, TxnResponse>("KV", "Txn"),
  compact: method<{ revision: string; physical: boolean }, object>("KV", "Compact"),
  watch: method<WatchRequest, WatchResponse>("Watch", "Watch"),
  alarm: method<AlarmRequest, AlarmResponse>("Maintenance", "Alarm"),
  status: method<Empty, StatusResponse>("Maintenance", "Status"),
  defragment: method<Empty, object>("Maintenance", "Defragment"),
  moveLeader: method<{ targetId: string }, object>("Maintenance", "MoveLeader"),
  memberAdd: method<{ peerUrls: string[]; isLearner: boolean }, { member: MemberMessage | null }>(
    "Cluster",
    "MemberAdd",
  ),
  memberRemove: method<{ id: string }, object>("Cluster", "MemberRemove"),
  memberList: method<Empty, { members: readonly MemberMessage[] }>("Cluster", "MemberList"),
  memberPromote: method<{ id: string }, object>("Cluster", "MemberPromote"),
} as const;

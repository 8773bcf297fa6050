import type { Revision, StoreKey } from "../../model/ids.ts";
import type { CommitEnd, Compare, StoredValue, Transaction } from "../../ports/store.ts";
import type { CompareMessage, KeyValue, RequestOp, TxnRequest, TxnResponse } from "./rpc.ts";

/** etcd's request for a transaction: where a compare fails it reads all compared keys at that same moment. */
export function txnRequest(root: string, transaction: Transaction): TxnRequest {
  const compared = new Set(transaction.compares.map((compare) => compare.key));
  return {
    compare: transaction.compares.map((compare) => compareMessage(root, compare)),
    success: transaction.writes.map(
      (write): RequestOp =>
        write.kind === "put"
          ? { requestPut: { key: root + write.key, value: write.text } }
          : { requestDeleteRange: { key: root + write.key } },
    ),
    failure: [...compared].map((key): RequestOp => ({ requestRange: { key: root + key } })),
  };
}

function compareMessage(root: string, compare: Compare): CompareMessage {
  const key = root + compare.key;
  if (compare.kind === "absent") return { result: "EQUAL", target: "CREATE", key, createRevision: "0" };
  return { result: "EQUAL", target: "MOD", key, modRevision: String(compare.revision) };
}

export function commitEnd(root: string, response: TxnResponse): CommitEnd {
  const revision = Number(response.header?.revision ?? 0) as Revision;
  if (response.succeeded) return { kind: "committed", revision };
  const found = response.responses.flatMap((each) =>
    (each.responseRange?.kvs ?? []).map((kv) => storedValue(root, kv)),
  );
  return { kind: "refused", found, revision };
}

export function storedValue(root: string, kv: KeyValue): StoredValue {
  return { key: kv.key.slice(root.length) as StoreKey, text: kv.value, revision: Number(kv.modRevision) as Revision };
}

/** The end of the range of all keys that start with `prefix`; a prefix ends in a slash, whose successor is one code unit. */
export function rangeEnd(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}

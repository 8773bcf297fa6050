import { describe, expect, test } from "vitest";
import type { ClusterId, Revision, StoreKey } from "../../model/ids.ts";
import { failureOf } from "./failure.ts";
import { etcdArguments, freshCluster, type StoreMemberSpec } from "./member.ts";
import { addressOf } from "./pool.ts";
import { commitEnd, rangeEnd, txnRequest } from "./transaction.ts";

describe("failureOf()", () => {
  test.each([
    [14, "etcdserver: no leader", "not-taken", "no-leader"],
    [2, "raft proposal dropped", "not-taken", "no-leader"],
    [8, "etcdserver: too many requests", "not-taken", "busy"],
    [14, "No connection established. Last error: Error: connect ECONNREFUSED", "not-taken", "not-connected"],
    [8, "etcdserver: mvcc: database space exceeded", "rejected", "no-space"],
    [11, "etcdserver: mvcc: required revision has been compacted", "rejected", "compacted"],
    [7, "etcdserver: permission denied", "rejected", "denied"],
    [3, "etcdserver: duplicate key given in txn request", "rejected", "invalid"],
  ])("%i %s is proven: %s, %s", (code, detail, kind, word) => {
    expect(failureOf(code, detail)).toEqual({ kind, word, detail });
  });

  // facts/etcd.md: each of these may have happened, or may yet happen.
  test.each([
    [14, "Connection dropped", "unavailable"],
    [14, "read ECONNRESET", "unavailable"],
    [14, "etcdserver: request timed out, possibly due to previous leader failure", "timeout"],
    [14, "etcdserver: leader changed", "unavailable"],
    [4, "Deadline exceeded after 0.9s", "timeout"],
    [1, "Call cancelled", "unavailable"],
    [13, "Received RST_STREAM with code 2", "internal"],
    [2, "context deadline exceeded", "timeout"],
    [2, "something never seen", "internal"],
    [8, "Received message larger than max", "busy"],
    [99, "", "internal"],
  ])("%i %s is unknown: %s", (code, detail, word) => {
    expect(failureOf(code, detail)).toEqual({ kind: "unknown", word, detail });
  });
});

describe("addressOf()", () => {
  test("takes an address with a port, with and without the scheme", () => {
    expect(addressOf("https://10.0.0.1:2379")).toEqual({ address: "10.0.0.1:2379", host: "10.0.0.1" });
    expect(addressOf("https://[fd00::1]:2379/")).toEqual({ address: "[fd00::1]:2379", host: "fd00::1" });
    expect(addressOf("h1.example:2379")).toEqual({ address: "h1.example:2379", host: "h1.example" });
  });

  test.each(["", "10.0.0.1", "http://10.0.0.1:2379", "fd00::1:2379", "https://h1:port"])("refuses %j", (endpoint) => {
    expect(() => addressOf(endpoint)).toThrow(/expected https:\/\/HOST:PORT/u);
  });
});

describe("transactions on the wire", () => {
  const k = "/hb/h1/1/" as StoreKey;

  test("a failed compare reads every compared key once", () => {
    const request = txnRequest("/holdfast/c", {
      compares: [
        { kind: "absent", key: k },
        { kind: "revision", key: "/hosts/h1/" as StoreKey, revision: 7 as Revision },
        { kind: "revision", key: "/hosts/h1/" as StoreKey, revision: 7 as Revision },
      ],
      writes: [],
    });
    expect(request.failure).toEqual([
      { requestRange: { key: "/holdfast/c/hb/h1/1/" } },
      { requestRange: { key: "/holdfast/c/hosts/h1/" } },
    ]);
  });

  test("an answer loses the cluster's root", () => {
    const kv = { key: `/holdfast/c${k}`, modRevision: "4", value: "v" };
    const header = { revision: "9" };
    expect(
      commitEnd("/holdfast/c", { header, succeeded: false, responses: [{ responseRange: { kvs: [kv] } }] }),
    ).toEqual({
      kind: "refused",
      found: [{ key: k, text: "v", revision: 4 }],
      revision: 9,
    });
  });

  test("a prefix ends before its successor", () => {
    expect(rangeEnd("/hb/h1/")).toBe("/hb/h10");
  });
});

describe("etcdArguments()", () => {
  const spec = (name: string, address: string): StoreMemberSpec => ({
    name,
    cluster: "c-1" as ClusterId,
    address,
    clientPort: 2379,
    peerPort: 2380,
    dataDir: `/state/${name}`,
    tls: { ca: "/pki/ca", cert: "/pki/cert", key: "/pki/key" },
  });

  test("a fresh cluster: the same members for all, mutual TLS on both sides, pre-vote on", () => {
    const members = freshCluster([spec("h1", "10.0.0.1"), spec("h2", "fd00::2")]);
    const second = members.get("h2") ?? [];
    for (const flag of [
      "--initial-cluster=h1=https://10.0.0.1:2380,h2=https://[fd00::2]:2380",
      "--initial-cluster-token=c-1",
      "--listen-client-urls=https://[fd00::2]:2379",
      "--client-cert-auth=true",
      "--peer-client-cert-auth=true",
      "--pre-vote=true",
      "--heartbeat-interval=100",
      "--election-timeout=1000",
      "--quota-backend-bytes=2147483648",
    ]) {
      expect(second).toContain(flag);
    }
  });

  test("the fast profile halves etcd's own times", () => {
    const fast = etcdArguments({ ...spec("h1", "10.0.0.1"), profile: "fast" }, { state: "existing", members: [] });
    expect(fast).toEqual(expect.arrayContaining(["--heartbeat-interval=50", "--election-timeout=500"]));
    expect(fast).toContain("--initial-cluster-state=existing");
  });
});

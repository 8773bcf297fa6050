import { status as grpcStatus } from "@grpc/grpc-js";

/**
 * How a call failed.
 * `not-taken`: proven that no member took the request up; another may be asked.
 * `rejected`: a member's definite no; asking another gives the same. Nothing has changed.
 * `unknown`: it may have happened, or may yet happen.
 */
export type Failure = {
  readonly kind: "not-taken" | "rejected" | "unknown";
  /** A closed set of words, so that a caller can tell the cause without reading prose. */
  readonly word: FailureWord;
  readonly detail: string;
};
export type FailureWord =
  | "not-connected"
  | "no-leader"
  | "busy"
  | "timeout"
  | "unavailable"
  | "no-space"
  | "compacted"
  | "denied"
  | "invalid"
  | "internal";

/** What `unknown` ends of the port carry: `word: detail`. */
export function causeOf(failure: Failure): string {
  return `${failure.word}: ${failure.detail}`;
}

// etcd says these before it proposes anything to its peers, or when raft itself has thrown the proposal away.
const notTaken: readonly (readonly [text: string, word: FailureWord])[] = [
  ["etcdserver: no leader", "no-leader"],
  ["raft proposal dropped", "no-leader"],
  ["etcdserver: too many requests", "busy"],
  ["etcdserver: rpc not supported for learner", "no-leader"],
  ["etcdserver: not capable", "no-leader"],
  // grpc-js's own words where it never made a stream; certain only because its retries are off (endpoint.ts).
  ["No connection established", "not-connected"],
];

/** Judges a gRPC status. When in doubt: unknown. */
export function failureOf(code: number, detail: string): Failure {
  for (const [text, word] of notTaken) if (detail.startsWith(text)) return { kind: "not-taken", word, detail };
  switch (code) {
    case grpcStatus.INVALID_ARGUMENT:
    case grpcStatus.FAILED_PRECONDITION:
    case grpcStatus.UNIMPLEMENTED:
    case grpcStatus.NOT_FOUND:
      return { kind: "rejected", word: "invalid", detail };
    case grpcStatus.PERMISSION_DENIED:
    case grpcStatus.UNAUTHENTICATED:
      return { kind: "rejected", word: "denied", detail };
    case grpcStatus.RESOURCE_EXHAUSTED:
      if (detail.includes("database space exceeded")) return { kind: "rejected", word: "no-space", detail };
      return { kind: "unknown", word: "busy", detail };
    case grpcStatus.OUT_OF_RANGE:
      return { kind: "rejected", word: detail.includes("compacted") ? "compacted" : "invalid", detail };
    case grpcStatus.DEADLINE_EXCEEDED:
      return { kind: "unknown", word: "timeout", detail };
    case grpcStatus.UNKNOWN:
      // etcd's way of saying that the deadline passed inside it.
      return { kind: "unknown", word: detail.includes("context deadline exceeded") ? "timeout" : "internal", detail };
    case grpcStatus.UNAVAILABLE:
      return { kind: "unknown", word: detail.includes("timed out") ? "timeout" : "unavailable", detail };
    case grpcStatus.CANCELLED:
      return { kind: "unknown", word: "unavailable", detail };
    default:
      return { kind: "unknown", word: "internal", detail };
  }
}

import { createORPCClient, ORPCError } from "@orpc/client";
import { RPCLink } from "@orpc/client/fetch";
import type { ContractRouterClient } from "@orpc/contract";
import type { Trouble } from "../contract/base.ts";
import type { Contract } from "../contract/index.ts";
import { socketFetch } from "./socket-fetch.ts";

/** The contract as functions. Each rejects with what `failureOf` can take apart. */
export type Client = ContractRouterClient<Contract>;

/** Talks to the daemon that serves `socket`. Opens nothing before the first call. */
export function connectClient(socket: string): Client {
  const link = new RPCLink({ url: "http://holdfast/rpc", fetch: (request) => socketFetch(socket, request) });
  return createORPCClient(link);
}

/**
 * Why a call rejected. `refused`, `unavailable`: the daemon's own answer. `no-daemon`: nothing was sent.
 * `broken-off`: the connection ended before the answer. `failed`: a mistake of the daemon's or of this program's.
 */
export type Failure =
  | ({ readonly kind: "refused" | "unavailable" } & Trouble)
  | { readonly kind: "no-daemon" | "forbidden" | "broken-off" | "failed"; readonly cause: string };

export function failureOf(error: unknown): Failure {
  if (error instanceof ORPCError) {
    const data = error.data as Trouble | undefined;
    if (error.code === "REFUSED" && data !== undefined) return { kind: "refused", ...data };
    if (error.code === "UNAVAILABLE" && data !== undefined) return { kind: "unavailable", ...data };
    return { kind: "failed", cause: `${error.code}: ${error.message}` };
  }
  if (!(error instanceof Error)) return { kind: "failed", cause: String(error) };
  const number = "code" in error ? String(error.code) : "";
  if (number === "ENOENT" || number === "ECONNREFUSED") return { kind: "no-daemon", cause: number };
  if (number === "EACCES" || number === "EPERM") return { kind: "forbidden", cause: number };
  if (number.startsWith("E") || error.message === "terminated" || error.name === "AbortError") {
    return { kind: "broken-off", cause: number || error.message };
  }
  return { kind: "failed", cause: error.message };
}

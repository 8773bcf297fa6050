import { randomBytes } from "node:crypto";
import { type Client, connectClient, failureOf } from "../api/client/index.ts";
import { findSocket } from "./find-socket.ts";
import type { Io } from "./io.ts";
import { CliTrouble, fail } from "./trouble.ts";

/** How often a change whose answer was lost is asked for again, with the same request id. */
const repeatMax = 3;

export type Session = {
  /** Runs a call; what it rejects with becomes a message with cause, effect and remedy. */
  readonly call: <T>(use: (client: Client) => Promise<T>) => Promise<T>;
  /** A change: repeated under one request id where nobody knows whether it was done. */
  readonly change: <T>(use: (client: Client, requestId: string) => Promise<T>) => Promise<T>;
};

export async function openSession(io: Io, socketOption: string | undefined): Promise<Session> {
  const socket = await findSocket(io, socketOption);
  const client = connectClient(socket);
  const call: Session["call"] = async (use) => {
    try {
      return await use(client);
    } catch (error) {
      throw error instanceof CliTrouble ? error : explained(error, socket);
    }
  };
  const change: Session["change"] = async (use) => {
    const requestId = randomBytes(12).toString("hex");
    for (let attempt = 1; ; attempt++) {
      try {
        return await call((client) => use(client, requestId));
      } catch (error) {
        const unknown =
          error instanceof CliTrouble &&
          (error.code === "request-outcome-unknown" || error.code === "daemon-broke-off");
        if (!unknown || attempt >= repeatMax) throw error;
      }
    }
  };
  return { call, change };
}

function explained(error: unknown, socket: string): CliTrouble {
  const failure = failureOf(error);
  switch (failure.kind) {
    case "refused":
      return fail(failure.code, failure.params, 1);
    case "unavailable":
      return fail(failure.code, failure.params, 3);
    case "no-daemon":
      return fail("daemon-not-answering", { socket, cause: failure.cause }, 3);
    case "forbidden":
      return fail("socket-forbidden", { socket }, 3);
    case "broken-off":
      return fail("daemon-broke-off", { socket, cause: failure.cause }, 3);
    case "failed":
      return fail("daemon-failed", { cause: failure.cause }, 3);
  }
}

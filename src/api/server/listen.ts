import { once } from "node:events";
import { chmod, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { OpenAPIHandler } from "@orpc/openapi/node";
import { ORPCError, ValidationError } from "@orpc/server";
import { RPCHandler } from "@orpc/server/node";
import type { z } from "zod";
import { contract } from "../contract/index.ts";
import { inputTrouble } from "../contract/input-trouble.ts";
import type { ApiOptions } from "./options.ts";
import { type ApiRouter, refused } from "./router.ts";

/** No request of the contract is near this. */
const bodyMaxBytes = 1_048_576;

export type Listening = { readonly close: () => Promise<void> };
export type ListenEnd =
  | { readonly kind: "listening"; readonly server: Listening }
  | {
      readonly kind: "refused";
      readonly code: string;
      readonly params: { readonly socket: string; readonly cause: string };
    };

/** Serves the router on a unix socket that only root may open. A socket file whose server is gone is replaced. */
export async function listenOnSocket(options: ApiOptions, router: ApiRouter, socket: string): Promise<ListenEnd> {
  if (await answers(socket))
    return { kind: "refused", code: "api-socket-in-use", params: { socket, cause: "it answers" } };
  await rm(socket, { force: true });
  const server = createServer(requestListener(options, router));
  const failed = once(server, "error").then(([error]) => error as Error);
  // The umask closes the moment between bind and chmod.
  const before = process.umask(0o177);
  server.listen(socket);
  process.umask(before);
  const end = await Promise.race([once(server, "listening").then(() => undefined), failed]);
  if (end !== undefined) return { kind: "refused", code: "api-socket-failed", params: { socket, cause: end.message } };
  await chmod(socket, 0o600);
  const close = async () => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  };
  return { kind: "listening", server: { close } };
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}

function requestListener(options: ApiOptions, router: ApiRouter): RequestListener {
  const common = { clientInterceptors: [(call: Call) => withPlainErrors(options, call)] };
  const rpc = new RPCHandler(router, common);
  const rest = new OpenAPIHandler(router, common);
  let description: Promise<string> | undefined;
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const path = (request.url ?? "/").split("?")[0];
    if (path === "/health")
      return answer(response, 200, JSON.stringify({ host: options.self, version: options.version }));
    if (path === "/api/openapi.json") {
      description ??= describe(options.version);
      return answer(response, 200, await description);
    }
    if (Number(request.headers["content-length"] ?? 0) > bodyMaxBytes) {
      return answer(
        response,
        413,
        JSON.stringify({ code: "REFUSED", data: { code: "request-too-large", params: {} } }),
      );
    }
    if ((await rpc.handle(request, response, { prefix: "/rpc", context: {} })).matched) return;
    if ((await rest.handle(request, response, { prefix: "/api", context: {} })).matched) return;
    answer(
      response,
      404,
      JSON.stringify({ code: "REFUSED", data: { code: "path-unknown", params: { path: path ?? "" } } }),
    );
  };
  return (request, response) => {
    serve(request, response).catch((error: unknown) => {
      options.log?.(`API request failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      response.destroy();
    });
  };
}

function answer(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { "content-type": "application/json" }).end(body);
}

type Call = { readonly next: () => Promise<unknown>; readonly path: readonly string[] };

/** Input that does not fit the contract is a refusal like any other; anything unforeseen is logged with its stack. */
async function withPlainErrors(options: ApiOptions, { next, path }: Call): Promise<unknown> {
  try {
    return await next();
  } catch (error) {
    if (error instanceof ORPCError && error.code === "BAD_REQUEST" && error.cause instanceof ValidationError) {
      // The contract's schemas are zod's, and so are its issues.
      const issue = error.cause.issues[0] as z.core.$ZodIssue | undefined;
      throw refused(
        issue === undefined
          ? { code: "input-does-not-fit", params: { field: "input" } }
          : inputTrouble(issue, error.cause.data),
      );
    }
    if (!(error instanceof ORPCError)) {
      options.log?.(
        `${path.join(".")} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
    throw error;
  }
}

/** Made when it is first asked for: the generator costs a running daemon nothing. */
async function describe(version: string): Promise<string> {
  const [{ OpenAPIGenerator }, { ZodToJsonSchemaConverter }] = await Promise.all([
    import("@orpc/openapi"),
    import("@orpc/zod/zod4"),
  ]);
  const generator = new OpenAPIGenerator({ schemaConverters: [new ZodToJsonSchemaConverter()] });
  return JSON.stringify(
    await generator.generate(contract, { info: { title: "Holdfast", version }, servers: [{ url: "/api" }] }),
  );
}

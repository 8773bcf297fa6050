import { spawn } from "node:child_process";
import { request as httpRequest } from "node:http";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { connect as tlsConnect } from "node:tls";
import { LabError } from "./lab-error.ts";
import { until } from "./shell.ts";

export type Address = { readonly address: string; readonly port: number };
export type HttpAnswer = { readonly status: number; readonly body: string };
export type HttpRequest = {
  readonly path: string;
  readonly method?: string;
  readonly body?: string;
  readonly timeoutMs?: number;
};
/** `failed` says why: the connection's error code, or `timeout`. */
export type HttpEnd =
  | ({ readonly kind: "answered" } & HttpAnswer)
  | { readonly kind: "failed"; readonly cause: string };

/** From outside into the lab's networks. */
export interface Reach {
  /** A connected, paused stream; rejects with the error code where nobody answers. */
  connect(to: Address, timeoutMs?: number): Promise<Socket>;
  http(to: Address, request: HttpRequest): Promise<HttpEnd>;
  /** Listens on 127.0.0.1 and passes each connection on to where `target` points at that moment. Port 0: a free one. */
  forward(target: () => Address | undefined, port: number): Promise<Forward>;
  close(): void;
}

export type Forward = { readonly port: number; close(): void };

const connectMs = 5_000;

/** `prefix`: the words that enter the lab's cgroup and network namespace. */
export async function openReach(dir: string, prefix: readonly [string, ...string[]]): Promise<Reach> {
  const path = join(dir, "net.sock");
  const [file, ...args] = [...prefix, process.execPath, join(import.meta.dirname, "net-relay.ts"), path];
  const child = spawn(file ?? "", args, { stdio: ["ignore", "ignore", "inherit"], detached: true });
  await until(
    () => probe(path),
    10_000,
    () =>
      new LabError(
        "The helper in the lab's network did not start.",
        "Virtual machines could not be reached from here.",
        "Look at the messages above.",
      ),
  );
  const forwards = new Set<Server>();
  const connect = (to: Address, timeoutMs = connectMs): Promise<Socket> => connectThrough(path, to, timeoutMs);
  return {
    connect,
    http: (to, request) => http(connect, to, request),
    forward: (target, port) => listen(connect, target, port, forwards),
    close: () => {
      for (const server of forwards) server.close();
      child.kill("SIGKILL");
    },
  };
}

function probe(path: string): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(undefined));
  });
}

function connectThrough(path: string, to: Address, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    const give = (cause: string): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new Error(cause));
    };
    const timer = setTimeout(() => give("timeout"), timeoutMs);
    let head = "";
    const onData = (chunk: Buffer): void => {
      head += chunk.toString("latin1");
      const end = head.indexOf("\n");
      if (end < 0) return;
      socket.off("data", onData);
      socket.pause();
      if (!head.startsWith("ok\n")) {
        give(head.slice("failed ".length, end));
        return;
      }
      clearTimeout(timer);
      socket.removeAllListeners("error");
      socket.removeAllListeners("close");
      if (head.length > end + 1) socket.unshift(Buffer.from(head.slice(end + 1), "latin1"));
      resolve(socket);
    };
    socket.on("data", onData);
    socket.once("error", (error: NodeJS.ErrnoException) => give(error.code ?? error.message));
    socket.once("close", () => give("closed"));
    socket.write(`${to.address} ${to.port}\n`);
  });
}

async function http(connect: Reach["connect"], to: Address, wish: HttpRequest): Promise<HttpEnd> {
  const timeoutMs = wish.timeoutMs ?? connectMs;
  const started = performance.now();
  const socket = await connect(to, timeoutMs).catch((error: Error) => error.message);
  if (typeof socket === "string") return { kind: "failed", cause: socket };
  return requestOver(socket, to, wish, Math.max(1, timeoutMs - (performance.now() - started)));
}

function requestOver(socket: Socket, to: Address, wish: HttpRequest, limitMs: number): Promise<HttpEnd> {
  return new Promise((resolve) => {
    const end = (answer: HttpEnd): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end({ kind: "failed", cause: "timeout" }), limitMs);
    socket.on("error", (error: NodeJS.ErrnoException) => end({ kind: "failed", cause: error.code ?? error.message }));
    const { path, method = "GET", body = "" } = wish;
    const headers = { connection: "close", "content-length": Buffer.byteLength(body) };
    const outgoing = httpRequest({ createConnection: () => socket, host: to.address, path, method, headers });
    outgoing.once("socket", () => socket.resume());
    outgoing.once("error", (error: NodeJS.ErrnoException) =>
      end({ kind: "failed", cause: error.code ?? error.message }),
    );
    outgoing.once("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", (error) => end({ kind: "failed", cause: error.message }));
      response.once("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        end({ kind: "answered", status: response.statusCode ?? 0, body: text });
      });
    });
    outgoing.end(body);
  });
}

async function listen(
  connect: Reach["connect"],
  target: () => Address | undefined,
  port: number,
  forwards: Set<Server>,
): Promise<Forward> {
  const server = createServer((client) => void pass(connect, target(), client));
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(portTrouble(port, error)));
    server.listen(port, "127.0.0.1", resolve);
  });
  forwards.add(server);
  const address = server.address();
  return { port: typeof address === "object" && address !== null ? address.port : port, close: () => server.close() };
}

export function portTrouble(port: number, error: NodeJS.ErrnoException): LabError {
  const cause = error.code === "EADDRINUSE" ? "it is in use" : (error.code ?? error.message);
  return new LabError(
    `Port ${port} on 127.0.0.1 cannot be opened: ${cause}.`,
    "The virtual machine's page would not be reachable.",
    "Choose another with --port N, or leave it out for a free one.",
  );
}

async function pass(connect: Reach["connect"], to: Address | undefined, client: Socket): Promise<void> {
  client.on("error", () => client.destroy());
  const socket = to === undefined ? undefined : await connect(to).catch(() => undefined);
  if (socket === undefined) {
    client.destroy();
    return;
  }
  socket.on("error", () => client.destroy());
  socket.once("close", () => client.destroy());
  client.once("close", () => socket.destroy());
  client.pipe(socket).pipe(client);
}

/** One GET with the lab's certificate; the server's is checked against the cluster's own CA. */
export async function labHttps(
  reach: Reach,
  to: Address,
  path: string,
  identity: { readonly ca: string; readonly cert: string; readonly key: string },
): Promise<HttpEnd> {
  const raw = await reach.connect(to).catch((error: Error) => error.message);
  if (typeof raw === "string") return { kind: "failed", cause: raw };
  return requestOver(tlsConnect({ socket: raw, host: to.address, ...identity }), to, { path }, connectMs);
}

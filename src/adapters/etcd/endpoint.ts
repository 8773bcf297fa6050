import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  connectivityState,
  Metadata,
} from "@grpc/grpc-js";
import { type Failure, failureOf } from "./failure.ts";
import { limits } from "./limits.ts";
import { type Method, rpc } from "./rpc.ts";

export type CallEnd<Response> =
  | { readonly kind: "answer"; readonly response: Response }
  | { readonly kind: "failed"; readonly failure: Failure };

/** One member of the store, over one channel of its own: which member is asked is decided in pool.ts, never by gRPC. */
export interface Endpoint {
  readonly address: string;
  /** Connected, TLS and HTTP/2 included. */
  ready(): boolean;
  /** Its last call failed in a way that speaks against it; asked only where no other is left, until a probe succeeds. */
  suspectSince(): number | undefined;
  /** Why it is not connected, in the words of the last attempt. */
  trouble(): string;
  suspect(): void;
  call<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    timeoutMs: number,
    done: (end: CallEnd<Response>) => void,
  ): void;
  /** Like `call`, but of the member itself: needs no leader, and its end says nothing about the trust in the member. */
  ask: Endpoint["call"];
  stream<Request, Response>(method: Method<Request, Response>): ClientDuplexStream<Request, Response>;
  /** Every `tickMs` while it is uneasy: probes a suspect, renews a channel that does not get connected. */
  tick(): void;
  close(): void;
}

// A member without a leader refuses at once what carries this, before it has taken it up.
const needsLeader = new Metadata();
needsLeader.set("hasleader", "true");
const anyMember = new Metadata();

const channelOptions: ChannelOptions = {
  "grpc.keepalive_time_ms": limits.keepaliveMs,
  "grpc.keepalive_timeout_ms": limits.keepaliveTimeoutMs,
  "grpc.initial_reconnect_backoff_ms": limits.reconnectFirstMs,
  "grpc.max_reconnect_backoff_ms": limits.reconnectMaxMs,
  "grpc.client_idle_timeout_ms": 2 ** 31 - 1,
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
  // Only with retries off a request leaves at most once, and failure.ts may say what was never sent.
  "grpc.enable_retries": 0,
  "grpc.enable_http_proxy": 0,
  "grpc.enable_channelz": 0,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.service_config_disable_resolution": 1,
};

/** `uneasy`: it is not usable any more, or not trusted; from now on it wants ticks until it is both. */
export type EndpointEvents = {
  readonly ready: () => void;
  readonly uneasy: () => void;
  readonly log: (line: string) => void;
};

export function openEndpoint(address: string, credentials: ChannelCredentials, events: EndpointEvents): Endpoint {
  return new GrpcEndpoint(address, credentials, events);
}

class GrpcEndpoint implements Endpoint {
  readonly address: string;
  readonly #credentials: ChannelCredentials;
  readonly #events: EndpointEvents;
  #client: Client;
  #ready = false;
  #suspectSince: number | undefined;
  #trouble = "not connected yet";
  #ticksConnecting = 0;
  #probing = false;
  #closed = false;

  constructor(address: string, credentials: ChannelCredentials, events: EndpointEvents) {
    this.address = address;
    this.#credentials = credentials;
    this.#events = events;
    this.#client = this.#open();
    this.#connect();
  }

  ready(): boolean {
    return this.#ready;
  }

  suspectSince(): number | undefined {
    return this.#suspectSince;
  }

  trouble(): string {
    return this.#trouble;
  }

  suspect(): void {
    if (this.#suspectSince === undefined) this.#events.log(`store member ${this.address} is suspect`);
    this.#suspectSince = performance.now();
    this.#events.uneasy();
  }

  call<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    timeoutMs: number,
    done: (end: CallEnd<Response>) => void,
  ): void {
    this.#unary(method, request, timeoutMs, needsLeader, (end) => {
      if (end.kind === "failed" && end.failure.kind !== "rejected") this.suspect();
      done(end);
    });
  }

  ask<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    timeoutMs: number,
    done: (end: CallEnd<Response>) => void,
  ): void {
    this.#unary(method, request, timeoutMs, anyMember, done);
  }

  stream<Request, Response>(method: Method<Request, Response>): ClientDuplexStream<Request, Response> {
    return this.#client.makeBidiStreamRequest(method.path, method.encode, method.decode, needsLeader);
  }

  tick(): void {
    if (this.#ready) {
      if (this.#suspectSince !== undefined && !this.#probing) this.#probe();
      return;
    }
    this.#ticksConnecting += 1;
    if (this.#ticksConnecting < limits.connectTicks) return;
    const state = this.#client.getChannel().getConnectivityState(true);
    if (state === connectivityState.CONNECTING) this.#renew();
    this.#ticksConnecting = 0;
  }

  close(): void {
    this.#closed = true;
    this.#ready = false;
    this.#client.close();
  }

  #unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    timeoutMs: number,
    metadata: Metadata,
    done: (end: CallEnd<Response>) => void,
  ): void {
    const options = { deadline: Date.now() + timeoutMs };
    this.#client.makeUnaryRequest(
      method.path,
      method.encode,
      method.decode,
      request,
      metadata,
      options,
      (error, answer) => {
        if (answer !== undefined && error === null) done({ kind: "answer", response: answer });
        else
          done({ kind: "failed", failure: failureOf(error?.code ?? 2, error?.details ?? "an answer without content") });
      },
    );
  }

  /** Asks for what a quorum must confirm. A member that does not even tell its status has a dead process or connection. */
  #probe(): void {
    this.#probing = true;
    const client = this.#client;
    const asked = performance.now();
    this.#unary(rpc.range, { key: "/", countOnly: true }, limits.probeMs, needsLeader, (end) => {
      // A member that refuses with a reason has leader and quorum, too.
      if (end.kind === "answer" || end.failure.kind === "rejected") {
        this.#probing = false;
        // A failure that came while the probe was under way weighs more.
        if ((this.#suspectSince ?? 0) <= asked) this.#trust();
        return;
      }
      // A closed channel throws at whoever still asks it something.
      if (end.failure.word !== "timeout" || this.#closed) {
        this.#probing = false;
        return;
      }
      this.ask(rpc.status, {}, limits.probeMs, (status) => {
        this.#probing = false;
        if (status.kind === "failed" && client === this.#client) this.#renew();
      });
    });
  }

  #trust(): void {
    if (this.#suspectSince === undefined) return;
    this.#suspectSince = undefined;
    this.#events.log(`store member ${this.address} is trusted again`);
    this.#events.ready();
  }

  #open(): Client {
    return new Client(this.address, this.#credentials, channelOptions);
  }

  #renew(): void {
    if (this.#closed) return;
    this.#ready = false;
    this.#events.uneasy();
    this.#ticksConnecting = 0;
    const old = this.#client;
    this.#client = this.#open();
    this.#connect();
    old.close();
  }

  #connect(): void {
    this.#follow(this.#client, connectivityState.IDLE);
    this.#client.getChannel().getConnectivityState(true);
  }

  /** Keeps the channel connected and `ready` true to its state, without a timer. */
  #follow(client: Client, seen: connectivityState): void {
    client.getChannel().watchConnectivityState(seen, Number.POSITIVE_INFINITY, (error) => {
      if (error !== undefined || this.#closed || client !== this.#client) return;
      const state = client.getChannel().getConnectivityState(false);
      if (state === connectivityState.SHUTDOWN) return;
      this.#follow(client, state);
      this.#becomes(client, state);
    });
  }

  #becomes(client: Client, state: connectivityState): void {
    const wasReady = this.#ready;
    this.#ready = state === connectivityState.READY;
    if (this.#ready) {
      this.#ticksConnecting = 0;
      this.#suspectSince = undefined;
      this.#trouble = "";
      this.#events.log(`store member ${this.address} is connected`);
      this.#events.ready();
      return;
    }
    this.#events.uneasy();
    if (wasReady) this.#events.log(`store member ${this.address} is disconnected`);
    if (state === connectivityState.IDLE) client.getChannel().getConnectivityState(true);
    if (state === connectivityState.TRANSIENT_FAILURE) this.#askWhy(client);
  }

  /** gRPC tells why a connection failed only in the end of a call, which never leaves this process. */
  #askWhy(client: Client): void {
    const deadline = Date.now() + limits.probeMs;
    client.makeUnaryRequest(
      rpc.status.path,
      rpc.status.encode,
      rpc.status.decode,
      {},
      anyMember,
      { deadline },
      (error) => {
        if (client !== this.#client || error === null || this.#ready) return;
        const trouble = plainTrouble(error.details);
        if (trouble !== this.#trouble) this.#events.log(`store member ${this.address} cannot be reached: ${trouble}`);
        this.#trouble = trouble;
      },
    );
  }
}

/** grpc-js wraps what the connection said: `No connection established. Last error: Error: WHAT. Resolution note: …`. */
function plainTrouble(details: string): string {
  return (
    /Last error: (?:Error: )?(.*?)(?: \(\d{4}-\d\d-.*)?\.? Resolution note: /su.exec(details)?.[1]?.trim() ?? details
  );
}

import type { Socket } from "node:net";
import { backoffMs } from "../../base/backoff.ts";
import { type Greeting, greet, hello } from "./greet.ts";
import { Backlog } from "./relay-backlog.ts";
import type { RelayConfig } from "./relay-control.ts";
import { type Opened, openLink } from "./relay-link.ts";
import type { KnownCopy, RelayMemory } from "./relay-memory.ts";
import { patienceAfter, patienceWithSilence } from "./relay-patience.ts";
import { Payload, SpentChunks } from "./spent-chunks.ts";
import {
  ByteQueue,
  blockSizes,
  commands,
  eio,
  joined,
  type Request,
  readReply,
  readRequest,
  replyBytes,
  requestBytes,
  writeReply,
  writeRequest,
} from "./wire.ts";

/** Beyond this it is no request of QEMU's. */
const requestBytesMax = blockSizes.most * 16;
const behind = "it is not what was copied to: an older state of the replica was put back, or it was made anew";
const limits = { retryFirstMs: 20, retryMaxMs: 500 } as const;

/** What a request waits for: the replica's word, and nothing else, unless the mode is stale (S16). */
type Waiting = {
  readonly request: Request;
  readonly payload: Payload;
  /** Null: the relay's own question whether the peer is there. */
  readonly from: Socket | null;
  readonly since: number;
  sent: boolean;
};

export type LaneEvents = {
  /** How the lane stands may have changed. */
  readonly changed: () => void;
  /** To all requests, whatever the replica has. Null: each waits for the replica. */
  readonly answer: () => "refused" | "acknowledged" | null;
  readonly isBarred: () => boolean;
  /** Of a connection that was open, and not closed by `answerAll`. */
  readonly lost: () => void;
  readonly countRefused: () => void;
  readonly countSent: (bytes: number) => void;
  /** The peer has answered a write of so many bytes; or the relay's own question, after so many milliseconds. */
  readonly countTaken: (bytes: number) => void;
  readonly answered: (ms: number) => void;
};

/**
 * One volume: QEMU's connection on one side, the replica's on the other. It tracks requests, not bytes: what QEMU was not
 * answered is sent again over the next connection, and an error of the replica's is no answer but a doubt.
 */
export class RelayLane {
  readonly volume: string;
  trouble: string | null = "not connected yet";
  link: string | null = null;
  /** When the peer last said or took anything, or was connected. */
  heardAt = performance.now();
  /** When it was last asked whether it is there. */
  askedAt = 0;
  readonly #config: () => RelayConfig;
  readonly #events: LaneEvents;
  readonly #waiting = new Map<bigint, Waiting>();
  #lastId = 0n;
  #down: Socket | undefined;
  #isAsked = false;
  #up: Socket | undefined;
  #opening: AbortController | undefined;
  /** Not reset by a connection: one that comes and goes without an answer helps nobody. */
  #answeredAt = performance.now();
  #taken = 0;
  /** Connections in a row that came about and on which nothing was answered, the present one among them. */
  #inVain = 0;
  #backlog = new Backlog();
  readonly #spent = new SpentChunks();
  readonly #memory: RelayMemory;
  #isBehind: boolean;
  #ended = false;

  constructor(volume: string, config: () => RelayConfig, memory: RelayMemory, events: LaneEvents) {
    this.volume = volume;
    this.#config = config;
    this.#memory = memory;
    this.#isBehind = memory.isUnreadable;
    this.#events = events;
  }

  /** S21: what it answered earlier is not in there; it would be, seemingly, after some more connections. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  /** QEMU has sent something over the connection that it has: it knows that it is connected. */
  get isServed(): boolean {
    return this.#down !== undefined && this.#isAsked;
  }

  get isConnected(): boolean {
    return this.#up !== undefined;
  }

  /** Nothing that was sent is unanswered. */
  get isDrained(): boolean {
    return [...this.#waiting.values()].every(({ sent }) => !sent);
  }

  get waitingBytes(): number {
    let bytes = 0;
    for (const { request, payload } of this.#waiting.values()) if (!payload.isEmpty) bytes += request.length;
    return bytes;
  }

  /** For how long the oldest request has waited while none was answered; 0: none waits. */
  unansweredMs(now: number): number {
    return this.#waitedMs(now, this.#answeredAt);
  }

  /** For how long the peer has neither said nor taken anything, although a request waits. */
  silentMs(now: number): number {
    return this.#waitedMs(now, this.heardAt);
  }

  #waitedMs(now: number, lastSign: number): number {
    const [oldest] = this.#waiting.values();
    return oldest === undefined ? 0 : now - Math.max(oldest.since, lastSign);
  }

  /** How many times as long as usual a silent peer is waited for. */
  get patience(): number {
    return patienceWithSilence(this.#inVain, this.#config().letsGo);
  }

  /** QEMU has opened this volume. A connection of its own before this one may have left requests on their way. */
  serve(socket: Socket, rest: ByteQueue): void {
    this.#down?.destroy();
    this.#down = socket;
    this.#isAsked = false;
    for (const [id, { from }] of this.#waiting) if (from !== null) this.#waiting.delete(id);
    // S19: what the earlier connection sent must not land after what this one is answered.
    if (this.#taken > 0) this.#hangUp("QEMU connected anew");
    this.#taken += 1;
    socket.on("close", () => {
      if (this.#down === socket) this.#down = undefined;
    });
    let request: Request | undefined;
    const read = (): void => {
      for (;;) {
        if (request === undefined) {
          if (rest.length < requestBytes) return;
          const head = rest.takeChunks(requestBytes);
          request = readRequest(joined(head));
          this.#spent.spend(head);
          if (request === undefined || request.length > requestBytesMax) {
            socket.destroy();
            return;
          }
        }
        const bytes = request.command === commands.write ? request.length : 0;
        if (rest.length < bytes) return;
        this.#take(socket, request, rest.takeChunks(bytes));
        request = undefined;
      }
    };
    socket.on("data", (chunk: Buffer) => {
      rest.push(chunk);
      read();
    });
    read();
  }

  #take(from: Socket, request: Request, payload: readonly Buffer[]): void {
    if (from === this.#down) this.#isAsked = true;
    if (request.command === commands.disconnect) from.end();
    else if (this.#events.answer() === null) this.#queue(from, request, payload);
    else {
      this.#answer(from, request);
      this.#spent.spend(payload);
    }
  }

  #queue(from: Socket | null, request: Request, chunks: readonly Buffer[]): void {
    this.#lastId += 1n;
    const payload = new Payload(chunks, this.#spent);
    const waiting: Waiting = { request, payload, from, since: performance.now(), sent: false };
    this.#waiting.set(this.#lastId, waiting);
    if (this.#up !== undefined && !this.#events.isBarred()) this.#send(this.#up, this.#lastId, waiting);
  }

  #send(up: Socket, id: bigint, waiting: Waiting): void {
    waiting.sent = true;
    const { request, payload } = waiting;
    up.cork();
    up.write(writeRequest({ ...request, cookie: id }));
    if (!payload.isEmpty) payload.writeTo(up, request.length);
    up.uncork();
    this.#backlog.wrote(up.writableNeedDrain, performance.now());
    if (!payload.isEmpty) this.#events.countSent(request.length);
  }

  /** Whatever waited behind a bar. */
  sendWaiting(): void {
    if (this.#up === undefined || this.#events.isBarred()) return;
    for (const [id, waiting] of this.#waiting) if (!waiting.sent) this.#send(this.#up, id, waiting);
  }

  /** S16: refused, a request is an error for QEMU, so that the mirror job keeps it in its bitmap. */
  answerAll(): void {
    this.#opening?.abort();
    this.#hangUp("nothing is sent to the replica");
    for (const { from, request } of this.#waiting.values()) if (from !== null) this.#answer(from, request);
    this.#waiting.clear();
  }

  #answer(from: Socket, request: Request): void {
    const isAcknowledged = this.#events.answer() === "acknowledged" && request.command !== commands.read;
    if (!isAcknowledged) this.#events.countRefused();
    from.write(writeReply(request.cookie, isAcknowledged ? 0 : eio));
  }

  /** Asks the peer whether it is there, where nothing else would tell. */
  ask(): void {
    if (this.#up === undefined || this.#waiting.size > 0 || this.#events.isBarred()) return;
    this.askedAt = performance.now();
    this.#queue(null, { flags: 0, command: commands.flush, cookie: 0n, offset: 0n, length: 0 }, []);
  }

  /** Tries until it is connected, or until nobody wants it any more, or it is found to be of no use. */
  async connect(): Promise<void> {
    if (this.#opening !== undefined || this.#up !== undefined) return;
    const opening = new AbortController();
    this.#opening = opening;
    for (let attempt = 0; !opening.signal.aborted && !this.#ended && !this.#isBehind; attempt++) {
      const known = this.#config().letsGo ? undefined : this.#memory.of(this.volume);
      const opened = await openLink(this.#config(), this.volume, known, patienceAfter(attempt), opening.signal);
      const trouble = this.#troubleOf(opened, known);
      if (opened.kind === "open" && trouble === undefined && !opening.signal.aborted) {
        this.#opening = undefined;
        this.#connected(opened.socket, opened.address);
        return;
      }
      if (opened.kind === "open") opened.socket.destroy();
      if (trouble !== undefined) this.#say(trouble);
      if (this.#isBehind) break;
      const waitMs = backoffMs(attempt, limits.retryFirstMs, limits.retryMaxMs);
      await new Promise<void>((resolve) => setTimeout(resolve, waitMs));
    }
    if (this.#opening === opening) this.#opening = undefined;
  }

  /** Undefined: what was opened may be written to, and it is noted which image that is. */
  #troubleOf(opened: Opened, known: KnownCopy | undefined): string | undefined {
    if (opened.kind === "no") return opened.why;
    const { letsGo, isEqual } = this.#config();
    // S25: of a cycle the copies' own word which cycle they hold says what may be built upon them.
    if (opened.kind === "open" && letsGo) return undefined;
    if (opened.kind === "other" || !isKnown(opened, known, isEqual)) {
      this.#isBehind = true;
      return behind;
    }
    try {
      this.#memory.note(this.volume, { image: opened.image, counter: opened.counter });
      return undefined;
    } catch (error) {
      return `what is copied to cannot be noted: ${String(error)}`;
    }
  }

  /** The peer is silent: another link, or a new connection, may do. */
  reconnect(why: string): void {
    if (this.#up !== undefined) this.#hangUp(why);
  }

  end(): void {
    this.#ended = true;
    this.#opening?.abort();
    this.#down?.destroy();
    this.#up?.destroy();
  }

  #connected(up: Socket, address: string): void {
    this.#up = up;
    this.#inVain += 1;
    this.link = address;
    this.trouble = null;
    this.heardAt = performance.now();
    this.#backlog = new Backlog();
    const replies = new ByteQueue();
    up.setNoDelay(true);
    up.on("data", (chunk: Buffer) => {
      replies.push(chunk);
      this.heardAt = performance.now();
      if (!this.#readReplies(replies)) this.#hangUp(this.trouble ?? "the replica is out of step", up);
    });
    up.on("drain", () => {
      const now = performance.now();
      if (this.#backlog.left(now)) this.heardAt = now;
    });
    up.on("close", () => this.#hangUp("the replica closed the connection", up));
    // S16: all that QEMU was not answered, once more, in its order.
    for (const [id, waiting] of this.#waiting) {
      waiting.sent = false;
      if (waiting.from === null) this.#waiting.delete(id);
    }
    this.#events.changed();
    this.sendWaiting();
    up.resume();
  }

  /** False: this connection is of no use any more. */
  #readReplies(replies: ByteQueue): boolean {
    for (;;) {
      const head = replies.length < replyBytes ? undefined : replies.take(replyBytes);
      if (head === undefined) return true;
      const reply = readReply(head);
      const waiting = reply === undefined ? undefined : this.#waiting.get(reply.cookie);
      if (reply === undefined || waiting === undefined || !waiting.sent) return false;
      const bytes = waiting.request.command === commands.read && reply.error === 0 ? waiting.request.length : 0;
      if (replies.length < bytes) {
        replies.unshift(head);
        return true;
      }
      if (reply.error !== 0 && waiting.request.command !== commands.read) {
        // S16: its disk is full, or fails. Whether the guest may go on without it is the records' word, not the replica's.
        this.trouble = `the replica answers with error ${reply.error}`;
        return false;
      }
      this.#waiting.delete(reply.cookie);
      waiting.payload.answered();
      this.#answeredAt = performance.now();
      this.#inVain = 0;
      if (waiting.from === null) this.#events.answered(this.#answeredAt - waiting.since);
      else if (!waiting.payload.isEmpty) this.#events.countTaken(waiting.request.length);
      const data = replies.takeChunks(bytes);
      if (waiting.from === null || waiting.from.destroyed) continue;
      waiting.from.write(writeReply(waiting.request.cookie, reply.error));
      for (const chunk of data) waiting.from.write(chunk);
    }
  }

  #hangUp(why: string, of = this.#up): void {
    if (of === undefined || of !== this.#up) return;
    this.#up = undefined;
    of.destroy();
    this.trouble = this.trouble ?? why;
    this.#events.lost();
    this.#events.changed();
  }

  #say(why: string): void {
    if (this.trouble === why) return;
    this.trouble = why;
    this.#events.changed();
  }
}

function isKnown(opened: Opened & { kind: "open" }, known: KnownCopy | undefined, isEqual: boolean): boolean {
  if (known === undefined) return opened.isAsLeft || !isEqual;
  return opened.image === known.image && opened.counter > known.counter;
}

/** Greets QEMU; `open` once it has named its volume. */
export function greetQemu(socket: Socket, greeting: Greeting, open: (volume: string, rest: ByteQueue) => void): void {
  const queue = new ByteQueue();
  socket.write(hello());
  const onData = (chunk: Buffer): void => {
    queue.push(chunk);
    for (;;) {
      const step = greet(queue, greeting);
      if (step.kind === "more") return;
      if (step.kind === "over") {
        socket.destroy();
        return;
      }
      socket.write(step.bytes);
      if (step.kind === "open") {
        socket.off("data", onData);
        open(step.exportName, queue);
        return;
      }
    }
  };
  socket.on("data", onData);
}

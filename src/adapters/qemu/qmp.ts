import { createConnection, type Socket } from "node:net";

/** `dead`: the connection ended before the answer; `late`: no answer within the limit. Both: the outcome is unknown. */
export type QmpEnd =
  | { readonly kind: "done"; readonly value: unknown }
  | { readonly kind: "failed"; readonly class: string; readonly description: string }
  | { readonly kind: "late" }
  | { readonly kind: "dead" };

export type QmpEvent = { readonly event: string; readonly data: Readonly<Record<string, unknown>> };

export interface Qmp {
  /** `outOfBand`: for the few commands that QEMU serves while its main loop is busy. */
  execute(command: string, args?: object, options?: { limitMs?: number; outOfBand?: boolean }): Promise<QmpEnd>;
  close(): void;
}

export type QmpListener = {
  readonly event: (event: QmpEvent) => void;
  /** The connection is over, by whichever side, exactly once; for a QEMU that was killed the only sign there is. */
  readonly end: () => void;
};

const defaultLimitMs = 5_000;
/** A line longer than this is no QMP: bounds what a mad peer can make us hold. */
const lineBytesMax = 16 * 1024 * 1024;

type Message = {
  readonly QMP?: unknown;
  readonly id?: unknown;
  readonly return?: unknown;
  readonly error?: { readonly class?: string; readonly desc?: string };
  readonly event?: string;
  readonly data?: Record<string, unknown>;
};

/**
 * Connects and negotiates. Undefined: nobody listens, or no greeting within `limitMs` (null: waits for as long as the
 * socket lives, as a frozen QEMU greets only after its thaw).
 */
export function connectQmp(
  path: string,
  listener: QmpListener,
  limitMs: number | null,
  signal?: AbortSignal,
): Promise<Qmp | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ path });
    const session = new Session(socket, listener);
    let settled = false;
    const settle = (qmp: Qmp | undefined) => {
      if (settled) return;
      settled = true;
      clearTimeout(limit);
      signal?.removeEventListener("abort", giveUp);
      if (qmp === undefined) session.abandon();
      resolve(qmp);
    };
    const giveUp = () => settle(undefined);
    const limit = limitMs === null ? undefined : setTimeout(giveUp, limitMs);
    signal?.addEventListener("abort", giveUp);
    session.onReady = settle;
    if (signal?.aborted === true) giveUp();
  });
}

class Session implements Qmp {
  onReady: (qmp: Qmp | undefined) => void = () => undefined;
  readonly #socket: Socket;
  readonly #listener: QmpListener;
  readonly #waiting = new Map<number, (end: QmpEnd) => void>();
  #nextId = 1;
  #buffered = "";
  #ready = false;
  #over = false;

  constructor(socket: Socket, listener: QmpListener) {
    this.#socket = socket;
    this.#listener = listener;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#read(text));
    socket.on("error", () => this.#end());
    socket.on("close", () => this.#end());
  }

  execute(command: string, args?: object, options: { limitMs?: number; outOfBand?: boolean } = {}): Promise<QmpEnd> {
    if (this.#over) return Promise.resolve({ kind: "dead" });
    const id = this.#nextId++;
    const verb = options.outOfBand === true ? "exec-oob" : "execute";
    return new Promise((resolve) => {
      const limit = setTimeout(() => finish({ kind: "late" }), options.limitMs ?? defaultLimitMs);
      const finish = (end: QmpEnd) => {
        clearTimeout(limit);
        this.#waiting.delete(id);
        resolve(end);
      };
      this.#waiting.set(id, finish);
      this.#socket.write(`${JSON.stringify({ [verb]: command, id, ...(args && { arguments: args }) })}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Closes a connection that never became ready: its listener hears nothing. */
  abandon(): void {
    this.#over = true;
    this.#socket.destroy();
  }

  #read(text: string): void {
    this.#buffered += text;
    for (let cut = this.#buffered.indexOf("\n"); cut >= 0; cut = this.#buffered.indexOf("\n")) {
      const line = this.#buffered.slice(0, cut);
      this.#buffered = this.#buffered.slice(cut + 1);
      const message = parse(line);
      if (message !== undefined) this.#take(message);
    }
    if (this.#buffered.length > lineBytesMax) this.#socket.destroy();
  }

  #take(message: Message): void {
    if (message.QMP !== undefined) this.#negotiate();
    else if (message.event !== undefined) this.#listener.event({ event: message.event, data: message.data ?? {} });
    else if (typeof message.id === "number") this.#waiting.get(message.id)?.(answerOf(message));
  }

  #negotiate(): void {
    void this.execute("qmp_capabilities", { enable: ["oob"] }).then((end) => {
      if (this.#over) return;
      this.#ready = end.kind === "done";
      this.onReady(this.#ready ? this : undefined);
    });
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#socket.destroy();
    for (const finish of [...this.#waiting.values()]) finish({ kind: "dead" });
    if (this.#ready) this.#listener.end();
    else this.onReady(undefined);
  }
}

function answerOf(message: Message): QmpEnd {
  if (message.error === undefined) return { kind: "done", value: message.return };
  return { kind: "failed", class: message.error.class ?? "", description: message.error.desc ?? "" };
}

function parse(line: string): Message | undefined {
  if (line.trim() === "") return undefined;
  try {
    return JSON.parse(line) as Message;
  } catch {
    return undefined;
  }
}

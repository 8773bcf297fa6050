import { connect, type Socket } from "node:net";
import { backoffMs } from "../../base/backoff.ts";

const lineBytesMax = 4_096;
const retryFirstMs = 50;
const retryMaxMs = 1_000;
/** A peer that does not read loses its connection rather than our memory. */
export const unreadBytesMax = 65_536;

/** Cuts a stream into lines; `overflow` where a line is longer than any of ours. */
export function lineCutter(line: (text: string) => void, overflow: () => void): (chunk: Buffer) => void {
  let rest = "";
  return (chunk) => {
    rest += chunk.toString("utf8");
    const parts = rest.split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) line(part);
    if (rest.length > lineBytesMax) overflow();
  };
}

export type LineClientOptions = {
  readonly path: string;
  readonly onOpen: () => void;
  readonly onLine: (text: string) => void;
  /** Once per lost connection, and once for the first attempt that fails. */
  readonly onLost: (cause: string) => void;
};

/** A line to a unix socket that comes back by itself, with short waits, until closed. */
export interface LineClient {
  /** Nothing happens where there is no connection: the other side's greeting starts everything anew. */
  send(text: string): void;
  /** Ends this connection; the next attempt follows. */
  drop(cause: string): void;
  close(): void;
}

export function openLineClient(options: LineClientOptions): LineClient {
  let closed = false;
  let socket: Socket | null = null;
  let open = false;
  let attempt = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const lose = (mine: Socket, cause: string): void => {
    if (socket !== mine) return;
    socket = null;
    mine.destroy();
    if (closed) return;
    if (open || attempt === 0) options.onLost(cause);
    open = false;
    timer = setTimeout(dial, backoffMs(attempt++, retryFirstMs, retryMaxMs));
  };
  const dial = (): void => {
    const mine = connect(options.path);
    socket = mine;
    mine.on("connect", () => {
      open = true;
      attempt = 0;
      options.onOpen();
    });
    const cut = lineCutter(
      (text) => {
        if (socket === mine) options.onLine(text);
      },
      () => lose(mine, "a line is too long"),
    );
    mine.on("data", cut);
    mine.on("error", (error) => lose(mine, error.message));
    mine.on("close", () => lose(mine, "the other side closed"));
  };
  dial();
  return {
    send: (text) => {
      if (socket === null || !open) return;
      if (socket.writableLength > unreadBytesMax) lose(socket, "the other side does not read");
      else socket.write(`${text}\n`);
    },
    drop: (cause) => {
      if (socket !== null) lose(socket, cause);
    },
    close: () => {
      closed = true;
      clearTimeout(timer);
      socket?.destroy();
    },
  };
}

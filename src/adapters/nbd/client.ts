import type { Socket } from "node:net";
import { connect as connectTls, type PeerCertificate } from "node:tls";
import type { TlsTexts } from "../qemu/door.ts";
import { ByteQueue, infos, magic, optionReplies, options } from "./wire.ts";

export type ClientOptions = {
  readonly exportName: string;
  /** Null: in plain, over a unix socket or a direct cable. */
  readonly tls: (TlsTexts & { readonly isNot: (certificate: PeerCertificate) => Error | undefined }) | null;
  readonly limitMs: number;
};

const optionReplyBytes = 20;
/** No reply of a handshake is longer. */
const replyBytesMax = 65_536;

/**
 * Greets an NBD server and opens an export; the socket (the TLS one, where there is one) is then ready for requests.
 * Rejects with what went wrong; the socket is then destroyed.
 */
export async function openExport(socket: Socket, of: ClientOptions): Promise<{ socket: Socket; sizeBytes: bigint }> {
  const limit = setTimeout(() => socket.destroy(new Error(`no export within ${of.limitMs} ms`)), of.limitMs);
  let current = socket;
  try {
    let reader = new Reader(socket);
    const hello = await reader.take(18);
    if (hello.readBigUInt64BE(0) !== magic.hello || hello.readBigUInt64BE(8) !== magic.option)
      throw new Error("that is no NBD server");
    // Fixed newstyle, and no padding after the option that ends the handshake.
    socket.write(Buffer.from([0, 0, 0, 3]));
    if (of.tls !== null) {
      await ask(socket, reader, options.startTls, Buffer.alloc(0));
      reader.release();
      current = await secure(socket, of.tls);
      reader = new Reader(current);
    }
    const name = Buffer.from(of.exportName);
    const data = Buffer.alloc(name.length + 6);
    data.writeUInt32BE(name.length, 0);
    name.copy(data, 4);
    const told = await ask(current, reader, options.go, data);
    reader.release();
    const size = told.find((info) => info.length >= 12 && info.readUInt16BE(0) === infos.export);
    if (size === undefined) throw new Error("the server does not say how large the export is");
    return { socket: current, sizeBytes: size.readBigUInt64BE(2) };
  } catch (error) {
    current.destroy();
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(limit);
  }
}

function secure(socket: Socket, { isNot, ...texts }: NonNullable<ClientOptions["tls"]>): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const secured = connectTls({ ...texts, socket, checkServerIdentity: (_, certificate) => isNot(certificate) });
    secured.once("secureConnect", () => resolve(secured));
    secured.on("error", reject);
    socket.once("close", () => reject(new Error("the connection was closed")));
  });
}

/** What the server said before it acknowledged. */
async function ask(socket: Socket, reader: Reader, option: number, data: Buffer): Promise<readonly Buffer[]> {
  const head = Buffer.alloc(16);
  head.writeBigUInt64BE(magic.option, 0);
  head.writeUInt32BE(option, 8);
  head.writeUInt32BE(data.length, 12);
  socket.write(Buffer.concat([head, data]));
  for (const told: Buffer[] = []; ; ) {
    const reply = await reader.take(optionReplyBytes);
    const length = reply.readUInt32BE(16);
    if (reply.readBigUInt64BE(0) !== magic.optionReply || length > replyBytesMax)
      throw new Error("that is no NBD reply");
    const text = await reader.take(length);
    const kind = reply.readUInt32BE(12);
    if (kind === optionReplies.ack) return told;
    if (kind !== optionReplies.info) throw new Error(`the NBD server refused: ${text.toString() || kind}`);
    told.push(text);
  }
}

/** Reads a handshake step by step; what comes after it stays in the socket. */
class Reader {
  readonly #queue = new ByteQueue();
  readonly #socket: Socket;
  #wake: () => void = () => undefined;
  #trouble: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", this.#onData);
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
  }

  async take(count: number): Promise<Buffer> {
    while (this.#queue.length < count) {
      if (this.#trouble !== undefined) throw this.#trouble;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#queue.take(count);
  }

  release(): void {
    this.#socket.pause();
    this.#socket.off("data", this.#onData);
    this.#socket.off("close", this.#onClose);
    const rest = this.#queue.take(this.#queue.length);
    if (rest.length > 0) this.#socket.unshift(rest);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#queue.push(chunk);
    this.#wake();
  };
  readonly #onError = (error: Error): void => {
    this.#trouble = error;
    this.#wake();
  };
  readonly #onClose = (): void => {
    this.#trouble ??= new Error("the connection was closed");
    this.#wake();
  };
}

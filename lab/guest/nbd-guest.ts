import { connect, type Socket } from "node:net";
import { openExport } from "../../src/adapters/nbd/client.ts";
import { ByteQueue, commands, readReply, replyBytes, writeRequest } from "../../src/adapters/nbd/wire.ts";

/** Stands for a guest: writes and reads whole blocks of one disk over NBD, several at a time. */
export class NbdGuest {
  readonly #socket: Socket;
  readonly #waiting = new Map<bigint, { readonly bytes: number; readonly end: (data: Buffer | number) => void }>();
  readonly #queue = new ByteQueue();
  #last = 0n;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      this.#queue.push(chunk);
      this.#read();
    });
    socket.resume();
  }

  static async open(path: string, exportName: string): Promise<NbdGuest> {
    const { socket } = await openExport(connect({ path }), { exportName, tls: null, limitMs: 5_000 });
    return new NbdGuest(socket);
  }

  /** The error number; 0 where it was acknowledged. Never ends where it is not answered. */
  async write(offset: number, data: Buffer): Promise<number> {
    return Number(await this.#ask(commands.write, offset, data.length, data, 0));
  }

  async flush(): Promise<number> {
    return Number(await this.#ask(commands.flush, 0, 0, undefined, 0));
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const data = await this.#ask(commands.read, offset, length, undefined, length);
    if (typeof data === "number") throw new Error(`read: error ${data}`);
    return data;
  }

  close(): void {
    this.#socket.destroy();
  }

  #ask(command: number, offset: number, length: number, data: Buffer | undefined, bytes: number) {
    this.#last += 1n;
    const cookie = this.#last;
    return new Promise<Buffer | number>((end) => {
      this.#waiting.set(cookie, { bytes, end });
      this.#socket.write(writeRequest({ flags: 0, command, cookie, offset: BigInt(offset), length }));
      if (data !== undefined) this.#socket.write(data);
    });
  }

  #read(): void {
    while (this.#queue.length >= replyBytes) {
      const head = this.#queue.take(replyBytes);
      const reply = readReply(head);
      const waiting = reply === undefined ? undefined : this.#waiting.get(reply.cookie);
      if (reply === undefined || waiting === undefined) throw new Error("Out of step");
      const bytes = reply.error === 0 ? waiting.bytes : 0;
      if (this.#queue.length < bytes) {
        this.#queue.unshift(head);
        return;
      }
      this.#waiting.delete(reply.cookie);
      const data = this.#queue.take(bytes);
      waiting.end(waiting.bytes === 0 || reply.error !== 0 ? reply.error : data);
    }
  }
}

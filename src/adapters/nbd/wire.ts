// The parts of the NBD protocol that stand between QEMU and a replica: fixed newstyle, simple replies, no extensions.

export const magic = {
  hello: 0x4e42444d41474943n,
  option: 0x49484156454f5054n,
  optionReply: 0x3e889045565a9n,
  request: 0x25609513,
  reply: 0x67446698,
} as const;

export const options = { exportName: 1, abort: 2, list: 3, startTls: 5, info: 6, go: 7 } as const;
export const optionReplies = { ack: 1, info: 3, unsupported: 0x80000001, unknown: 0x80000006 } as const;
export const infos = { export: 0, blockSize: 3 } as const;
export const commands = { read: 0, write: 1, disconnect: 2, flush: 3, trim: 4, writeZeroes: 6 } as const;
/** Flush, FUA, trim and write-zeroes; nothing that a replica need not know. */
export const transmissionFlags = 0x1 | 0x4 | 0x8 | 0x20 | 0x40;
/** What QEMU may send and has sent in one request at most. */
export const blockSizes = { least: 512, preferred: 4_096, most: 2 * 1024 * 1024 } as const;
export const requestBytes = 28;
export const replyBytes = 16;
/** The guest's error for "the replica does not have it": the mirror job keeps the block in its bitmap. */
export const eio = 5;

/** Bytes as they come, taken as they are needed. */
export class ByteQueue {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  get length(): number {
    return this.#bytes;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  unshift(chunk: Buffer): void {
    this.#chunks.unshift(chunk);
    this.#bytes += chunk.length;
  }

  /** Without copying. Fewer than `count` only where no more are there. */
  takeChunks(count: number): Buffer[] {
    const taken: Buffer[] = [];
    for (let left = Math.min(count, this.#bytes); left > 0; ) {
      const first = this.#chunks[0] as Buffer;
      const part = first.length <= left ? first : first.subarray(0, left);
      if (part === first) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(left);
      taken.push(part);
      left -= part.length;
      this.#bytes -= part.length;
    }
    return taken;
  }

  take(count: number): Buffer {
    return joined(this.takeChunks(count));
  }
}

export function joined(chunks: readonly Buffer[]): Buffer {
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
}

export type Request = {
  readonly flags: number;
  readonly command: number;
  readonly cookie: bigint;
  readonly offset: bigint;
  readonly length: number;
};

/** Undefined: that is no request, the other side is out of step. */
export function readRequest(bytes: Buffer): Request | undefined {
  if (bytes.readUInt32BE(0) !== magic.request) return undefined;
  return {
    flags: bytes.readUInt16BE(4),
    command: bytes.readUInt16BE(6),
    cookie: bytes.readBigUInt64BE(8),
    offset: bytes.readBigUInt64BE(16),
    length: bytes.readUInt32BE(24),
  };
}

export function writeRequest(request: Request): Buffer {
  const bytes = Buffer.alloc(requestBytes);
  bytes.writeUInt32BE(magic.request, 0);
  bytes.writeUInt16BE(request.flags, 4);
  bytes.writeUInt16BE(request.command, 6);
  bytes.writeBigUInt64BE(request.cookie, 8);
  bytes.writeBigUInt64BE(request.offset, 16);
  bytes.writeUInt32BE(request.length, 24);
  return bytes;
}

export function writeReply(cookie: bigint, error: number): Buffer {
  const bytes = Buffer.alloc(replyBytes);
  bytes.writeUInt32BE(magic.reply, 0);
  bytes.writeUInt32BE(error, 4);
  bytes.writeBigUInt64BE(cookie, 8);
  return bytes;
}

/** Undefined: that is no reply, the other side is out of step. */
export function readReply(bytes: Buffer): { readonly error: number; readonly cookie: bigint } | undefined {
  if (bytes.readUInt32BE(0) !== magic.reply) return undefined;
  return { error: bytes.readUInt32BE(4), cookie: bytes.readBigUInt64BE(8) };
}

import { type ByteQueue, blockSizes, infos, magic, optionReplies, options, transmissionFlags } from "./wire.ts";

/** The server's side of a handshake, one step at a time. */
export type Greeting = { readonly sizeOf: (exportName: string) => bigint | undefined; flagsRead: boolean };
export type GreetStep =
  | { readonly kind: "more" }
  | { readonly kind: "say"; readonly bytes: Buffer }
  | { readonly kind: "open"; readonly exportName: string; readonly bytes: Buffer }
  | { readonly kind: "over" };

const optionHeadBytes = 16;
/** No option that a client of ours sends is longer. */
const optionBytesMax = 65_536;

export function hello(): Buffer {
  const bytes = Buffer.alloc(18);
  bytes.writeBigUInt64BE(magic.hello, 0);
  bytes.writeBigUInt64BE(magic.option, 8);
  // Fixed newstyle, no padding.
  bytes.writeUInt16BE(3, 16);
  return bytes;
}

/** What to answer to what has come so far. */
export function greet(queue: ByteQueue, greeting: Greeting): GreetStep {
  if (!greeting.flagsRead) {
    if (queue.length < 4) return { kind: "more" };
    queue.take(4);
    greeting.flagsRead = true;
  }
  if (queue.length < optionHeadBytes) return { kind: "more" };
  const head = queue.take(optionHeadBytes);
  const [option, length] = [head.readUInt32BE(8), head.readUInt32BE(12)];
  if (head.readBigUInt64BE(0) !== magic.option || length > optionBytesMax) return { kind: "over" };
  if (queue.length < length) {
    queue.unshift(head);
    return { kind: "more" };
  }
  const data = queue.take(length);
  if (option === options.abort) return { kind: "over" };
  if (option !== options.go && option !== options.info)
    return { kind: "say", bytes: reply(option, optionReplies.unsupported, Buffer.alloc(0)) };
  if (data.length < 6) return { kind: "over" };
  const name = data.subarray(4, 4 + data.readUInt32BE(0)).toString();
  const size = greeting.sizeOf(name);
  if (size === undefined) return { kind: "say", bytes: reply(option, optionReplies.unknown, Buffer.alloc(0)) };
  const bytes = Buffer.concat([
    reply(option, optionReplies.info, exportInfo(size)),
    reply(option, optionReplies.info, blockInfo()),
    reply(option, optionReplies.ack, Buffer.alloc(0)),
  ]);
  return option === options.go ? { kind: "open", exportName: name, bytes } : { kind: "say", bytes };
}

function reply(option: number, kind: number, data: Buffer): Buffer {
  const head = Buffer.alloc(20);
  head.writeBigUInt64BE(magic.optionReply, 0);
  head.writeUInt32BE(option, 8);
  head.writeUInt32BE(kind, 12);
  head.writeUInt32BE(data.length, 16);
  return Buffer.concat([head, data]);
}

function exportInfo(sizeBytes: bigint): Buffer {
  const data = Buffer.alloc(12);
  data.writeUInt16BE(infos.export, 0);
  data.writeBigUInt64BE(sizeBytes, 2);
  data.writeUInt16BE(transmissionFlags, 10);
  return data;
}

function blockInfo(): Buffer {
  const data = Buffer.alloc(14);
  data.writeUInt16BE(infos.blockSize, 0);
  data.writeUInt32BE(blockSizes.least, 2);
  data.writeUInt32BE(blockSizes.preferred, 6);
  data.writeUInt32BE(blockSizes.most, 10);
  return data;
}

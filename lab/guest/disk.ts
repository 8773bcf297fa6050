import { closeSync, openSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";

export type GuestRecord = {
  readonly index: number;
  /** 0: a tick of the guest itself. */
  readonly number: number;
  readonly epoch: number;
  readonly boot: number;
  readonly client: string;
};
export type GuestDisk = { readonly boots: number; readonly records: readonly GuestRecord[] };

const sector = 512;
const chunkSectors = 2048;

/**
 * What the guest wrote on a raw image (layouts: holdfast-guest.c), read from outside, also while it runs. The log ends
 * with the first sector that holds no record. Throws where the file cannot be read.
 */
export function readGuestDisk(path: string): GuestDisk {
  const file = openSync(path, "r");
  try {
    const chunk = Buffer.alloc(sector * chunkSectors);
    const records: GuestRecord[] = [];
    let boots = 0;
    for (let position = 0; ; position += chunk.length) {
      const sectors = Math.floor(readSync(file, chunk, 0, chunk.length, position) / sector);
      for (let i = 0; i < sectors; i++) {
        const data = chunk.subarray(i * sector, (i + 1) * sector);
        if (position === 0 && i === 0) boots = readBoots(data);
        else {
          const record = readRecord(data, records.length);
          if (record === undefined) return { boots, records };
          records.push(record);
        }
      }
      if (sectors < chunkSectors) return { boots, records };
    }
  } finally {
    closeSync(file);
  }
}

function readBoots(data: Buffer): number {
  const known = data.toString("latin1", 0, 8) === "HFGUEST1" && sumIsRight(data);
  return known ? Number(data.readBigUInt64LE(8)) : 0;
}

function readRecord(data: Buffer, index: number): GuestRecord | undefined {
  if (data.toString("latin1", 0, 4) !== "HFR1" || !sumIsRight(data)) return undefined;
  if (Number(data.readBigUInt64LE(8)) !== index) return undefined;
  const [client = ""] = data.toString("utf8", 40, 104).split("\0");
  return {
    index,
    boot: data.readUInt32LE(4),
    number: Number(data.readBigUInt64LE(16)),
    epoch: Number(data.readBigUInt64LE(24)),
    client,
  };
}

function sumIsRight(data: Buffer): boolean {
  return crc32(data.subarray(0, sector - 4)) === data.readUInt32LE(sector - 4);
}

// How fast disks are sent where a bandwidth bounds the move. QEMU's mirror job sends all that its buffer holds at once, and then
// rests for as long as its speed makes of that: with the buffer that it takes by itself, 16 MiB a disk, a small bandwidth was
// first exceeded many times over, and then nothing was on its way for longer than a link that is cut is waited for.

const mebibyte = 1024 * 1024;
/** QEMU's own for raw images; said, because no job sends less than one such piece at once. */
const pieceBytes = 64 * 1024;
/** QEMU's own. */
const bufferMost = 16 * mebibyte;
/** So much of its time is sent at once. */
const atOnceMs = 500;

type Pace = {
  /** What each disk's job is told besides; nothing where nothing bounds it. */
  readonly job: { readonly speed?: number; readonly granularity?: number; readonly "buf-size"?: number };
  /** For so long each of them sends nothing, and the link is not at fault. They begin together, and so may rest together. */
  readonly restMs: number;
  /** A disk with less than this left is nearly there: about a second of its share. */
  readonly littleBytes: number;
};

/** `limit`: MiB a second for all disks of a move together; null: none. */
export function paceOf(limit: number | null, disks: number): Pace {
  if (limit === null) return { job: {}, restMs: 0, littleBytes: 0 };
  const speed = Math.max(1, Math.floor((limit * mebibyte) / Math.max(1, disks)));
  const pieces = Math.max(1, Math.floor((speed * atOnceMs) / 1_000 / pieceBytes));
  const buffer = Math.min(bufferMost, pieces * pieceBytes);
  const job = { speed, granularity: pieceBytes, "buf-size": buffer };
  return { job, restMs: Math.ceil((1_000 * buffer) / speed), littleBytes: Math.max(2 * pieceBytes, speed) };
}

import type { GuestRecord } from "../../lab/guest/disk.ts";

/** Acknowledged numbers that are not on the disk. */
export function lostNumbers(
  records: readonly GuestRecord[],
  client: string,
  acknowledged: readonly number[],
): readonly number[] {
  const found = new Set<number>();
  for (const record of records) if (record.client === client) found.add(record.number);
  return acknowledged.filter((number) => !found.has(number));
}

/** Epochs that wrote although a newer one had written before: the old copy was still alive. */
export function revenants(records: readonly GuestRecord[]): readonly number[] {
  const found = new Set<number>();
  let newest = 0;
  for (const { epoch } of records) {
    if (epoch < newest) found.add(epoch);
    newest = Math.max(newest, epoch);
  }
  return [...found];
}

import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";

const flagUp = 0x1;
/** The kernel's own unreachable entry is no way out. */
const flagReject = 0x200;

/** Addresses of this network namespace's interfaces out of which a default route leads; undefined: it cannot be read. */
export async function readRoutedAddresses(): Promise<string[] | undefined> {
  const [v4, v6] = await Promise.all([read("/proc/self/net/route"), read("/proc/self/net/ipv6_route")]);
  if (v4 === undefined) return undefined;
  const routed = new Set([...defaultsOf4(v4), ...defaultsOf6(v6 ?? "")]);
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    routed.has(name) ? (addresses ?? []).map(({ address }) => address) : [],
  );
}

/** Interfaces, from the text of `/proc/net/route`. */
export function defaultsOf4(text: string): string[] {
  return rowsOf(text).flatMap(([name = "", to, , flags = "", , , , mask]) =>
    to === "00000000" && mask === "00000000" && isUsed(flags) ? [name] : [],
  );
}

/** Interfaces, from the text of `/proc/net/ipv6_route`. */
export function defaultsOf6(text: string): string[] {
  return rowsOf(text).flatMap((row) => {
    const [to, length, flags, name] = [row[0], row[1], row[8], row[9]];
    if (to !== "0".repeat(32) || length !== "00" || flags === undefined || name === undefined) return [];
    return isUsed(flags) ? [name] : [];
  });
}

function isUsed(hex: string): boolean {
  const flags = Number.parseInt(hex, 16);
  return (flags & flagUp) !== 0 && (flags & flagReject) === 0;
}

function rowsOf(text: string): string[][] {
  return text.split("\n").map((line) => line.trim().split(/\s+/u));
}

function read(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").catch(() => undefined);
}

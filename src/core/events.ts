import { compareText } from "../base/order.ts";
import type { Event } from "../model/records.ts";

/** Hexadecimal SHA-256 of a text: comes from outside, because the core knows no platform. */
export type Digest = (text: string) => string;

/** The event as the text that is hashed: keys in code-unit order, so that no reader's order of keys matters. */
export function canonicalText(event: Event): string {
  return JSON.stringify(sorted(event));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  // As a list of pairs: in an object, keys that look like numbers would jump to the front.
  return entries.sort(([a], [b]) => compareText(a, b)).map(([key, inner]) => [key, sorted(inner)]);
}

/** What the next event of the chain carries as `previous`. */
export function hashOf(event: Event, digest: Digest): string {
  return digest(canonicalText(event));
}

export type ChainEnd =
  | { readonly kind: "intact"; readonly events: number }
  /** Two events of the chain do not follow one another: one was changed, removed or added. */
  | { readonly kind: "broken"; readonly at: Event; readonly cause: "hash" | "sequence" | "chain" };

/**
 * Checks a stretch of one host's chain of one boot. It need not begin at the first event: etcd keeps the recent ones
 * only. Order of the input does not matter.
 */
export function verifyChain(events: readonly Event[], digest: Digest): ChainEnd {
  const chain = [...events].sort((a, b) => a.seq - b.seq);
  for (const [index, event] of chain.entries()) {
    const before = chain[index - 1];
    if (before === undefined) continue;
    if (before.host !== event.host || before.boot !== event.boot) return { kind: "broken", at: event, cause: "chain" };
    if (event.seq !== before.seq + 1) return { kind: "broken", at: event, cause: "sequence" };
    if (event.previous !== hashOf(before, digest)) return { kind: "broken", at: event, cause: "hash" };
  }
  return { kind: "intact", events: chain.length };
}

/** Code-unit order: the same on every machine (localeCompare is not). */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Numbers inside names count as numbers (`h2` before `h10`); equal otherwise falls back to code-unit order. */
export function compareNatural(a: string, b: string): number {
  const left = a.split(/(\d+)/u);
  const right = b.split(/(\d+)/u);
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const x = left[i] ?? "";
    const y = right[i] ?? "";
    if (x === y) continue;
    const bothNumbers = i % 2 === 1 && Number(x) !== Number(y);
    return bothNumbers ? Number(x) - Number(y) : compareText(x, y);
  }
  return left.length - right.length;
}

/** The entries of a map in code-unit order of their keys: no decision may depend on arrival order. */
export function inKeyOrder<K extends string, V>(map: ReadonlyMap<K, V>): [K, V][] {
  // Most are in order already, and this is asked again and again.
  const entries: [K, V][] = [];
  let isInOrder = true;
  let last: K | undefined;
  for (const entry of map) {
    if (last !== undefined && last > entry[0]) isInOrder = false;
    last = entry[0];
    entries.push(entry);
  }
  return isInOrder ? entries : entries.sort(([a], [b]) => compareText(a, b));
}

/** The values of a map in code-unit order of their keys. */
export function valuesInKeyOrder<K extends string, V>(map: ReadonlyMap<K, V>): V[] {
  return inKeyOrder(map).map(([, value]) => value);
}

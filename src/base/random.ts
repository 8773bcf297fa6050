/** A seeded generator (sfc32, 128 bits of state): same seed, same numbers, on every machine. */
export interface SeededRandom {
  /** An integer in [0, limit); `limit` is a whole number from 1 to 2^32. */
  below(limit: number): number;
  /** True with the given probability in [0, 1]. */
  chance(probability: number): boolean;
  /** One element of a list that is not empty. */
  pick<T>(list: readonly T[]): T;
  /** `length` hexadecimal digits. */
  hex(length: number): string;
  /** An independent stream for one subject, so that one more draw here does not reshuffle the others. */
  for(subject: string): SeededRandom;
}

/** FNV-1a, 32 bits. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

export function seededRandom(seed: string): SeededRandom {
  let a = hashText(`${seed}/a`) | 0;
  let b = hashText(`${seed}/b`) | 0;
  let c = hashText(`${seed}/c`) | 0;
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  for (let i = 0; i < 15; i++) next();
  const below = (limit: number): number => Math.floor((next() / 0x1_0000_0000) * limit);
  return {
    below,
    chance: (probability) => next() / 0x1_0000_0000 < probability,
    pick: (list) => {
      const picked = list[below(list.length)];
      if (picked === undefined) throw new RangeError("Cannot pick from a list: it is empty");
      return picked;
    },
    hex: (length) => Array.from({ length }, () => below(16).toString(16)).join(""),
    for: (subject) => seededRandom(`${seed}/${subject}`),
  };
}

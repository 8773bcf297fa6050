import { randomBytes, randomInt } from "node:crypto";
import type { Random } from "../../ports/random.ts";

export function systemRandom(): Random {
  return {
    hex: (length) =>
      randomBytes(Math.ceil(length / 2))
        .toString("hex")
        .slice(0, length),
    below: (limit) => randomInt(limit),
  };
}

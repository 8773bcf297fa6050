import { InvalidArgumentError } from "@commander-js/extra-typings";

/** A whole number that is not negative; commander tells the rest of the sentence. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/u.test(text)) throw new InvalidArgumentError("Give a whole number, without a unit.");
  return Number(text);
}

/** A whole number that may be negative. */
export function signedNumber(text: string): number {
  if (!/^-?\d{1,15}$/u.test(text)) throw new InvalidArgumentError("Give a whole number; it may be negative.");
  return Number(text);
}

/** Such as 0.3. */
export function decimal(text: string): number {
  if (!/^\d{1,9}(?:\.\d{1,9})?$/u.test(text)) throw new InvalidArgumentError("Give a number such as 0.3.");
  return Number(text);
}

/** MiB, as `512M`, `50G` or `2T`; without a unit: MiB. */
export function sizeInMiB(text: string): number {
  const [, digits = "", unit = "M"] = /^(\d{1,9})(?:([MGT])(?:iB)?)?$/u.exec(text) ?? [];
  const factor = { M: 1, G: 1_024, T: 1_048_576 }[unit];
  if (digits === "" || factor === undefined || Number(digits) === 0)
    throw new InvalidArgumentError("Give a size such as 512M, 50G or 2T.");
  return Number(digits) * factor;
}

/** Seconds, as people give them, in milliseconds, as the contract has them. */
export function secondsToMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1_000;
}

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

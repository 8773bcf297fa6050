/** The value of a JSON text, or undefined where it is none. The one place outside the shells that catches: JSON.parse throws. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

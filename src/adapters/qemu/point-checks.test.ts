import { expect, test } from "vitest";
import { withAddressHint } from "./point-checks.ts";

test("[S20] a guest that nobody found at an address which nobody named is told with the option that names it", () => {
  expect(withAddressHint("HTTP does not answer", null)).toMatch(/^HTTP does not answer; .* --http-address/u);
  expect(withAddressHint("HTTP does not answer", "10.0.0.5/24")).toBe("HTTP does not answer");
  // It was found.
  expect(withAddressHint("HTTP answers 500", null)).toBe("HTTP answers 500");
  expect(withAddressHint(undefined, null)).toBeUndefined();
});

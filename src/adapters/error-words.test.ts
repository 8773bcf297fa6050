import { closeSync, openSync, writeSync } from "node:fs";
import { connect, createServer } from "node:net";
import { expect, test } from "vitest";
import { errorWords } from "./error-words.ts";

test("a full disk and a port where nobody listens are told in words, with where that was", async () => {
  const full = openSync("/dev/full", "w");
  const caught = (act: () => unknown): unknown => {
    try {
      return act();
    } catch (error) {
      return error;
    }
  };
  expect(errorWords(caught(() => writeSync(full, "x")))).toBe("no room is left on the disk there (ENOSPC)");
  closeSync(full);
  const port = await new Promise<number>((found) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port: free } = server.address() as { port: number };
      server.close(() => found(free));
    });
  });
  const refused = await new Promise((told) => connect({ host: "127.0.0.1", port }).once("error", told));
  expect(errorWords(refused)).toMatch(/^nothing takes connections there: .* \(ECONNREFUSED at 127\.0\.0\.1:\d+\)$/u);
});

test("what it has no words for is told as it is", () => {
  expect(errorWords(new Error("Cannot open a volume without layers"))).toBe("Cannot open a volume without layers");
  expect(errorWords("late")).toBe("late");
});

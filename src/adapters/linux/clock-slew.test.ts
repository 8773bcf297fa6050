import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readSlewPpm } from "./clock-slew.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "hf-slew-"));
  mkdirSync(join(root, "etc/chrony/conf.d"), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));
const write = (path: string, text: string): void => writeFileSync(join(root, "etc/chrony", path), text);

test("[S3] without chrony there is nothing to look at", async () => {
  write("conf.d/a.conf", "maxslewrate 500\n");
  expect(await readSlewPpm(root)).toBeNull();
});

test("[S3] chrony that is told nothing bends the clock by a twelfth", async () => {
  write("chrony.conf", "pool debian.pool.ntp.org iburst\n# maxslewrate 500\n! maxslewrate 500\n");
  expect(await readSlewPpm(root)).toBe(83_333);
});

test("[S3] the last word counts, whichever file it stands in", async () => {
  write("chrony.conf", "maxslewrate 1000\nmakestep 1 3\n");
  expect(await readSlewPpm(root)).toBe(1_000);
  write("conf.d/b.conf", "  MaxSlewRate 499.5\n");
  write("conf.d/a.conf", "maxslewrate 2000\n");
  write("conf.d/c.txt", "maxslewrate 9000\n");
  expect(await readSlewPpm(root)).toBe(500);
});

import { expect, test } from "vitest";
import { parseSpec } from "./spec-file.ts";
import { CliTrouble } from "./trouble.ts";

function troubleOf(text: string): unknown {
  try {
    return parseSpec("web.yaml", text);
  } catch (error) {
    return error instanceof CliTrouble ? { exitCode: error.exitCode, ...error.params } : error;
  }
}

test("a spec file that fits", () => {
  const text = "name: web\ncpus: 1\nmemoryMiB: 80\ndisks:\n  - pool: shared\n    sizeMiB: 64\nnetworks: [lan]\n";
  expect(parseSpec("web.yaml", text)).toEqual({
    name: "web",
    cpus: 1,
    memoryMiB: 80,
    disks: [{ pool: "shared", sizeMiB: 64 }],
    networks: ["lan"],
  });
});

test("broken YAML is shown with line and column", () => {
  expect(troubleOf("name: web\ncpus: [1\n")).toMatchObject({ exitCode: 2, file: "web.yaml", line: 3 });
});

test("a value that does not fit is shown where it stands", () => {
  expect(troubleOf("name: web\nmemoryMiB: lots\n")).toMatchObject({ line: 2, column: 12 });
  expect(troubleOf("name: web\ndisks:\n  - pool: shared\n    sizeMiB: 0\n")).toMatchObject({ line: 4, column: 14 });
});

test("an unknown field is an error at its place", () => {
  expect(troubleOf("name: web\nmemoryMib: 80\n")).toMatchObject({
    line: 2,
    problem: expect.stringContaining("memoryMib"),
  });
});

test("a file that holds no mapping", () => {
  expect(troubleOf("- web\n")).toMatchObject({ line: 1, column: 1 });
});

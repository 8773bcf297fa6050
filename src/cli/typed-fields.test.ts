import { expect, test } from "vitest";
import { asTyped } from "./typed-fields.ts";

test("what does not fit is told by the option and in the unit that were typed", () => {
  const tooSmall = (field: string, least: number, ...argv: string[]) =>
    asTyped("input-too-small", { field, least }, argv);
  expect(tooSmall("points.everyMs", 10_000, "group", "set", "office", "--points-every", "1s")).toEqual({
    field: "--points-every",
    least: "10s",
  });
  expect(tooSmall("points.keep.0.everyMs", 10_000, "--keep=3x1s")).toEqual({ field: "--keep", least: "10s" });
  expect(tooSmall("everyS", 5, "--every", "1s")).toEqual({ field: "--every", least: "5s" });
  expect(tooSmall("limitMs", 1_000, "--limit", "0")).toEqual({ field: "--limit", least: "1 (seconds)" });
  expect(asTyped("input-text-too-long", { field: "point", most: 80 }, ["--to-point", "x"])).toEqual({
    field: "--to-point",
    most: "80",
  });
  expect(tooSmall("movesPerHostMax", 1, "policy", "set", "--moves-per-host", "0")).toMatchObject({
    field: "--moves-per-host",
  });
  expect(tooSmall("migration.downtimeMs", 1, "--migration-downtime", "0")).toEqual({
    field: "--migration-downtime",
    least: "1",
  });
  expect(tooSmall("quarantine.windowMs", 1_000, "--quarantine-window=0")).toMatchObject({
    least: "1 (seconds)",
  });
});

test("what nobody typed as an option keeps its name, and so does every other trouble", () => {
  const params = { field: "point", most: 80 };
  expect(asTyped("input-text-too-long", params, ["point", "drop", "web", "x"])).toBe(params);
  expect(asTyped("group-unknown", params, ["--to-point", "x"])).toBe(params);
  expect(asTyped("input-missing", { field: "elsewhere" }, ["--to-point", "x"])).toEqual({ field: "elsewhere" });
});

import { expect, test } from "vitest";
import { rowOf } from "./rows.ts";

const size = { hosts: 100, vms: 10_000, mixed: false, scheduler: "basic" } as const;
const sample = (cpuMs: number, placed: number, fenced = 0) => ({ cpuMs, placed, fenced });

test("a row has the least and the median, and what the round decided", () => {
  const samples = [sample(4, 63), sample(1.234, 63), sample(2, 63), sample(3, 63)];
  expect(rowOf("add", size, { samples, all: { rounds: 159, cpuMs: 500.001 } })).toEqual({
    hosts: 100,
    resources: 10_000,
    rules: "none",
    scheduler: "basic",
    round: "add",
    cpuMs: { min: 1.23, median: 2.5 },
    placed: 63,
    fenced: 0,
    all: { rounds: 159, cpuMs: 500 },
  });
});

test("a round that did not decide what its name says is no row", () => {
  const of = (...samples: ReturnType<typeof sample>[]) => ({ samples, all: undefined });
  expect(() => rowOf("steady", size, of(sample(1, 2)))).toThrow("placed 2 VMs");
  expect(() => rowOf("fence", size, of(sample(1, 0)))).toThrow("fenced 0 hosts");
  expect(() => rowOf("recover", size, of(sample(1, 5), sample(1, 4)))).toThrow("on the same view");
  expect(() => rowOf("add", size, of())).toThrow("never measured");
});

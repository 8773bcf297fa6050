import { expect, test } from "vitest";
import { standingLine } from "./show.ts";

test("the line at the start of the lab calls a witness a witness, whatever is heard of a heart that it does not have", () => {
  const hosts = [
    { name: "h1", role: "host", state: "up" },
    { name: "h3", role: "witness", state: "unknown" },
  ];
  const vms = [{ name: "web", state: "running", host: "h1" }];
  const status = { cluster: { name: "pair" }, hosts, manager: { host: "h1" }, vms };
  expect(standingLine(status as never)).toBe("Cluster pair: h1 up, h3 witness; manager h1; web running on h1.");
});

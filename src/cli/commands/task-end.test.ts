import { expect, test } from "vitest";
import { type Ended, taskEnd } from "./task-end.ts";

const web: Ended = { name: "web", requested: "started", state: "running", host: "h2", epoch: 5 };

test.each<[string, Parameters<typeof taskEnd>]>([
  ["web runs on h2 (epoch 5).", ["start-vm", web, null]],
  ["web runs on h2 (epoch 5).", ["move-vm", web, "h2"]],
  [
    "web was brought to h2; now it is stopping on h2. See holdfast explain web.",
    ["move-vm", { ...web, state: "stopping" }, "h2"],
  ],
  [
    "web was brought to h2; now it is running on h1. See holdfast explain web.",
    ["move-vm", { ...web, host: "h1", epoch: 6 }, "h2"],
  ],
  [
    "web belongs to h2 from now on; it is stopped.",
    ["move-vm", { ...web, requested: "stopped", state: "stopped", host: null }, "h2"],
  ],
  ["web is stopped.", ["stop-vm", { ...web, requested: "stopped", state: "stopped", host: null }, null]],
  ["web was stopped; now it is starting on h1.", ["stop-vm", { ...web, state: "starting", host: "h1" }, null]],
  ["web was started; now it is paused on h2.", ["start-vm", { ...web, state: "paused" }, null]],
])("%s", (text, task) => {
  expect(taskEnd(...task)).toBe(text);
});

import { expect, test } from "vitest";
import { Backlog } from "./relay-backlog.ts";

test("[S25] what leaves at once says nothing of the peer, however much of it there is", () => {
  const backlog = new Backlog();
  const signs = Array.from({ length: 100 }, (_, i) => {
    backlog.wrote(true, i * 1_000);
    return backlog.left(i * 1_000 + 2);
  });
  expect(signs.filter((one) => one)).toEqual([]);
});

test("[S25] what had to wait left because the peer took what went before", () => {
  const backlog = new Backlog();
  backlog.wrote(false, 0);
  backlog.wrote(true, 100);
  backlog.wrote(true, 190);
  expect([backlog.left(200), backlog.left(900)]).toEqual([true, false]);
});

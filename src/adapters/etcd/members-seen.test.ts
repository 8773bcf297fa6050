import { expect, test } from "vitest";
import type { MemberHealth } from "./maintenance.ts";
import { watchMembers } from "./members-seen.ts";

test("a member of the store is up by its own answer, away without one, and not known before it was asked", async () => {
  let asked: (members: readonly MemberHealth[]) => void = () => undefined;
  const health = (): Promise<readonly MemberHealth[]> => {
    return new Promise((resolve) => {
      asked = resolve;
    });
  };
  const members = watchMembers({ health });
  expect(members.answers(["10.0.0.3"])).toBeUndefined();
  asked([
    { kind: "silent", endpoint: "https://10.0.0.3:2379", cause: "timeout" },
    { kind: "answered", endpoint: "https://10.0.0.1:2379" } as MemberHealth,
  ]);
  await expect.poll(() => members.answers(["10.0.0.3"])).toBe(false);
  expect([members.answers(["10.9.9.9", "10.0.0.1"]), members.answers(["10.9.9.9"])]).toEqual([true, undefined]);
  members.stop();
});

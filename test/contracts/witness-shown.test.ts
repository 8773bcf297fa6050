import { expect, test } from "vitest";
import { keys } from "../../src/model/keys.ts";
import { startApiHost } from "../support/api-host.ts";
import { begin } from "../support/cli-run.ts";
import { host } from "../support/records.ts";

test.each([
  [true, "up", "up; votes, runs no VMs"],
  [false, "silent", "away; votes, runs no VMs"],
  [undefined, "unknown", "not known; votes, runs no VMs"],
] as const)(
  "a witness is shown as what it is, by whether its member of the store answers: %s",
  async (answers, state, words) => {
    const asked: (readonly string[])[] = [];
    const memberAnswers = (addresses: readonly string[]): boolean | undefined => {
      asked.push(addresses);
      return answers;
    };
    const api = await startApiHost({ memberAnswers });
    const links = [{ kind: "management", address: "10.0.0.9", subnet: "10.0.0.0/24" }];
    await api.put(keys.member(host("w1")), {
      schema: 1,
      id: host("w1"),
      name: "w1",
      role: "witness",
      links,
      joinedAt: 0,
    });
    const holdfast = (...line: readonly string[]) => begin(line, { HOLDFAST_SOCKET: api.socket }).ended;
    const { hosts } = JSON.parse((await holdfast("host", "list", "--json")).out);
    expect(hosts.find(({ name }: { readonly name: string }) => name === "w1")).toMatchObject({
      role: "witness",
      state,
    });
    expect((await holdfast("host", "list")).out).toMatch(new RegExp(`w1 +witness +${words} +- +- +- +-`, "u"));
    expect((await holdfast("host", "show", "w1")).out).toContain(`State   ${words}`);
    expect((await holdfast("whatif", "host-loss", "w1")).err).toContain("is a witness, which runs no VMs");
    expect(asked[0]).toEqual(["10.0.0.9"]);
    await api.close();
  },
);

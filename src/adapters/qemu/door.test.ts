import { expect, test } from "vitest";
import { type KnockAnswer, knockAt, openDoors } from "./door.ts";

const knock = { cluster: "test", vm: "vm:web", epoch: 2 };
const access = { tls: null, to: "h2" as never, limitMs: 2_000, signal: new AbortController().signal };

async function knocking(open: (address: string) => KnockAnswer) {
  const asked: string[] = [];
  const { doors, close } = await openDoors({
    addresses: ["127.0.0.1", "127.0.0.2"],
    tls: null,
    from: "h1" as never,
    expects: knock,
    open: async (address) => {
      asked.push(address);
      return open(address);
    },
  });
  const answers: KnockAnswer[] = [];
  for (const door of [...doors, ...doors.slice(1)]) answers.push(await knockAt(door, knock, access));
  close();
  return { asked, answers };
}

test("whoever could not be let in at one address is, at the next; and nobody after that", async () => {
  const { asked, answers } = await knocking((address) =>
    address === "127.0.0.1" ? { no: "in use" } : { port: 49_152 },
  );
  expect(asked).toEqual(["127.0.0.1", "127.0.0.2"]);
  expect(answers).toEqual([{ no: "in use" }, { port: 49_152 }, { no: "somebody was here before" }]);
});

test("one is let in, once", async () => {
  const { asked, answers } = await knocking(() => ({ port: 49_152 }));
  expect(asked).toEqual(["127.0.0.1"]);
  expect(answers.map((answer) => "port" in answer)).toEqual([true, false, false]);
});

import { afterEach, beforeEach, expect, test } from "vitest";
import { type Group, runCli } from "../../src/cli/program.ts";
import { type ApiHost, startApiHost } from "../support/api-host.ts";

let api: ApiHost;
beforeEach(async () => {
  api = await startApiHost();
});
afterEach(async () => {
  await api.close();
});

/** A command that reads what a daemon of its own version would have answered; without `asks` it asks none. */
function readsMore(asks: boolean): Group {
  return (program, cli) => {
    program.command("more").action(async () => {
      const answer: object = asks ? await (await cli.session()).call((client) => client.cluster.status()) : {};
      const { later } = answer as { readonly later: { readonly field: string } };
      cli.io.out(later.field);
    });
  };
}

async function run(group: Group) {
  const out: string[] = [];
  const err: string[] = [];
  const io = {
    out: (text: string) => void out.push(text),
    err: (text: string) => void err.push(text),
    tty: false,
    env: { HOLDFAST_SOCKET: api.socket },
    stop: new AbortController().signal,
  };
  return { code: await runCli(["more"], io, [group]), out: out.join(""), err: err.join("") };
}

test("an answer that lacks what the command shows: its cause, the daemon's version and what helps, and no trace", async () => {
  const { code, out, err } = await run(readsMore(true));
  expect([code, out]).toEqual([3, ""]);
  expect(err).toMatch(/^Cause: .+calls its version 0\.0\.0-test \(.+, at cli-versions\.test\.ts:\d+\)/u);
  expect(err).toMatch(/\nRemedy: .+\nCode: +daemon-answer-not-understood\n$/u);
});

test("where no daemon was asked it is a mistake of the command's own, and not hidden", async () => {
  await expect(run(readsMore(false))).rejects.toThrow(TypeError);
});

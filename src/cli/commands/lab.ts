import { connect } from "node:net";
import { createInterface } from "node:readline";
import { findLabSocket } from "../find-socket.ts";
import { type Cli, examples, type Group } from "../program.ts";
import { fail } from "../trouble.ts";

export const labCommands: Group = (program, cli) => {
  const lab = program.command("lab").description("the test cluster on this machine (npm run lab)");
  lab.addHelpText("after", examples("holdfast lab status", "holdfast lab fault power-off --host h1"));
  lab
    .command("fault")
    .description("make a fault in the running lab, or heal one")
    .argument("<fault>", "such as power-off, power-on, cut, heal, freeze, thaw, kill, fill-disk")
    .option("--host <host>", "on this host")
    .option("--process <process>", "of this process, such as agent, heart, guard-a, etcd")
    .option("--link <link>", "of this link, such as management")
    .option("--rate <rate>", "how slow a slow link is")
    .option("--json", "print the lab's answer as JSON")
    .addHelpText(
      "after",
      examples(
        "holdfast lab fault power-off --host h1",
        "holdfast lab fault cut --host h2 --link management",
        "holdfast lab fault freeze --host h1 --process heart",
      ),
    )
    .action(async (fault, { json, ...where }) => {
      await ask(cli, { fault, ...where }, json === true);
    });
  lab
    .command("status")
    .description("the lab's hosts, VMs and faults in force")
    .option("--json", "print the lab's answer as JSON")
    .addHelpText("after", examples("holdfast lab status", "holdfast lab status --json"))
    .action(async ({ json }) => {
      await ask(cli, { status: true }, json === true);
    });
};

type Answer = Readonly<Record<string, unknown>>;

/** One line of JSON each way. The lab is a tool beside the product: its answers carry finished sentences. */
async function ask(cli: Cli, question: object, json: boolean): Promise<void> {
  const socket = await findLabSocket(cli.io);
  const answer = socket === undefined ? undefined : await exchange(socket, JSON.stringify(question));
  if (answer === undefined) throw fail("lab-not-running", {}, 3);
  const { ok, cause, effect, remedy, ...rest } = answer;
  if (json) cli.json(answer);
  if (ok === false || typeof cause === "string") {
    throw fail("lab-refused", { cause: text(cause), effect: text(effect), remedy: text(remedy) }, 1);
  }
  if (!json) cli.io.out(plain(rest));
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "The lab did not say.";
}

function plain(answer: Readonly<Record<string, unknown>>): string {
  const lines = Object.entries(answer).map(
    ([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}\n`,
  );
  return lines.length === 0 ? "Done.\n" : lines.join("");
}

function exchange(socket: string, line: string): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once("error", () => resolve(undefined));
    connection.once("close", () => resolve(undefined));
    const lines = createInterface({ input: connection });
    // readline passes the connection's own error on.
    lines.once("error", () => resolve(undefined));
    lines.once("line", (text) => {
      connection.end();
      resolve(parseAnswer(text));
    });
    connection.write(`${line}\n`);
  });
}

function parseAnswer(text: string): Answer | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null ? (parsed as Answer) : undefined;
  } catch {
    return undefined;
  }
}

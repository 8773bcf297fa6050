import { connect } from "node:net";
import { createInterface } from "node:readline";
import { findLabSocket } from "../find-socket.ts";
import { type Cli, examples, type Group } from "../program.ts";
import { fields } from "../text.ts";
import { fail } from "../trouble.ts";

export const labCommands: Group = (program, cli) => {
  const lab = program.command("lab").description("the test cluster on this machine (npm run lab)");
  lab.addHelpText("after", examples("holdfast lab status", "holdfast lab fault power-off h1"));
  lab.addHelpText(
    "after",
    "\nWhere several labs run, HOLDFAST_LAB names one: by its run id, its folder or its lab.sock.",
  );
  lab
    .command("fault")
    .description("make a fault in the running lab, or heal one; the lab's own start-up text lists all of them")
    .argument("<fault>", "such as power-off, power-on, cut, heal, freeze, thaw, kill, fill-disk")
    .argument("[host]", "on this host")
    .option("--process <process>", "of this process, such as agent, heart, guard-a, etcd, qemu:VM")
    .option("--link <link>", "of this link, such as management")
    .option("--rate <rate>", "how slow a slow link is")
    .option("--json", "print the lab's answer as JSON")
    .addHelpText(
      "after",
      examples(
        "holdfast lab fault power-off h1",
        "holdfast lab fault cut h2 --link management",
        "holdfast lab fault freeze h1 --process heart",
        "HOLDFAST_LAB=a1b2c3 holdfast lab fault heal   (where several labs run)",
      ),
    )
    .action(async (fault, host, { json, ...where }) => {
      await ask(cli, { fault, host, ...where }, json === true);
    });
  lab
    .command("status")
    .description("the lab's hosts and the faults in force")
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
  const { cause, effect, remedy } = answer;
  if (json) cli.json(answer);
  if (typeof cause === "string") {
    throw fail("lab-refused", { cause, effect: text(effect), remedy: text(remedy) }, 1);
  }
  if (!json) cli.io.out(plain(answer));
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "The lab did not say.";
}

/** A fault's answer is one sentence; the status is a table of names and what is with them. */
function plain(answer: Answer): string {
  if (typeof answer["done"] === "string") return `${answer["done"]}\n`;
  const said = (value: unknown) => (Array.isArray(value) ? value.join("; ") || "well" : text(value));
  return fields(Object.entries(answer).map(([name, value]) => [name, said(value)]));
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

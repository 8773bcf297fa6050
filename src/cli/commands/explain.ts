import type { EventOutput } from "../../api/contract/event.ts";
import { render } from "../../model/messages/index.ts";
import { wholeNumber } from "../numbers.ts";
import { examples, type Group, jsonOption } from "../program.ts";
import { alternativeText, fields, localTimes, moment, staleness } from "../text.ts";
import { openTasks, standing, stateText } from "./vm-show.ts";

export const explainCommands: Group = (program, cli) => {
  program
    .command("explain")
    .description("the last decisions about a VM: what, why, and what was not chosen")
    .argument("<vm>", "name or id")
    .option("--limit <n>", "how many decisions", wholeNumber, 10)
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast explain web", "holdfast explain web --limit 1 --json"))
    .action(async (name, { json, limit }) => {
      const answer = await (await cli.session()).call((client) => client.vm.explain({ vm: name, limit }));
      if (json === true) {
        cli.json(answer);
        return;
      }
      const { vm, decisions } = answer;
      const where = vm.host === null ? "" : ` on ${vm.host}`;
      cli.io.out(`${staleness(answer.asOfMs)}${vm.name} is wanted ${vm.requested}; it is ${stateText(vm)}${where}.\n`);
      const more = [...standing(vm), ...openTasks(vm)];
      if (more.length > 0) cli.io.out(fields(more));
      // What earlier decisions say below may long be over.
      cli.io.out((vm.down?.alternatives ?? []).map((other) => `  now ${alternativeText(other)}\n`).join(""));
      cli.io.out(
        decisions.length === 0 ? "No decision about it is on record.\n" : decisions.map(decisionText).join(""),
      );
    });
};

function decisionText(event: EventOutput): string {
  const told = render(event.type, localTimes(event.params));
  const lines = [`\n${moment(event.at)}  ${told.cause}`];
  const why = event.reason === null ? null : render(event.reason.code, event.reason.params);
  if (why !== null) lines.push(`  because  ${why.cause} (${event.reason?.rule})`);
  // What happened says it itself, or what it happened for does.
  const [effect, remedy] = [told.effect ?? why?.effect ?? null, told.remedy ?? why?.remedy ?? null];
  if (effect !== null) lines.push(`  effect   ${effect}`);
  if (remedy !== null) lines.push(`  remedy   ${remedy}`);
  for (const other of event.alternatives) lines.push(`  ${alternativeText(other)} (${other.why.rule})`);
  return `${lines.join("\n")}\n`;
}

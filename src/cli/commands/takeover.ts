import type { TakeoverOutput } from "../../api/contract/takeover.ts";
import { render } from "../../model/messages/index.ts";
import { type Cli, examples, type Group } from "../program.ts";
import { fail } from "../trouble.ts";

/** S23, S24: for the night in which the store has no majority any more. */
export function takeoverCommand(cluster: Parameters<Group>[0], cli: Cli): void {
  cluster
    .command("takeover")
    .description("go on with this host alone, where the other members are off and the store does not serve any more")
    .option("--peer-is-off", "of a cluster of two: the other host is off")
    .option("--others-are-off", "of a larger one: all other members are off")
    .option("--word <word>", "typed where no power controller confirms it: NAME-off, or NAME-and-NAME-off")
    .option("--accept", "you have seen what the VMs that start here may lack")
    .option("--dry-run", "show what would start and what would not; nothing is changed")
    .option("--json", "print the answer as JSON")
    .addHelpText(
      "after",
      examples(
        "holdfast cluster takeover --peer-is-off --dry-run",
        "holdfast cluster takeover --peer-is-off",
        "holdfast cluster takeover --peer-is-off --accept",
        "holdfast cluster takeover --peer-is-off --word h1-off",
        "holdfast cluster takeover --others-are-off --word h1-and-h3-off",
      ),
    )
    .action(async ({ json, peerIsOff, othersAreOff, word, accept, dryRun }) => {
      if ((peerIsOff === true) === (othersAreOff === true)) throw fail("takeover-claim-missing", {}, 2);
      const claim = peerIsOff === true ? "peer-is-off" : "others-are-off";
      // Not repeated by itself: each attempt may cut somebody's power.
      const session = await cli.session();
      const answer = await session.call((client) => client.cluster.takeover({ claim, word, accept, dryRun }));
      if (json === true) cli.json(answer);
      else cli.io.out(takeoverText(answer));
    });
}

function takeoverText({ lost, vms, done }: TakeoverOutput): string {
  const names = lost.map(({ name }) => name).join(" and ");
  const head = done ? `The store goes on without ${names}.` : `The store would go on without ${names}.`;
  const how = lost.map(({ name, proof, device }) => `  ${name} ${howOff(proof, device)}\n`);
  const starts = vms.filter(({ why }) => why === null);
  const stays = vms.filter(({ why }) => why !== null);
  const lines = [
    ...starts.map(({ name, from, loss }) => {
      const lacks = loss === null ? "" : `: ${wordsOf(loss)}`;
      return `  ${name} (${from.name}) starts here${lacks}`;
    }),
    ...stays.map(({ name, from, why }) => `  ${name} (${from.name}) does not: ${why === null ? "" : wordsOf(why)}`),
  ];
  const risk =
    starts.length === 0
      ? ""
      : "What such a VM was answered after this host had last heard of the other one is not known here (S21).\n";
  // Of more than two, a majority needs nobody in particular.
  const apart =
    lost.length < 2
      ? ""
      : "The others may have decided more without this host. `holdfast group failover GROUP` says what to accept\n" +
        "where a copy here is to be taken; where they have copies of this host's own VMs, those stay as branches (`holdfast branch list`).\n";
  return [head, "\n", ...how, lines.length === 0 ? "  No VM was there.\n" : `${lines.join("\n")}\n`, risk, apart].join(
    "",
  );
}

function howOff(proof: TakeoverOutput["lost"][number]["proof"], device: boolean): string {
  if (proof === "word") return "is off: by your word";
  if (proof === "power-off") return "is off: its power controller has switched it off, and says so";
  return device
    ? "would be switched off first, by its power controller"
    : "has no power controller: your word is asked for";
}

function wordsOf(why: NonNullable<TakeoverOutput["vms"][number]["why"]>): string {
  return render(why.code, why.params).cause;
}

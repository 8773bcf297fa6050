import { wholeNumber } from "../numbers.ts";
import { acceptOption, examples, type Group, jsonOption } from "../program.ts";
import { orDash, staleness, table } from "../text.ts";

export const poolCommands: Group = (program, cli) => {
  const pool = program.command("pool").description("where disks lie");
  pool.addHelpText("after", examples("holdfast pool list"));
  pool
    .command("list")
    .description("all pools, what is promised in them and what the hosts find free")
    .option(...jsonOption)
    .addHelpText("after", examples("holdfast pool list", "holdfast pool list --json"))
    .action(async (options) => {
      const answer = await (await cli.session()).call((client) => client.pool.list());
      if (options.json === true) {
        cli.json(answer);
        return;
      }
      const rows = answer.pools.map((one) => [
        one.name,
        one.kind,
        one.path,
        `${one.promisedMiB}/${orDash(one.quotaMiB)}`,
        one.hosts.map((host) => `${host.host}: ${host.unfit ?? host.freeMiB}`).join(", ") || "-",
      ]);
      cli.io.out(staleness(answer.asOfMs) + table(["POOL", "KIND", "PATH", "PROMISED/QUOTA MIB", "FREE MIB"], rows));
    });
  pool
    .command("set")
    .description("change what may lie in a pool")
    .argument("<pool>", "name or id")
    .requiredOption("--quota <MiB>", "what all disks in it may grow to in sum; 0: what the storage has", wholeNumber)
    .option(...acceptOption)
    .option("--json", "print the pool as JSON")
    .addHelpText("after", examples("holdfast pool set shared --quota 20000", "holdfast pool set shared --quota 0"))
    .action(async (name, { quota, accept, json }) => {
      const quotaMiB = quota === 0 ? null : quota;
      const answer = await (await cli.session()).change((client, requestId) =>
        client.pool.set({ pool: name, quotaMiB, accept, requestId }),
      );
      if (json === true) cli.json(answer);
      else cli.io.out(`${answer.name}: ${answer.promisedMiB} of ${orDash(answer.quotaMiB)} MiB are promised.\n`);
    });
};

import { closers, printRow, runAsCommand } from "./bench-run.ts";
import { measureCopies } from "./replication/copies.ts";
import { type Loss, loseSource } from "./replication/cycles.ts";
import { median, type Row, rowOf } from "./replication/measure.ts";
import { help, type Options, type Part, parseOptions } from "./replication/options.ts";
import { openRig } from "./replication/rig.ts";
import { switchoverGaps } from "./replication/switchover.ts";

function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function measureSwitchovers({ trials }: Options, tell: (row: Row) => void): Promise<void> {
  const before = closers.length;
  const { ours, raw } = await switchoverGaps(trials, log, (close) => void closers.push(close));
  tell(rowOf("switchover gap, ms p50", median(ours), median(raw)));
  for (const close of closers.splice(before).reverse()) await close();
}

async function measureCycles({ trials, sizeMiB }: Options, tell: (row: Row) => void): Promise<void> {
  const losses: Loss[] = [];
  for (let trial = 0; trial < trials; trial++) {
    const rig = openRig(sizeMiB);
    closers.push(rig.close);
    const loss = await loseSource(rig);
    losses.push(loss);
    rig.close();
    log(`loss of the source ${trial + 1}: ${loss.lostS.toFixed(2)} s of writes, bound ${loss.boundS.toFixed(2)} s`);
  }
  const worst = losses.reduce((a, b) => (b.lostS / b.boundS > a.lostS / a.boundS ? b : a));
  tell(rowOf("lost with the source, cycles every 5 s, s by its bound", worst.lostS, worst.boundS));
}

async function runBench(options: Options): Promise<number> {
  const tell = (row: Row): void => printRow(row, options.json);
  const measures: Readonly<Record<Part, () => Promise<void>>> = {
    copy: () => measureCopies(options, log, tell),
    switchover: () => measureSwitchovers(options, tell),
    cycles: () => measureCycles(options, tell),
  };
  for (const part of options.parts) await measures[part]();
  return 0;
}

await runAsCommand(help, (args) => runBench(parseOptions(args)));

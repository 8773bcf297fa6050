import { type Cluster, type Layout, openCluster } from "./cluster.ts";
import { serveControl } from "./control.ts";
import { faultCommand } from "./fault-command.ts";
import { faultMenu, faultNames, usage } from "./fault-menu.ts";
import { describeError } from "./lab-error.ts";
import { flag, oneOf, onSignals, parseWords, text, textOr, wholeNumber } from "./options.ts";
import { checkDemo, checkPort } from "./readiness.ts";
import { readRecords } from "./record.ts";
import { daemons, daemonsBeside, openSession } from "./session.ts";
import { checkMachine } from "./world.ts";

const help = `Turns this machine into a cluster of test hosts. Needs root.

  npm run lab [-- OPTIONS]      start; Ctrl-C ends it and cleans up
  npm run lab -- fault …        make trouble in a running lab

  --demo               play a failover and end; exit code 0: it went well
  --hosts N            hosts (default 3; fewer bear no loss)
  --layout NAME        hosts (all alike); pair: two with local pools, and a witness, the first VM is protected;
                       two: the same without a witness, see holdfast cluster takeover --help
  --port N             port of the first VM's page on 127.0.0.1 (default: a free one)
  --profile NAME       default (takeover after about 5.6 s) or fast (3.6 s)
  --accel NAME         auto, kvm or tcg
  --keep               leave the hosts' logs and disks`;

type Options = {
  readonly demo: boolean;
  readonly hosts: number;
  readonly layout: Layout;
  readonly port: number;
  readonly profile: "default" | "fast";
  readonly accel: "auto" | "kvm" | "tcg";
  readonly keep: boolean;
};

const nothing = "Nothing was started.";

/** Of a layout that fixes it, the witness included. */
const hostsOf: Readonly<Partial<Record<Layout, number>>> = { pair: 3, two: 2 };

/** Throws `LabError` for what it does not know. */
function parseOptions(args: readonly string[]): Options {
  const options = {
    ...{ demo: flag, keep: flag, port: text },
    ...{ hosts: textOr("3"), layout: textOr("hosts"), profile: textOr("default"), accel: textOr("auto") },
  };
  const values = parseWords(args, options, nothing);
  const layout = oneOf("layout", values.layout, ["hosts", "pair", "two"], nothing);
  return {
    demo: values.demo,
    keep: values.keep,
    layout,
    hosts: hostsOf[layout] ?? wholeNumber("hosts", values.hosts, { min: 1, max: 16 }, nothing),
    port: values.port === undefined ? 0 : wholeNumber("port", values.port, { min: 1, max: 65_535 }, nothing),
    profile: oneOf("profile", values.profile, ["default", "fast"], nothing),
    accel: oneOf("accel", values.accel, ["auto", "kvm", "tcg"], nothing),
  };
}

const started = performance.now();
function show(line: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(7);
  process.stdout.write(`${seconds}  ${line}\n`);
}

/** What has to end before the process may; the newest first. */
const closers: (() => Promise<void> | void)[] = [];
let ending = false;
/** Set once there is something to remove. */
let lastWord: string | undefined;

/** Cleans up once, whatever asks for it; a second Ctrl-C does not cut it short. */
async function end(code: number): Promise<void> {
  if (ending) return;
  ending = true;
  for (const close of closers.reverse()) {
    try {
      await close();
    } catch (error) {
      process.stderr.write(`${describeError(error)}\n`);
      lastWord = undefined; // something is left, and that was said
    }
  }
  const said = lastWord;
  // The newest exit handler is the last to run; whose record is still there has left something, and that was said.
  const isLeft = (): boolean => readRecords().some(({ pid }) => pid === process.pid);
  if (said !== undefined) process.once("exit", () => (isLeft() ? undefined : show(said)));
  process.exit(code); // what was made in mid-start is removed by the world's own exit handler
}

function fail(error: unknown): void {
  process.stderr.write(`${describeError(error)}\n`);
  void end(1);
}

function endOnSignals(): void {
  onSignals((code) => void end(code));
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  // The reader of a pipe went away: nobody watches this lab any more.
  process.stdout.on("error", () => void end(1));
}

/** What a lab of so few hosts cannot show. */
function fewHostsWarning(hosts: number): readonly string[] {
  if (hosts > 2) return [];
  const what =
    hosts === 1
      ? "one host bears no loss: nobody is left to take its VMs."
      : "two hosts without a witness bear no loss: with one gone the other has no majority, and its VMs freeze.";
  return [`Warning: ${what}`, "For a takeover give --hosts 3 or more."];
}

async function runLab(options: Options): Promise<void> {
  endOnSignals();
  if (options.demo) checkDemo(options.hosts);
  await checkMachine(options);
  await checkPort(options.port);
  lastWord = options.keep
    ? "The lab has ended; only its folder is left."
    : "The lab has ended; everything of it was removed.";
  show(`Starting ${options.hosts === 1 ? "1 host" : `${options.hosts} hosts`} …`);
  if (options.layout === "hosts") for (const line of fewHostsWarning(options.hosts)) show(line);
  const { hosts, layout, profile, accel, keep } = options;
  const programs = layout === "pair" ? daemonsBeside(`h${hosts}`) : daemons;
  const cluster = await openCluster({ hosts, layout, profile, accel, keep, log: show, daemons: programs });
  closers.push(() => cluster.world.close());
  closers.push(await serveControl(cluster.world));
  const session = openSession(cluster, show, layout);
  closers.push(() => session.stop());
  const page = await cluster.world.reach.forward(() => session.page(), options.port);
  for (const line of await session.start()) show(line);
  show(`The first VM's page: http://127.0.0.1:${page.port}/`);
  show(`Logs: ${cluster.world.dir}/HOST/log`);
  show(`To ask one host: ./holdfast --socket ${cluster.world.dir}/HOST/run/api.sock …`);
  if (options.demo) await end(await session.demo());
  else showFaults(cluster);
}

function showFaults(cluster: Cluster): void {
  const width = Math.max(...faultNames.map((name) => usage(name).length));
  const lines = faultNames.map((name) => `  ${usage(name).padEnd(width)}  ${faultMenu[name].help}`);
  const programs = cluster.world.hosts[0]?.programNames().join(", ") ?? "";
  const text = [
    "",
    "Make trouble from another terminal:",
    ...lines,
    `  PROCESS: ${programs}, qemu:VM`,
    "Ctrl-C ends the lab.",
    "",
  ];
  process.stdout.write(`${text.join("\n")}\n`);
}

const [first, ...rest] = process.argv.slice(2);
if (first === "--help" || first === "-h") process.stdout.write(`${help}\n`);
else if (first === "fault") process.exitCode = await faultCommand(rest);
else {
  try {
    await runLab(parseOptions(process.argv.slice(2)));
  } catch (error) {
    fail(error);
  }
}

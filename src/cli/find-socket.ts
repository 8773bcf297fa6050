import { readdirSync, readFileSync, statSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { basename, dirname, join } from "node:path";
import type { Io } from "./io.ts";
import { fail } from "./trouble.ts";

export const defaultSocket = "/run/holdfast/api.sock";
/** Where labs leave a record each, as long as they run (lab/record.ts). */
const labRecords = "/run/holdfast-lab";
const probeMs = 700;
/** A host that heard from the store this lately is as good as any other. */
const freshMs = 2_000;

/** A lab that answers: its folder holds `lab.sock` and, per host, `HOST/run/api.sock`. */
export type FoundLab = { readonly run: string; readonly folder: string };

/** The option, else the environment, else this host's own daemon, else a host of the lab on this machine. */
export async function findSocket(io: Io, option: string | undefined, records = labRecords): Promise<string> {
  const given = option ?? io.env.HOLDFAST_SOCKET;
  if (given !== undefined && given !== "") return given;
  if (isUnset(io.env.HOLDFAST_LAB) && (await answers(defaultSocket))) return defaultSocket;
  const lab = await findLab(io, records);
  return lab === undefined ? defaultSocket : hostSocket(lab.folder);
}

/** The control socket of the lab; undefined: none runs. Throws `CliTrouble` where several do, and none was named. */
export async function findLabSocket(io: Io, records = labRecords): Promise<string | undefined> {
  const lab = await findLab(io, records);
  return lab === undefined ? undefined : join(lab.folder, "lab.sock");
}

/** HOLDFAST_LAB names a lab by its run id, its folder or its control socket; without it there must be only one. */
async function findLab(io: Io, records: string): Promise<FoundLab | undefined> {
  const wanted = io.env.HOLDFAST_LAB;
  const named = isUnset(wanted) || !wanted.includes("/") ? undefined : labAt(wanted);
  if (named !== undefined && (await isThere(named))) return named;
  const running = await runningLabs(records);
  const runs = running.map((lab) => lab.run).join(", ");
  if (!isUnset(wanted)) {
    const found = running.find((lab) => lab.run === wanted);
    if (found === undefined) throw fail("lab-unknown", { run: wanted, runs: runs === "" ? "none" : runs }, 3);
    return found;
  }
  if (running.length > 1) throw fail("labs-several", { runs }, 2);
  return running[0];
}

/** One whose hosts are there can be asked, whether or not it takes faults. */
async function isThere({ folder }: FoundLab): Promise<boolean> {
  return hostNames(folder).length > 0 || (await answers(join(folder, "lab.sock")));
}

function labAt(path: string): FoundLab {
  const folder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? path : dirname(path);
  return { run: basename(folder), folder };
}

function isUnset(text: string | undefined): text is undefined | "" {
  return text === undefined || text === "";
}

async function runningLabs(records: string): Promise<readonly FoundLab[]> {
  const known = recordNames(records).flatMap((name) => readRecord(join(records, name)));
  const alive = await Promise.all(known.map((lab) => answers(join(lab.folder, "lab.sock"))));
  return known.filter((_, i) => alive[i]);
}

function recordNames(records: string): readonly string[] {
  try {
    return readdirSync(records)
      .filter((name) => name.endsWith(".json"))
      .sort();
  } catch (error) {
    // Labs belong to root: for anybody else one may well be running.
    if (error instanceof Error && "code" in error && error.code === "EACCES")
      throw fail("socket-forbidden", { socket: records }, 3);
    return [];
  }
}

function readRecord(path: string): FoundLab[] {
  try {
    const { run, dir }: { run?: unknown; dir?: unknown } = JSON.parse(readFileSync(path, "utf8"));
    return typeof run === "string" && typeof dir === "string" ? [{ run, folder: dir }] : [];
  } catch {
    return []; // ended meanwhile, or just being written
  }
}

/** Of the lab's hosts the first that answers and hears the store; else the one that heard from it last. */
async function hostSocket(folder: string): Promise<string> {
  const sockets = hostNames(folder).map((host) => join(folder, host, "run", "api.sock"));
  const ages = await Promise.all(sockets.map(ageOfAnswers));
  const answering = sockets.flatMap((socket, i) => {
    const age = ages[i];
    return age === undefined ? [] : [{ socket, age: Math.max(age, freshMs) }];
  });
  const [best] = answering.sort((a, b) => a.age - b.age);
  return best?.socket ?? sockets[0] ?? defaultSocket;
}

/** h2 before h10. */
function hostNames(folder: string): readonly string[] {
  const isHost = (name: string) =>
    statSync(join(folder, name, "run"), { throwIfNoEntry: false })?.isDirectory() === true;
  return entries(folder)
    .filter(isHost)
    .sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
}

/** A lab that ends meanwhile has none. */
function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** How long ago the daemon behind `socket` heard from the store; undefined: it does not answer. */
function ageOfAnswers(socket: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const asked = request({
      socketPath: socket,
      path: "/api/hosts",
      agent: false,
      signal: AbortSignal.timeout(probeMs),
    });
    asked.once("error", () => resolve(undefined));
    asked.once("response", (answer) => {
      let text = "";
      answer.on("data", (piece) => {
        text += piece;
      });
      answer.once("error", () => resolve(undefined));
      answer.once("end", () => resolve(ageIn(text)));
    });
    asked.end();
  });
}

function ageIn(text: string): number | undefined {
  try {
    const { asOfMs }: { asOfMs?: unknown } = JSON.parse(text);
    return typeof asOfMs === "number" ? asOfMs : Number.MAX_SAFE_INTEGER;
  } catch {
    return undefined;
  }
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    const end = (answer: boolean) => {
      probe.destroy();
      resolve(answer);
    };
    probe.setTimeout(probeMs, () => end(false));
    probe.once("connect", () => end(true));
    probe.once("error", () => end(false));
  });
}

import { readdirSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { Io } from "./io.ts";

export const defaultSocket = "/run/holdfast/api.sock";
const labRoot = "/run/holdfast-lab";
const probeMs = 500;

/** The option, else the environment, else this host's own daemon, else a host of the newest lab on this machine. */
export async function findSocket(io: Io, option: string | undefined): Promise<string> {
  const given = option ?? io.env.HOLDFAST_SOCKET;
  if (given !== undefined && given !== "") return given;
  if (await answers(defaultSocket)) return defaultSocket;
  for (const lab of labsNewestFirst()) {
    for (const socket of socketsBelow(lab, "api.sock", 3)) if (await answers(socket)) return socket;
  }
  return defaultSocket;
}

/** The control socket of the newest lab that answers. */
export async function findLabSocket(io: Io): Promise<string | undefined> {
  const given = io.env.HOLDFAST_LAB;
  if (given !== undefined && given !== "") return given;
  for (const lab of labsNewestFirst()) {
    const socket = join(lab, "lab.sock");
    if (await answers(socket)) return socket;
  }
  return undefined;
}

function labsNewestFirst(): string[] {
  return entries(labRoot)
    .map((name) => join(labRoot, name))
    .map((path) => ({ path, at: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => b.at - a.at)
    .map(({ path }) => path);
}

function socketsBelow(folder: string, name: string, depth: number): string[] {
  return entries(folder).flatMap((entry) => {
    const path = join(folder, entry);
    if (entry === name) return [path];
    const isFolder = depth > 1 && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
    return isFolder ? socketsBelow(path, name, depth - 1) : [];
  });
}

/** In code-unit order; a folder that is not there or not readable has none. */
function entries(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
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

import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { PointProof, ProofCheck } from "../../model/point-proof.ts";
import { pingGuest } from "./guest-health.ts";
import type { Qmp } from "./qmp.ts";
import type { RunPaths } from "./run-folder.ts";

/** A guest that was booted to be looked at. `port`: of this host's loopback, where its HTTP is. */
export type Booted = {
  /** Undefined: QEMU never answered. */
  readonly qmp: Qmp | undefined;
  readonly port: number;
  readonly paths: RunPaths;
  readonly isOver: () => boolean;
  /** Of this process's clock. */
  readonly giveUpAt: number;
};
type Checked = PointProof["checks"][number];

const limits = { tryMs: 2_000, pollMs: 100, bodyBytesMax: 1024 * 1024 } as const;

/** One after the other, each again and again until it is passed, or there is no more time. */
export async function checkBooted(booted: Booted, checks: readonly ProofCheck[]): Promise<readonly Checked[]> {
  const { qmp } = booted;
  if (qmp === undefined) {
    const said = readText(booted.paths.log).trim().split("\n").at(-1) ?? "";
    const unseen = checks.map(({ kind }) => ({ kind, passed: false, detail: "QEMU did not answer" }));
    return [{ kind: "boot", passed: false, detail: said === "" ? "QEMU did not answer" : said }, ...unseen];
  }
  const found: Checked[] = [];
  for (const check of checks) found.push(await untilPassed(booted, check.kind, () => look(booted, qmp, check)));
  const status = await qmp.execute("query-status");
  const executes = status.kind === "done" && (status.value as { running?: unknown }).running === true;
  return [
    { kind: "boot", passed: executes, detail: executes ? "its guest executes" : "its guest stands still" },
    ...found,
  ];
}

async function untilPassed(
  { isOver, giveUpAt }: Booted,
  kind: string,
  once: () => Promise<string | undefined>,
): Promise<Checked> {
  for (;;) {
    const trouble = await once().catch((error: unknown) => String(error));
    if (trouble === undefined) return { kind, passed: true, detail: "" };
    if (isOver()) return { kind, passed: false, detail: `its QEMU ended; before that: ${trouble}` };
    if (performance.now() >= giveUpAt) return { kind, passed: false, detail: trouble };
    await sleep(limits.pollMs);
  }
}

/** Undefined: passed. */
async function look(booted: Booted, qmp: Qmp, check: ProofCheck): Promise<string | undefined> {
  switch (check.kind) {
    case "http":
      return withAddressHint(await askHttp(booted.port, check.path, check.text), check.address);
    case "agent":
      return (await pingGuest(booted.paths.agent, limits.tryMs)) ? undefined : "its guest agent does not answer";
    case "screen":
      return lookAtScreen(booted, qmp);
  }
}

/** A guest with an address of its own never asks for one, and is not found where nobody named it. */
export function withAddressHint(trouble: string | undefined, address: string | null): string | undefined {
  if (trouble === undefined || address !== null || trouble.startsWith("HTTP answers")) return trouble;
  return `${trouble}; no address was named, so that only a guest that asks for one is found: name that of any other with --http-address, or --test-http-address for the tests of a group`;
}

function askHttp(port: number, path: string, text: string | null): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asked = httpRequest({ host: "127.0.0.1", port, path, timeout: limits.tryMs }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (data: string) => {
        body = (body + data).slice(0, limits.bodyBytesMax);
      });
      response.on("end", () => {
        const status = response.statusCode ?? 0;
        if (status >= 400) resolve(`HTTP answers ${status}`);
        else resolve(text === null || body.includes(text) ? undefined : "HTTP answers without the text");
      });
      response.on("error", (error) => resolve(error.message));
    });
    asked.on("timeout", () => asked.destroy(new Error("HTTP does not answer")));
    asked.on("error", (error) => resolve(error.message));
    asked.end();
  });
}

/** A black screen, or one of any other single colour, shows nothing. */
async function lookAtScreen({ paths }: Booted, qmp: Qmp): Promise<string | undefined> {
  const filename = join(paths.folder, "screen.ppm");
  const end = await qmp.execute("screendump", { filename });
  if (end.kind !== "done") return "QEMU takes no picture of its screen";
  const picture = readFileSync(filename);
  const pixels = picture.subarray(headBytes(picture));
  const first = pixels.subarray(0, 3);
  for (let i = 3; i + 2 < pixels.length; i += 3)
    if (pixels[i] !== first[0] || pixels[i + 1] !== first[1] || pixels[i + 2] !== first[2]) return undefined;
  return "its screen is of one colour";
}

/** `P6`, width, height and the greatest value, each with one white space after it. */
function headBytes(picture: Buffer): number {
  return /^P6\s+\d+\s+\d+\s+\d+\s/u.exec(picture.toString("latin1", 0, 64))?.[0].length ?? 0;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { type GuestCpu, guestCpuSchema } from "../../model/host-records.ts";
import { parseJson } from "../../model/json.ts";

export type GuestCpuOptions = {
  readonly accel: "kvm" | "tcg";
  /** Of QEMU: another one is asked anew. */
  readonly version: string;
  /** Remembers the answer for this boot of this host. */
  readonly cacheFile: string;
  readonly binary?: string;
};

/** It answers within a tenth of a second; what hangs is not waited for. */
const askLimitMs = 10_000;
const cacheSchema = z.object({ key: z.string(), cpu: guestCpuSchema });
const definitionsSchema = z.array(
  z.object({ name: z.string(), "unavailable-features": z.array(z.string()).default([]) }),
);
const expansionSchema = z.object({ model: z.object({ props: z.record(z.string(), z.unknown()) }) });
/** Properties of the CPU object that are no features of a processor. */
const noFlags =
  /^(?:x-|hv-|kvm|legacy-|full-|fill-|tcg-|vmware-)|^(?:acpi|check|cpuid-0xb|enforce|hotpluggable|hotplugged|i64|l3-cache|lmce|migratable|pmu|realized|start-powered-off|cr8legacy)$/u;

/**
 * What guests can be shown of this host's processor, asked of a QEMU that runs no guest: once for each boot and version.
 * Undefined: it could not be asked, and is asked again at the next start.
 */
export async function readGuestCpu(options: GuestCpuOptions): Promise<GuestCpu | undefined> {
  const boot = readText("/proc/sys/kernel/random/boot_id");
  const key = `${boot.trim()} ${options.version} ${options.accel}`;
  const cached = cacheSchema.safeParse(parseJson(readText(options.cacheFile)));
  if (cached.success && cached.data.key === key) return cached.data.cpu;
  const cpu = await ask(options);
  if (cpu !== undefined) remember(options.cacheFile, { key, cpu });
  return cpu;
}

async function ask({ accel, binary = "qemu-system-x86_64" }: GuestCpuOptions): Promise<GuestCpu | undefined> {
  const args = [
    ["-no-user-config", "-nodefaults", "-display", "none", "-machine", "q35", "-m", "16"],
    ["-accel", accel, "-S", "-qmp", "stdio"],
  ].flat();
  const child = spawn(binary, args, { stdio: ["pipe", "pipe", "ignore"] });
  const limit = setTimeout(() => child.kill("SIGKILL"), askLimitMs);
  child.on("error", () => undefined);
  // It may be gone before it is told anything.
  child.stdin.on("error", () => undefined);
  try {
    return await converse(child.stdout, (command) => child.stdin.write(`${JSON.stringify(command)}\n`), accel);
  } catch {
    return undefined;
  } finally {
    clearTimeout(limit);
    child.kill("SIGKILL");
  }
}

type Say = (command: { readonly execute: string; readonly arguments?: object }) => void;

async function converse(from: NodeJS.ReadableStream, say: Say, accel: "kvm" | "tcg"): Promise<GuestCpu> {
  const lines = createInterface({ input: from })[Symbol.asyncIterator]();
  const answer = async (): Promise<unknown> => {
    for (;;) {
      const { done, value } = await lines.next();
      if (done === true) throw new Error("QEMU ended");
      const said = z.object({ return: z.unknown() }).safeParse(parseJson(String(value)));
      if (said.success && said.data.return !== undefined) return said.data.return;
      if (String(value).startsWith('{"error"')) throw new Error(String(value));
    }
  };
  say({ execute: "qmp_capabilities" });
  await answer();
  say({ execute: "query-cpu-definitions" });
  const definitions = definitionsSchema.parse(await answer());
  const name = accel === "kvm" ? "host" : "max";
  say({ execute: "query-cpu-model-expansion", arguments: { type: "full", model: { name } } });
  const { props } = expansionSchema.parse(await answer()).model;
  return toGuestCpu(definitions, props);
}

function toGuestCpu(definitions: z.infer<typeof definitionsSchema>, props: Record<string, unknown>): GuestCpu {
  const flags = Object.keys(props).filter((name) => props[name] === true && !noFlags.test(name) && !name.includes("_"));
  // The names that people use stand for one version each; which one is the same for all machines of one type.
  const named = definitions.filter(({ name }) => !/-v\d+$/u.test(name) && !["host", "max", "base"].includes(name));
  const models = named.map((model) => [model.name, [...new Set(model["unavailable-features"])].sort()] as const);
  return { vendor: String(props["vendor"] ?? ""), flags: flags.sort(), models: Object.fromEntries(models.sort()) };
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function remember(file: string, value: z.infer<typeof cacheSchema>): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(`${file}.new`, JSON.stringify(value));
    renameSync(`${file}.new`, file);
  } catch {
    // Asked again at the next start.
  }
}

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseGuardLine } from "../../src/adapters/linux/guard-client.ts";
import type { Incarnation } from "../../src/model/ids.ts";
import type { GuardName, GuardSays } from "../../src/ports/guard.ts";
import type { GuardWorld, TestVm } from "../contracts/guard-suite.ts";
import { cgroupEvent, makeCgroup, removeCgroup } from "./cgroup.ts";

const root = join(import.meta.dirname, "..", "..");
const program = join(root, ".build", "holdfast-guard");
const limitMs = 20_000;

/** Compiles the guard where needed; throws its cause and remedy. */
export function guardProgram(): string {
  const built = spawnSync(process.execPath, [join(root, "tools", "build-guard.mjs")], { encoding: "utf8" });
  if (built.status !== 0) throw new Error(built.stderr);
  return program;
}

export async function waitFor(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`Waited in vain for ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

type Line = { readonly socket: Socket; readonly heard: GuardSays[]; readonly errors: string[] };
type RealVm = TestVm & { readonly pid: number; folder: string };

/** Real guards on cgroups and a run folder of their own. */
export class RealGuards implements GuardWorld {
  readonly marginMs = 600;
  readonly deadlineMs: number;
  readonly runDir: string;
  readonly cgroup: string;
  readonly complaints: string[] = [];
  readonly #processes = new Map<GuardName, ChildProcess>();
  readonly #lines = new Map<GuardName, Line>();
  readonly #vms: RealVm[] = [];

  constructor(deadlineMs = 1_500) {
    guardProgram();
    this.deadlineMs = deadlineMs;
    this.cgroup = makeCgroup(`holdfast-test-${randomBytes(6).toString("hex")}`);
    this.runDir = mkdtempSync(join(tmpdir(), "holdfast-guard-"));
  }

  get runsFolder(): string {
    return join(this.cgroup, "a", "b");
  }

  level(name: GuardName): string {
    return name === "a" ? join(this.cgroup, "a") : this.runsFolder;
  }

  start(name: GuardName, more: readonly string[] = []): void {
    const options = {
      "--name": name,
      "--level": this.level(name),
      "--runs": this.runsFolder,
      "--run-dir": this.runDir,
      "--deadline-ms": `${this.deadlineMs}`,
      "--margin-ms": `${this.marginMs}`,
    };
    const child = spawn(program, [...Object.entries(options).flat(), ...more], { stdio: ["ignore", "ignore", "pipe"] });
    child.stderr.on("data", (text) => this.complaints.push(`${text}`));
    this.#processes.set(name, child);
  }

  process(name: GuardName): ChildProcess {
    const child = this.#processes.get(name);
    if (child === undefined) throw new Error(`Guard ${name} was not started`);
    return child;
  }

  async #end(name: GuardName, signal: NodeJS.Signals): Promise<void> {
    const child = this.process(name);
    child.kill(signal);
    await waitFor(`guard ${name} ends`, () => child.exitCode !== null || child.signalCode !== null);
  }

  kill(name: GuardName): Promise<void> {
    return this.#end(name, "SIGKILL");
  }

  terminate(name: GuardName): Promise<void> {
    return this.#end(name, "SIGTERM");
  }

  pause(name: GuardName): void {
    this.process(name).kill("SIGSTOP");
  }

  resume(name: GuardName): void {
    this.process(name).kill("SIGCONT");
  }

  /** A plain line that does not come back by itself; it waits for the guard's socket. */
  connect(name: GuardName) {
    const heard: GuardSays[] = [];
    const errors: string[] = [];
    let line = this.#dial(name, heard, errors);
    let early: string[] | null = [];
    const retry = (): void => {
      if (early === null) return;
      line = this.#dial(name, heard, errors);
      arm();
    };
    const arm = (): void => {
      line.socket.once("connect", () => {
        for (const text of early ?? []) line.socket.write(text);
        early = null;
      });
      line.socket.once("error", () => setTimeout(retry, 5));
    };
    arm();
    const send = (text: string): void => {
      if (early === null) line.socket.write(`${text}\n`);
      else early.push(`${text}\n`);
    };
    return {
      name,
      incarnation: (incarnation: Incarnation) => send(`incarnation ${incarnation}`),
      stamp: (stamp: number) => send(`stamp ${stamp}`),
      committed: (stamp: number) => send(`committed ${stamp}`),
      freeze: () => send("freeze"),
      /** Sends text as it is, for what no heart would say. */
      raw: (text: string) => send(text),
      close: () => line.socket.end(),
    };
  }

  #dial(name: GuardName, heard: GuardSays[], errors: string[]): Line {
    const socket = connect(join(this.runDir, `guard-${name}.sock`));
    const line = { socket, heard, errors };
    this.#lines.set(name, line);
    let rest = "";
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      const parts = `${rest}${bytes}`.split("\n");
      rest = parts.pop() ?? "";
      for (const part of parts) {
        const says = parseGuardLine(part);
        if (says === undefined) throw new Error(`Guard ${name} said what is no protocol: ${part}`);
        if (says.kind === "error") errors.push(says.cause);
        else heard.push(says);
      }
    });
    return line;
  }

  said(name: GuardName): readonly GuardSays[] {
    return this.#lines.get(name)?.heard ?? [];
  }

  errors(name: GuardName): readonly string[] {
    return this.#lines.get(name)?.errors ?? [];
  }

  /** A busy loop, inside its cgroup before exec, as the driver starts QEMU (S6). */
  addVm(incarnation: Incarnation): RealVm {
    const id = `vm${this.#vms.length + 1}`;
    const folder = join(this.runsFolder, `${incarnation}`, `${id}.1`);
    mkdirSync(folder);
    const script = `echo $$ > '${folder}/cgroup.procs' && exec sh -c 'while :; do :; done'`;
    const { pid } = spawn("sh", ["-c", script], { stdio: "ignore" });
    if (pid === undefined) throw new Error("Cannot start a process: sh is missing");
    const vm = { id, pid, folder };
    this.#vms.push(vm);
    const end = performance.now() + limitMs;
    while (!cgroupEvent(folder, "populated")) {
      if (performance.now() > end) throw new Error(`${id} did not enter its cgroup`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
    return vm;
  }

  move(vm: TestVm, to: Incarnation): void {
    const mine = this.#known(vm);
    mine.folder = join(this.runsFolder, `${to}`, `${vm.id}.2`);
    mkdirSync(mine.folder);
    const moved = spawnSync("sh", ["-c", `echo ${mine.pid} > '${mine.folder}/cgroup.procs'`], { encoding: "utf8" });
    if (moved.status !== 0) throw new Error(`Cannot move ${vm.id}: ${moved.stderr}`);
  }

  #known(vm: TestVm): RealVm {
    const mine = this.#vms.find((one) => one.id === vm.id);
    if (mine === undefined) throw new Error(`No VM ${vm.id}`);
    return mine;
  }

  async runs(vm: TestVm): Promise<boolean> {
    const before = cpuTicks(this.#known(vm).pid);
    const end = performance.now() + 5_000;
    while (performance.now() < end) {
      if (cpuTicks(this.#known(vm).pid) > before) return true;
      await this.pass(5);
    }
    return false;
  }

  async standsStill(vm: TestVm): Promise<boolean> {
    const { pid, folder } = this.#known(vm);
    // A process that was just put into a frozen folder stops within some milliseconds.
    for (let ms = 0; ms < 300 && !cgroupEvent(folder, "frozen"); ms += 5) await this.pass(5);
    const before = cpuTicks(pid);
    await this.pass(100);
    return cgroupEvent(folder, "frozen") && cpuTicks(pid) === before;
  }

  removeDeadlineFile(name: GuardName): void {
    const file = join(this.runDir, `guard-${name}.deadline`);
    renameSync(file, `${file}.away`); // throws where it was never written
  }

  pass(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  until(what: string, condition: () => boolean): Promise<void> {
    return waitFor(what, condition);
  }

  async close(): Promise<void> {
    for (const [name, child] of this.#processes) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGCONT");
      await this.kill(name);
    }
    for (const line of this.#lines.values()) line.socket.destroy();
    await removeCgroup(this.cgroup);
    rmSync(this.runDir, { recursive: true });
  }
}

/** Jiffies that a process has executed. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

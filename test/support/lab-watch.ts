import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { LabHost } from "../../lab/host.ts";

/** One copy of a VM as seen from outside: its cgroup `HOST/…/N/VM.EPOCH`. Times are this process's `performance.now()`. */
export type Copy = {
  readonly host: string;
  readonly incarnation: number;
  readonly vm: string;
  readonly epoch: number;
  readonly firstSeenAt: number;
  /** When it last executed: it held processes and did not stand still. */
  lastRanAt: number;
  /** Since when it stands still; null: it runs. Stays when it is gone. */
  frozenAt: number | null;
  /** Since when it holds no process any more. */
  goneAt: number | null;
  /** How often it was thawed. */
  thaws: number;
  /** It waits for a guest, or has handed its own over: a process, and no execution (S15). On record before it is so. */
  waits: boolean;
};

/** Looks at every VM's cgroups all the time, from outside of all hosts: what really runs, whatever anybody believes. */
export interface Watcher {
  readonly copies: readonly Copy[];
  /** The copies of one VM that hold processes now, newest first. */
  alive(vm: string): readonly Copy[];
  /** Moments at which two copies of one VM were seen executing at once: must stay empty. */
  readonly doubleRuns: readonly string[];
  stop(): void;
}

const everyMs = 5;

export function watchCopies(hosts: readonly LabHost[]): Watcher {
  const copies = new Map<string, Copy>();
  const doubleRuns: string[] = [];
  const look = (): void => {
    const at = performance.now();
    const seen = new Set<string>();
    for (const host of hosts) for (const run of runsOf(host)) see(copies, seen, host.name, run, at);
    for (const [key, copy] of copies) if (!seen.has(key)) copy.goneAt ??= at;
    const running = [...copies.values()].filter(
      (copy) => copy.goneAt === null && copy.frozenAt === null && !copy.waits,
    );
    for (const copy of running) {
      const other = running.find((one) => one !== copy && one.vm === copy.vm);
      if (other !== undefined) doubleRuns.push(`${copy.vm}.${copy.epoch} on ${copy.host} beside .${other.epoch}`);
    }
  };
  const timer = setInterval(look, everyMs);
  look();
  return {
    get copies() {
      return [...copies.values()];
    },
    alive: (vm) =>
      [...copies.values()].filter((copy) => copy.vm === vm && copy.goneAt === null).sort((a, b) => b.epoch - a.epoch),
    doubleRuns,
    stop: () => clearInterval(timer),
  };
}

type Run = {
  readonly incarnation: number;
  readonly vm: string;
  readonly epoch: number;
  readonly frozen: boolean;
  readonly populated: boolean;
  readonly waits: boolean;
  readonly folder: string;
};

function see(copies: Map<string, Copy>, seen: Set<string>, host: string, run: Run, at: number): void {
  const key = `${host}/${run.incarnation}/${run.vm}.${run.epoch}`;
  const known = copies.get(key);
  if (!run.populated) return;
  seen.add(key);
  if (known === undefined) {
    const { incarnation, vm, epoch, frozen, waits } = run;
    const seen = { firstSeenAt: at, lastRanAt: at, frozenAt: frozen ? at : null, goneAt: null };
    copies.set(key, { host, incarnation, vm, epoch, ...seen, thaws: 0, waits });
    return;
  }
  known.waits = run.waits;
  // A folder that was empty for a look and holds processes again: the shell that becomes QEMU was just entering.
  known.goneAt = null;
  if (run.frozen) known.frozenAt ??= at;
  // What is killed while it is frozen leaves the frozen state to die, and executes nothing of its own any more (S6).
  else if (known.frozenAt === null || !isHeld(run.folder)) {
    if (known.frozenAt !== null) known.thaws += 1;
    known.frozenAt = null;
    known.lastRanAt = at;
  }
}

function runsOf(host: LabHost): readonly Run[] {
  const root = join(host.plan.vmsCgroup, "a", "b");
  return folders(root)
    .filter((name) => /^\d+$/u.test(name))
    .flatMap((n) =>
      folders(join(root, n)).flatMap((name) => {
        const [, vm = "", epoch = ""] = /^(.+)\.(\d+)$/u.exec(name) ?? [];
        const events = readText(join(root, n, name, "cgroup.events"));
        if (vm === "" || events === "") return [];
        const [populated, frozen] = [events.includes("populated 1"), events.includes("frozen 1")];
        const folder = join(root, n, name);
        const waits = populated && waitsNow(host, name);
        return [{ incarnation: Number(n), vm, epoch: Number(epoch), populated, frozen, waits, folder }];
      }),
    );
}

function waitsNow(host: LabHost, run: string): boolean {
  const record = readText(join(host.plan.dirs.run, "vms", run, "run.json"));
  return record.includes('"phase":"incoming"') || record.includes('"phase":"handed"');
}

/** Somebody wants it to stand still: `cgroup.freeze` of a folder above it is 1. */
function isHeld(folder: string): boolean {
  for (let at = folder; at !== dirname(at); at = dirname(at))
    if (readText(join(at, "cgroup.freeze")).startsWith("1")) return true;
  return false;
}

function folders(path: string): readonly string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return []; // gone meanwhile
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

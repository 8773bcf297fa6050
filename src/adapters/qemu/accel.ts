import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { dirname } from "node:path";
import { z } from "zod";

/** `code` of `messages`: said once, at the daemon's start. */
export type AccelChoice = { readonly accel: "kvm" | "tcg"; readonly code: AccelCode };
export type AccelCode = "accel-kvm-proven" | "accel-ordered" | "accel-no-kvm" | "accel-kvm-hangs" | "accel-unprobed";

export type AccelOptions = {
  readonly wanted: "auto" | "kvm" | "tcg";
  /** Remembers the probe's result for this boot of this host. */
  readonly cacheFile: string;
  /** What the probe boots; null: the host's own kernel, where it is readable. */
  readonly kernel: { readonly path: string; readonly initrd: string } | null;
  readonly binary?: string;
};

const probeLimitMs = 10_000;
const cacheSchema = z.object({ boot: z.string(), accel: z.enum(["kvm", "tcg"]) });
/** The tiny guest says it serves; a kernel without an initial ramdisk ends with the second. Both ran up to user space. */
const provenBy = /holdfast-guest ready|Unable to mount root fs/u;

/**
 * KVM counts only after a guest printed its line within 10 s: a /dev/kvm that opens, and even a QEMU that starts with
 * it, prove nothing (nested hosts where a Linux guest hangs exist).
 */
export async function chooseAccel(options: AccelOptions): Promise<AccelChoice> {
  if (options.wanted !== "auto") return { accel: options.wanted, code: "accel-ordered" };
  if (!canOpenKvm()) return { accel: "tcg", code: "accel-no-kvm" };
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const cached = readCache(options.cacheFile, boot);
  if (cached !== undefined) return cached;
  const kernel = options.kernel !== null && existsSync(options.kernel.path) ? options.kernel : hostKernel();
  if (kernel === undefined) return { accel: "tcg", code: "accel-unprobed" };
  const proven = await probe(options.binary ?? "qemu-system-x86_64", kernel);
  const choice: AccelChoice = proven
    ? { accel: "kvm", code: "accel-kvm-proven" }
    : { accel: "tcg", code: "accel-kvm-hangs" };
  writeCache(options.cacheFile, { boot, accel: choice.accel });
  return choice;
}

function probe(binary: string, kernel: { path: string; initrd: string | null }): Promise<boolean> {
  const args = [
    ["-no-user-config", "-nodefaults", "-display", "none", "-machine", "q35", "-accel", "kvm", "-cpu", "host"],
    ["-m", "128", "-no-reboot", "-serial", "stdio", "-kernel", kernel.path],
    ["-append", "console=ttyS0 panic=-1", ...(kernel.initrd === null ? [] : ["-initrd", kernel.initrd])],
  ].flat();
  return new Promise((resolve) => {
    const child = spawn(binary, args, { stdio: ["ignore", "pipe", "ignore"] });
    let said = "";
    const finish = (proven: boolean) => {
      clearTimeout(limit);
      child.kill("SIGKILL");
      resolve(proven);
    };
    const limit = setTimeout(() => finish(false), probeLimitMs);
    child.on("error", () => finish(false));
    child.on("close", () => finish(false));
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-65_536);
      if (provenBy.test(said)) finish(true);
    });
  });
}

function canOpenKvm(): boolean {
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function hostKernel(): { path: string; initrd: null } | undefined {
  const path = `/boot/vmlinuz-${release()}`;
  return existsSync(path) ? { path, initrd: null } : undefined;
}

function readCache(file: string, boot: string): AccelChoice | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const cached = cacheSchema.parse(JSON.parse(readFileSync(file, "utf8")));
    if (cached.boot !== boot) return undefined;
    return { accel: cached.accel, code: cached.accel === "kvm" ? "accel-kvm-proven" : "accel-kvm-hangs" };
  } catch {
    return undefined;
  }
}

function writeCache(file: string, value: z.infer<typeof cacheSchema>): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, JSON.stringify(value));
  renameSync(`${file}.new`, file);
}

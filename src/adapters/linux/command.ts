import { spawn } from "node:child_process";

/** `status` null: it was killed, did not start, or took longer than its limit. */
export type CommandEnd = { readonly status: number | null; readonly stdout: string; readonly stderr: string };

/** Runs a host tool to its end, with a hard limit. Never throws for what the tool does. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: { readonly limitMs: number; readonly input?: string },
): Promise<CommandEnd> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, LC_ALL: "C" } });
    let stdout = "";
    let stderr = "";
    const limit = setTimeout(() => child.kill("SIGKILL"), options.limitMs);
    const end = (status: number | null, text: string) => {
      clearTimeout(limit);
      resolve({ status, stdout, stderr: text });
    };
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    // A tool that ends without reading its input is no failure of ours.
    child.stdin.on("error", () => undefined);
    child.on("error", (error) => end(null, error.message));
    child.on("close", (status) => end(status, stderr));
    child.stdin.end(options.input ?? "");
  });
}

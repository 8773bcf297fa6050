import { type ChildProcess, spawn } from "node:child_process";
import type { FenceDevice } from "../../model/records.ts";
import type { Fencing, PowerOffEnd, PowerStatusEnd } from "../../ports/fencing.ts";

/** Each call of the port ends within this, whatever the agent does (ports/fencing.ts). */
const callLimitMs = 30_000;
/** Kept back of a power-off for its status call: an `off` that hangs must not use up the time for the question. */
const statusReserveMs = 8_000;

/** The agents' own exit codes of `status`. */
const statusOn = 0;
const statusOff = 2;

/** Debian's agents need Debian's own python3 and tools, whatever the caller's PATH says. */
const agentPath = "/usr/sbin:/usr/bin:/sbin:/bin";

const timeoutTool = "/usr/bin/timeout";
/** Its own words and code for what could not be begun, and for what was killed. */
const notRun = /^(?:\/usr\/bin\/)?timeout: failed to run command/mu;
const timedOut = 137;

export type FenceAgentOptions = {
  readonly path?: string;
  /** For tests only: shorter limits than the port's. */
  readonly limitMs?: number;
};

type AgentEnd =
  | { readonly kind: "exited"; readonly code: number; readonly words: string }
  | { readonly kind: "absent"; readonly cause: string }
  | { readonly kind: "hung" };

/**
 * Debian's `fence_*` agents as the `Fencing` port: `key=value` lines on stdin. A power-off is `off` only where a separate
 * `status` answered 2 afterwards (S9), also where the `off` itself failed: the question decides, not the command's own
 * report. stderr is only ever shown, never judged: it carries Python's deprecation warnings.
 */
export function fenceAgents(options: FenceAgentOptions = {}): Fencing {
  const path = options.path ?? agentPath;
  const limitMs = options.limitMs ?? callLimitMs;
  const reserveMs = (limitMs * statusReserveMs) / callLimitMs;
  return {
    powerOff: (device, done) => {
      const fault = deviceFault(device);
      if (fault !== undefined) return done({ kind: "refused", cause: fault });
      runAgent(path, device, "off", limitMs - reserveMs, (off) => {
        if (off.kind === "absent") return done({ kind: "refused", cause: off.cause });
        // A hung `off` used its share up; one that ended early leaves the rest of the time to the question.
        runAgent(path, device, "status", reserveMs, (status) => done(judgeOff(device, off, status)));
      });
    },
    status: (device, done) => {
      const fault = deviceFault(device);
      if (fault !== undefined) return done({ kind: "unknown", cause: fault });
      runAgent(path, device, "status", limitMs, (end) => done(judgeStatus(device, end)));
    },
  };
}

/** The record came from the store: no name outside the agents, no line of its own making. */
function deviceFault(device: FenceDevice): string | undefined {
  if (!/^fence_[a-z0-9_]+$/u.test(device.agent)) return `${device.agent} is not the name of a fence agent`;
  for (const [key, value] of Object.entries(device.options)) {
    if (!/^[a-z][a-z0-9_-]*$/u.test(key) || key === "action") return `the option ${key} is not possible`;
    if (/[\r\n\0]/u.test(value)) return `the option ${key} has a line break in its value`;
  }
  return undefined;
}

function judgeOff(device: FenceDevice, off: AgentEnd, status: AgentEnd): PowerOffEnd {
  const now = judgeStatus(device, status);
  switch (now.kind) {
    case "off":
      return { kind: "off" };
    case "on":
      // Not `refused`: a slow device may still carry out what it accepted.
      return { kind: "unknown", cause: `the power is still on after off (${describe(device, off)})` };
    case "unknown":
      return { kind: "unknown", cause: `${describe(device, off)}; then ${now.cause}` };
  }
}

function judgeStatus(device: FenceDevice, end: AgentEnd): PowerStatusEnd {
  if (end.kind === "exited" && end.code === statusOn) return { kind: "on" };
  if (end.kind === "exited" && end.code === statusOff) return { kind: "off" };
  return { kind: "unknown", cause: describe(device, end) };
}

function describe(device: FenceDevice, end: AgentEnd): string {
  switch (end.kind) {
    case "exited":
      return `${device.agent} ended with ${end.code}${end.words === "" ? "" : `: ${end.words}`}`;
    case "absent":
      return end.cause;
    case "hung":
      return `${device.agent} did not end in time`;
  }
}

function runAgent(
  path: string,
  device: FenceDevice,
  action: "off" | "status",
  limitMs: number,
  done: (end: AgentEnd) => void,
): void {
  // A group of its own: the agent's helper (ipmitool) must end with it. It ends within its limit also where this process does not see
  // that: nobody may be switched off by a call of a daemon that died long ago (S9).
  const args = ["-s", "KILL", String(limitMs / 1_000), device.agent];
  const child = spawn(timeoutTool, args, { stdio: ["pipe", "pipe", "pipe"], detached: true, env: { PATH: path } });
  let words = "";
  let ended = false;
  const end = (result: AgentEnd): void => {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    done(result);
  };
  const timer = setTimeout(() => {
    killGroup(child);
    end({ kind: "hung" });
  }, limitMs);
  const listen = (chunk: Buffer): void => {
    words = (words + chunk.toString("utf8")).slice(-2000);
  };
  child.stdout.on("data", listen);
  child.stderr.on("data", listen);
  child.once("error", (error) => end({ kind: "absent", cause: `${device.agent} cannot be run: ${error.message}` }));
  child.once("close", (code) => {
    if (code === null || code === timedOut) end({ kind: "hung" });
    else if (notRun.test(words))
      end({ kind: "absent", cause: `${device.agent} cannot be run: ${lastWords(words, device)}` });
    else end({ kind: "exited", code, words: lastWords(words, device) });
  });
  // An agent that ends without reading breaks the pipe; its exit code tells the story.
  child.stdin.on("error", () => undefined);
  const lines = [...Object.entries(device.options), ["action", action]].map(([key, value]) => `${key}=${value}\n`);
  child.stdin.end(lines.join(""));
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It ended in this very moment.
  }
}

/** For people: the last line that is not Python's own, without the device's password. */
function lastWords(words: string, device: FenceDevice): string {
  const lines = words.split("\n").map((line) => line.trim());
  const useful = lines.filter((line) => line !== "" && !/DeprecationWarning|^from |^import /u.test(line));
  const secrets = ["password", "passwd"].flatMap((key) => device.options[key] ?? []);
  return secrets.reduce((text, secret) => text.replaceAll(secret, "***"), useful.at(-1) ?? "");
}

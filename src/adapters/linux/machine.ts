import { spawn } from "node:child_process";
import type { HostConfig } from "../../model/config.ts";
import type { Machine } from "../../ports/machine.ts";

/** Runs the host's own commands, without a shell and on their own feet: what they stop may be this process. */
export function openMachine(commands: HostConfig["commands"], warn: (line: string) => void): Machine {
  return {
    leave: (next) => {
      const [file = "", ...args] = next === "reboot" ? commands.reboot : commands.powerOff;
      const child = spawn(file, args, { stdio: "ignore", detached: true });
      child.once("error", (error) => warn(`${file}: ${error.message}`));
      child.once("exit", (code) => {
        if (code !== 0 && code !== null) warn(`${[file, ...args].join(" ")} ended with ${code}`);
      });
      child.unref();
    },
  };
}

import { expect } from "vitest";
import type { VmId } from "../../src/model/ids.ts";
import type { ApiHost } from "./api-host.ts";
import { begin, type Ended } from "./cli-run.ts";

/** Commands as people type them, at the host that `api` is at that moment. */
export function commandsAt(api: () => ApiHost) {
  const holdfast = (...line: readonly string[]): Promise<Ended> => begin(line, { HOLDFAST_SOCKET: api().socket }).ended;
  /** What it prints; it has to succeed, and to complain of nothing. */
  const done = async (...line: readonly string[]): Promise<string> => {
    const { code, out, err } = await holdfast(...line);
    expect({ line, code, err }).toEqual({ line, code: 0, err: "" });
    return out;
  };
  const createdWeb = async (): Promise<VmId> => {
    const size = ["--memory", "80", "--pool", "shared", "--disk", "64", "--network", "lan"];
    await done("vm", "create", "--name", "web", ...size);
    const [id] = api().view().vms.keys();
    if (id === undefined) throw new Error("no VM");
    return id;
  };
  return { holdfast, done, createdWeb };
}

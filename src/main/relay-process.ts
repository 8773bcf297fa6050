import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { openRelay } from "../adapters/nbd/relay.ts";
import { relayConfigSchema } from "../adapters/nbd/relay-control.ts";
import { growStrong } from "./lean.ts";

/** Runs until its driver ends it; whatever else ends it, QEMU waits for the next one (S16). */
export async function main([path]: readonly string[]): Promise<void> {
  if (path === undefined) throw new Error("usage: relay CONFIG");
  const config = relayConfigSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  // A write that waits for the peer is what its guest waits for: here compiling pays.
  growStrong();
  const relay = await openRelay(config, collector());
  await relay.ended;
  process.exit(0);
}

/** Young objects alone: payloads, which grow old under way, are given back by whoever had them last. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (of: { readonly type: "minor" }) => void;
  return () => collect({ type: "minor" });
}

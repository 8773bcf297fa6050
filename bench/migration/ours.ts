import { rmSync } from "node:fs";
import type { HypervisorEnd } from "../../src/ports/hypervisor.ts";
import type { IncomingEnd } from "../../src/ports/migration.ts";
import type { BenchHost, Rig } from "./rig.ts";

const completeMs = 30_000;

/** A guest that moves to and fro between both drivers. Throws where a step is not done: there is nothing to measure then. */
export async function openOurs(rig: Rig, name: string, tls: boolean) {
  let epoch = 1;
  let [source, target] = rig.hosts;
  const copied = rig.kind === "shared" ? {} : { copied: [0] };
  await must("start", (end) => source.driver.start(rig.request(name, epoch), end));
  return {
    /** Milliseconds until the guest executes on the other host. */
    move: async (): Promise<number> => {
      const here = rig.request(name, epoch).run;
      const there = rig.request(name, epoch + 1);
      const began = performance.now();
      const incoming = { ...there, from: source.id, addresses: ["127.0.0.1"], tls, ...copied };
      const end = await new Promise<IncomingEnd>((done) => target.driver.prepareIncoming(incoming, done));
      if (end.kind !== "waiting") throw new Error(`prepareIncoming: ${JSON.stringify(end)}`);
      const base = { to: target.id, as: there.run, doors: end.doors, tls, bandwidthMiBps: null, downtimeMs: 300 };
      const out = { ...base, ...copied };
      await must("migrateOut", (done) => source.driver.migrateOut(here, out, done));
      // As in a cluster: the target goes on as soon as it has everything, whoever of both ends first.
      const handed = must("switchOver", (done) => source.driver.switchOver(here, done));
      await must("completeIncoming", (done) => target.driver.completeIncoming(there.run, completeMs, done));
      const tookMs = performance.now() - began;
      await handed;
      await must("kill", (done) => source.driver.kill(here, done));
      if (rig.kind === "shared-nothing") rmSync(rig.images(name)[(epoch + 1) % 2] ?? "", { force: true });
      epoch += 1;
      [source, target] = [target, source] satisfies [BenchHost, BenchHost];
      return tookMs;
    },
  };
}

async function must(what: string, call: (done: (end: HypervisorEnd) => void) => void): Promise<void> {
  const end = await new Promise<HypervisorEnd>(call);
  if (end.kind !== "done") throw new Error(`${what}: ${JSON.stringify(end)}`);
}

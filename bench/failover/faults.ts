import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { isFrozen, processState } from "../../lab/cgroup.ts";
import { applyFault } from "../../lab/faults.ts";
import { LabError } from "../../lab/lab-error.ts";
import type { BenchLab } from "./bench-lab.ts";
import type { FailoverFault } from "./fault-kinds.ts";

export type Target = { readonly host: string; readonly vm: string };

/** What must hold before the fault may come, beyond a healthy cluster. */
export async function prepareFault(lab: BenchLab, fault: FailoverFault, { host }: Target): Promise<void> {
  if (fault === "kill-store-leader-host") await moveStoreLeader(lab, host);
}

/** Ends once the fault is in force. `round` picks the direction of a one-way cut: in and out by turns. */
export async function injectFault(lab: BenchLab, fault: FailoverFault, target: Target, round: number): Promise<void> {
  const { world } = lab.cluster;
  const { host } = target;
  switch (fault) {
    case "power-off":
    case "kill-store-leader-host":
      await applyFault(world, { fault: "power-off", host });
      return;
    case "cut":
      await applyFault(world, { fault: "cut", host });
      return;
    case "one-way-cut":
      await applyFault(world, { fault: directionOf(round), host });
      return;
    case "freeze-heart":
      await applyFault(world, { fault: "freeze", host, process: "heart" });
      return;
    case "freeze-host":
      await applyFault(world, { fault: "freeze-host", host });
      return;
    case "qemu-crash":
      await applyFault(world, { fault: "kill", host, process: `qemu:${target.vm}` });
  }
}

export function directionOf(round: number): "cut-in" | "cut-out" {
  return round % 2 === 0 ? "cut-in" : "cut-out";
}

/** Undoes whatever a trial did, and what the cluster did to the host because of it. */
export async function undoFaults(lab: BenchLab): Promise<void> {
  const { world } = lab.cluster;
  await applyFault(world, { fault: "heal" });
  for (const host of world.hosts) {
    if (!host.isOn) await host.powerOn();
    else {
      if (isFrozen(host.plan.cgroup)) host.freeze(false);
      const heart = host.pidOf("heart");
      if (heart !== undefined && processState(heart) === "T") process.kill(heart, "SIGCONT");
    }
  }
}

const moveTries = 10;

/** etcd's own order, with the lab's certificate: the host under test is to lead the store. */
async function moveStoreLeader(lab: BenchLab, host: string): Promise<void> {
  const { world, identity } = lab.cluster;
  const wanted = world.hosts.findIndex(({ name }) => name === host);
  const files = { cacert: identity.ca, cert: identity.cert, key: identity.key };
  const tls = Object.entries(files).map(([name, text]) => {
    const path = join(world.dir, `bench-${name}.pem`);
    writeFileSync(path, text, { mode: 0o600 });
    return `--${name}=${path}`;
  });
  for (let attempt = 0; attempt < moveTries; attempt++) {
    const members = await lab.store.health();
    const leader = members.find((member) => member.kind === "answered" && member.leads);
    const target = members[wanted];
    if (target?.kind === "answered" && target.leads) return;
    if (leader !== undefined && target?.kind === "answered")
      await etcdctl([`--endpoints=${leader.endpoint}`, ...tls, "move-leader", target.memberId]);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  throw new LabError(`${host} does not become the store's leader.`, "The trial did not take place.", "Try again.");
}

function etcdctl(args: readonly string[]): Promise<void> {
  const env = { ...process.env, ETCDCTL_API: "3" };
  // Whether it worked is asked of the members themselves.
  return new Promise((resolve) => execFile("etcdctl", args, { env, timeout: 10_000 }, () => resolve()));
}

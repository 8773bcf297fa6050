import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { relayConfigSchema } from "../../src/adapters/nbd/relay-control.ts";
import { openGuestFreezer } from "../../src/adapters/qemu/guest-freeze.ts";
import { openPointSource } from "../../src/adapters/qemu/replica-point-source.ts";
import { openReplicaSource, type QemuReplicaSource } from "../../src/adapters/qemu/replica-source.ts";
import { openReplicaTarget } from "../../src/adapters/qemu/replica-target.ts";
import { openVolumes } from "../../src/adapters/qemu/volumes.ts";
import type { ClusterId, Epoch, HostId, Incarnation, PoolId, VmId, VolumeId, WallMs } from "../../src/model/ids.ts";
import type { VmRun } from "../../src/ports/hypervisor.ts";
import type { Door } from "../../src/ports/migration.ts";
import type { CeaseEnd, ReceiveEnd } from "../../src/ports/replication.ts";
import type { PointEnd } from "../../src/ports/replication-points.ts";
import { ask, mustBeDone } from "./calls.ts";
import type { Mirrored } from "./measure.ts";
import { relayCommand, relayOf, relayPid } from "./relay.ts";
import { fill, type Rig, startMachine } from "./rig.ts";

const run: VmRun = { vm: "ours" as VmId, incarnation: 1 as Incarnation, epoch: 1 as Epoch };
const cluster = "bench" as ClusterId;
/** As in a cluster: who else writes the images is looked at meanwhile, where the program for it was built. */
const watch = join(import.meta.dirname, "..", "..", ".build", "holdfast-watch");
const watched = existsSync(watch) ? { watch } : {};
/** Seldom enough to take nothing from what is measured beside it. */
const lookMs = 250;

export type Ours = Mirrored & {
  /** It goes on without its copy while `meanwhile` lasts; the MiB that were sent until both were the same again. */
  readonly resync: (meanwhile: () => Promise<void>) => Promise<number>;
  /** Has a recovery point taken, while in sync. */
  readonly takePoint: (id: string) => Promise<void>;
  /** MiB of the relay that nobody shares: now, or while it copied if that was more. */
  readonly relayMiB: () => number;
};

/** Through the ports, with relay, door and records of the driver. */
export async function openOurs(rig: Rig): Promise<Ours> {
  const machine = await startMachine(rig, "ours");
  await fill(machine.guest, rig.sizeMiB);
  const id = "pool" as PoolId;
  const pools = { [id]: join(rig.folder, "pool-b") };
  const volumes = openVolumes({ cluster, pools });
  const target = openReplicaTarget({ cluster, runDir: join(rig.folder, "b"), pools, volumes, ...watched });
  const monitor = { qmp: () => machine.qmp, isHere: () => true };
  const source = openReplicaSource({ cluster, runDir: join(rig.folder, "a"), relay: relayCommand, ...monitor });
  const volume = "ours" as VolumeId;
  const pool = {
    schema: 1,
    id,
    name: id,
    kind: "replicated",
    path: "",
    quotaMiB: null,
    createdAt: 0 as WallMs,
  } as const;
  const copies = [{ volume, pool, sizeMiB: rig.sizeMiB, format: "qcow2" }] as const;
  const request = { vm: run.vm, epoch: run.epoch, from: "a" as HostId, volumes: copies, addresses: ["127.0.0.1"] };
  let doors: readonly Door[] = [];
  let mostMiB = 0;
  const inSync = async (): Promise<void> => {
    while ((await ask((end) => source.confirm(run, end))).kind !== "done") await sleep(5);
  };
  const relays = join(rig.folder, "a", "relays");
  const state = () => relayOf(relayConfig(relays).control);
  return {
    guest: machine.guest,
    copy: async () => {
      const end = await new Promise<ReceiveEnd>((done) => target.receive({ ...request, tls: false }, done));
      if (end.kind !== "ready") throw new Error(`receive: ${JSON.stringify(end)}`);
      ({ doors } = end);
      const attach = {
        to: "b" as HostId,
        doors,
        tls: false,
        volumes: [{ volume, sizeMiB: rig.sizeMiB }],
        waitMs: 2_000,
      };
      await mustBeDone(ask((done) => source.attach(run, attach, done)));
      // As by hand: from the beginning of the job; the relay's start is no part of a copy of hours.
      const began = performance.now();
      const pid = relayPid(relays);
      const look = setInterval(() => {
        mostMiB = Math.max(mostMiB, privateMiB(pid));
      }, lookMs);
      await inSync().finally(() => clearInterval(look));
      return performance.now() - began;
    },
    resync: async (meanwhile) => {
      await mustBeDone(ask((done) => source.goOnAlone(run, done)));
      await meanwhile();
      const before = (await state()).sentBytes;
      await mustBeDone(ask((done) => source.resync(run, doors, done)));
      await inSync();
      return ((await state()).sentBytes - before) / 1024 / 1024;
    },
    takePoint: (id) => takePoint(rig, source, doors, id),
    relayMiB: () => Math.max(mostMiB, privateMiB(relayPid(relays))),
    close: async () => {
      await mustBeDone(ask((done) => source.detach(run, done)));
      await new Promise<CeaseEnd>((done) => target.cease(run.vm, done));
      source.close();
      target.close();
      await machine.close();
    },
  };
}

async function takePoint(rig: Rig, source: QemuReplicaSource, doors: readonly Door[], id: string): Promise<void> {
  const freezer = openGuestFreezer({ runDir: join(rig.folder, "a"), cgroup: rig.folder });
  const points = openPointSource({ cluster, source, freezer });
  const ground = { origin: "schedule", consistency: "crash" } as const;
  const request = { to: "b" as HostId, doors, tls: false, id, ...ground };
  const end = await new Promise<PointEnd>((done) => points.takePoint(run, request, done));
  if (end.kind !== "taken") throw new Error(`takePoint: ${JSON.stringify(end)}`);
}

function relayConfig(relays: string) {
  const [name = ""] = readdirSync(relays);
  return relayConfigSchema.parse(JSON.parse(readFileSync(join(relays, name, "relay.json"), "utf8")));
}

function privateMiB(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kib = [...text.matchAll(/^Private_\w+:\s+(\d+) kB$/gmu)].reduce((sum, [, one]) => sum + Number(one), 0);
  return kib / 1024;
}

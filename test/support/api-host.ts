import { createHash, randomBytes, randomInt } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failureOf } from "../../src/api/client/index.ts";
import { type Api, type ApiOptions, createApi } from "../../src/api/server/index.ts";
import type { InstantMs, StoreKey, WallMs } from "../../src/model/ids.ts";
import { keys } from "../../src/model/keys.ts";
import type { ClusterView } from "../../src/model/view.ts";
import { emptyView } from "../../src/model/view.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { HypervisorEnd, Volumes } from "../../src/ports/hypervisor.ts";
import type { Journal } from "../../src/ports/journal.ts";
import type { CommitEnd, Store } from "../../src/ports/store.ts";
import { createCommitter } from "../../src/runtime/committer.ts";
import { feedView } from "../../src/runtime/view-feed.ts";
import { memoryJournal } from "../../src/sim/journal.ts";
import { createMemoryStore, type MemoryStore } from "../../src/sim/memory-store.ts";
import { facts, heartbeat, host, incarnation, member, pool } from "./records.ts";

export const testClock: Clock = {
  now: () => performance.now() as InstantMs,
  wall: () => Date.now() as WallMs,
  wakeAt: (at, wake) => {
    const timer = setTimeout(wake, Math.max(0, at - performance.now()));
    return () => clearTimeout(timer);
  },
};

const testRandom = {
  hex: (length: number) => randomBytes(length).toString("hex").slice(0, length),
  below: (limit: number) => randomInt(limit),
};

export const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

/** How the pool answers when an image is to be made. */
export type MakeVolume = (volume: string) => HypervisorEnd;

export type ApiHost = {
  readonly socket: string;
  readonly folder: string;
  readonly store: MemoryStore;
  readonly journal: Journal;
  readonly view: () => ClusterView;
  readonly removed: string[];
  /** Writes records as the other processes of a cluster would. */
  readonly put: (key: StoreKey, record: object) => Promise<void>;
  readonly api: Api;
  readonly close: () => Promise<void>;
};

/** One host's API over a memory store that holds a cluster of two hosts, a pool `shared` and a network `lan`. */
export async function startApiHost(
  options: {
    readonly wrap?: (store: MemoryStore) => Store;
    readonly events?: boolean;
    readonly create?: MakeVolume;
    readonly heard?: ApiOptions["heard"];
    readonly takeover?: ApiOptions["takeover"];
    readonly links?: ApiOptions["links"];
    readonly storeAddresses?: ApiOptions["storeAddresses"];
    readonly memberAnswers?: ApiOptions["memberAnswers"];
  } = {},
): Promise<ApiHost> {
  const memory = createMemoryStore();
  const store = options.wrap?.(memory) ?? memory;
  const journal = memoryJournal();
  const removed: string[] = [];
  const put = async (key: StoreKey, record: object) => {
    const compares = [{ kind: "revision" as const, key, revision: await revisionOf(memory, key) }];
    const absent = [{ kind: "absent" as const, key }];
    const end = await commit(memory, compares[0]?.revision === 0 ? absent : compares, key, record);
    if (end.kind !== "committed") throw new Error(`Cannot write ${key}: ${end.kind}`);
    await until(() => view.revision >= end.revision);
  };
  let view = emptyView();
  const stopFeed = feedView(
    { store: memory, clock: testClock, journal },
    {
      synced: (next) => {
        view = next;
      },
      changed: (next) => {
        view = next;
      },
    },
  );
  await until(() => view.revision > 0);
  await fillCluster(put);
  const api = createApi({
    view: () => view,
    store,
    journal,
    clock: testClock,
    random: testRandom,
    volumes: volumesInto(removed, options.create ?? (() => ({ kind: "done" }))),
    self: host("h1"),
    heard: options.heard,
    storeAddresses: options.storeAddresses,
    memberAnswers: options.memberAnswers,
    takeover: options.takeover,
    links: options.links,
    version: "0.0.0-test",
    ...(options.events === false
      ? {}
      : { commit: createCommitter({ host: host("h1"), store, clock: testClock, random: testRandom, digest }) }),
  });
  const folder = await mkdtemp(join(tmpdir(), "holdfast-api-"));
  const socket = join(folder, "api.sock");
  const end = await api.listen(socket);
  if (end.kind === "refused") throw new Error(`Cannot listen: ${end.params.cause}`);
  const close = async () => {
    api.stop();
    stopFeed();
    await end.server.close();
    await rm(folder, { recursive: true, force: true });
  };
  const records = { store: memory, journal, view: () => view, removed, put };
  return { socket, folder, ...records, api, close };
}

async function fillCluster(put: ApiHost["put"]): Promise<void> {
  await put(keys.cluster, { schema: 1, id: "test-cluster", name: "test", format: 1, createdAt: 0 });
  await put(keys.managerTerm, { schema: 1, term: 1, host: "h1", at: 0 });
  await put(keys.pool("shared" as never), { ...pool("shared", "shared-dir"), quotaMiB: 4_000 });
  await put(keys.network("lan" as never), { schema: 1, id: "lan", name: "lan" });
  for (const name of ["h1", "h2"]) {
    const id = host(name);
    await put(keys.member(id), member(name));
    const registration = { schema: 1, incarnation: 1, nonce: `nonce-${name}`, machine: name, registeredAt: 0 };
    await put(keys.host(id), registration);
    await put(keys.hostFacts(id), facts());
    await put(keys.heartbeat(id, incarnation(1)), heartbeat({ deadlineMs: 600_000 }));
  }
}

function volumesInto(removed: string[], make: MakeVolume): Volumes {
  return {
    create: (_pool, volume, _sizeMiB, _format, done) => done(make(volume)),
    remove: (_pool, volume, done) => {
      removed.push(volume);
      done({ kind: "done" });
    },
    removeArrived: () => {
      throw new Error("Nobody asks for it here");
    },
  };
}

function revisionOf(store: Store, key: StoreKey): Promise<never> {
  return new Promise((resolve) => {
    store.snapshot(key, (end) => {
      const found = end.kind === "done" ? end.values.find((value) => value.key === key)?.revision : undefined;
      resolve((found ?? 0) as never);
    });
  });
}

function commit(
  store: Store,
  compares: Parameters<Store["commit"]>[0]["compares"],
  key: StoreKey,
  record: object,
): Promise<CommitEnd> {
  return new Promise((resolve) => {
    store.commit({ compares, writes: [{ kind: "put", key, text: JSON.stringify(record) }] }, 1_000, resolve);
  });
}

/** Waits generously for a condition; fails with what it waited for. */
export async function until(holds: () => boolean, what = "the condition"): Promise<void> {
  const end = Date.now() + 20_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`Waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A VM that fits the test cluster. */
export const webSpec = {
  name: "web",
  cpus: 1,
  memoryMiB: 80,
  disks: [{ pool: "shared", sizeMiB: 64 }],
  networks: ["lan"],
};

/** What a call answered, or why it rejected. */
export async function failure(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    return failureOf(error);
  }
}

import { afterEach, describe, expect, test } from "vitest";
import { type Client, connectClient } from "../../src/api/client/index.ts";
import type { HypervisorEnd } from "../../src/ports/hypervisor.ts";
import type { Store } from "../../src/ports/store.ts";
import type { MemoryStore } from "../../src/sim/memory-store.ts";
import { type ApiHost, failure, webSpec as spec, startApiHost } from "../support/api-host.ts";

const others: ApiHost[] = [];
afterEach(async () => {
  for (const other of others.splice(0)) await other.close();
});

/** Answers that get lost: `carry` decides for each commit whether it happens and whether the caller hears of it. */
function lossy(store: MemoryStore, carry: (attempt: number) => "happens-unheard" | "lost" | "heard"): Store {
  let attempt = 0;
  return {
    snapshot: (prefix, done) => store.snapshot(prefix, done),
    watch: (prefix, after, listen) => store.watch(prefix, after, listen),
    commit: (write, timeoutMs, done) => {
      attempt += 1;
      const how = carry(attempt);
      const lost = () => done({ kind: "unknown", cause: "test" });
      if (how === "heard") store.commit(write, timeoutMs, done);
      else if (how === "happens-unheard") store.commit(write, timeoutMs, lost);
      else lost();
    },
  };
}

async function lossyHost(carry: Parameters<typeof lossy>[1]): Promise<Client> {
  const other = await startApiHost({ wrap: (store) => lossy(store, carry), events: false });
  others.push(other);
  return connectClient(other.socket);
}

describe("a pool in trouble", () => {
  const two = { ...spec, disks: [...spec.disks, ...spec.disks] };
  const secondFails = (end: HypervisorEnd) => (volume: string) =>
    volume.endsWith("-disk-1") ? end : ({ kind: "done" } as const);

  test.each<[string, HypervisorEnd]>([
    ["pool-full", { kind: "refused", code: "pool-full", params: { pool: "shared" } }],
    ["volume-create-unclear", { kind: "unknown", cause: "no answer" }],
  ])("%s: no VM is created and no image is left", async (code, end) => {
    const other = await startApiHost({ create: secondFails(end) });
    others.push(other);
    const troubled = connectClient(other.socket);
    expect(await failure(troubled.vm.create(two))).toMatchObject({ kind: "refused", code });
    expect((await troubled.vm.list()).vms).toEqual([]);
    expect(other.removed).toHaveLength(2);
  });

  test("an image made for a commit that somebody else won is removed", async () => {
    const other = await startApiHost();
    others.push(other);
    const several = connectClient(other.socket);
    const ends = await Promise.all(Array.from({ length: 4 }, () => failure(several.vm.create(spec))));
    const made = ends.filter((end) => typeof end === "object" && end !== null && "id" in end);
    expect(made).toHaveLength(1);
    const kept = (await several.vm.show({ vm: "web" })).vm.disks.map((disk) => disk.volume);
    expect(other.removed).not.toContain(kept[0]);
  });
});

describe("a store in trouble", () => {
  test("a commit whose answer was lost is answered as done, and done once", async () => {
    const troubled = await lossyHost((attempt) => (attempt === 1 ? "happens-unheard" : "heard"));
    expect(await troubled.vm.create(spec)).toMatchObject({ name: "web" });
    expect((await troubled.vm.list()).vms).toHaveLength(1);
  });

  test("a commit that was lost is done by the next attempt", async () => {
    const troubled = await lossyHost((attempt) => (attempt === 1 ? "lost" : "heard"));
    expect(await troubled.vm.create(spec)).toMatchObject({ name: "web" });
    expect((await troubled.vm.list()).vms).toHaveLength(1);
  });

  test("where no answer comes, the outcome is called unknown, and the same request id tells later", async () => {
    let healed = false;
    const troubled = await lossyHost(() => (healed ? "heard" : "lost"));
    const request = { ...spec, requestId: "request-0004" };
    expect(await failure(troubled.vm.create(request))).toMatchObject({
      kind: "unavailable",
      code: "request-outcome-unknown",
      params: { requestId: "request-0004" },
    });
    healed = true;
    expect(await troubled.vm.create(request)).toMatchObject({ name: "web" });
  });

  test("a store that cannot be read makes changes unavailable, reading goes on", async () => {
    const other = await startApiHost({
      wrap: (store) => ({
        watch: (prefix, after, listen) => store.watch(prefix, after, listen),
        snapshot: (_, done) => done({ kind: "unknown", cause: "no quorum" }),
        commit: (_write, _ms, done) => done({ kind: "unknown", cause: "no quorum" }),
      }),
    });
    others.push(other);
    const troubled = connectClient(other.socket);
    expect(await failure(troubled.vm.create(spec))).toMatchObject({ kind: "unavailable", code: "store-not-reachable" });
    expect((await troubled.host.list()).hosts).toHaveLength(2);
  });
});

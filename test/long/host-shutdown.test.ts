import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { HostId } from "../../src/model/ids.ts";
import type { ShutdownPolicy } from "../../src/model/policy.ts";
import { type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { openWritingGuest, type WritingGuest } from "../support/writing-guest.ts";

describe("A host goes down in order", () => {
  let guest: WritingGuest;
  let lab: TestLab;
  let web: TestVm;

  beforeAll(async () => {
    guest = await openWritingGuest({ client: "down" });
    ({ lab, web } = guest);
  });
  afterAll(() => guest?.close());
  afterEach(async () => {
    await lab.settle();
    await guest.writer.goesOn();
    expect(guest.writer.lost(web.disk)).toEqual([]);
    expect(lab.watcher.doubleRuns).toEqual([]);
    // Nobody was fenced by another, and no power was cut: each host said its last word itself.
    for (const { fence } of lab.history.fences()) expect(fence).toMatchObject({ cause: "self", proofs: ["last-word"] });
  });

  async function holdfast(...line: readonly string[]): Promise<string> {
    const { code, out, err } = await lab.holdfast(...line);
    expect(code, err).toBe(0);
    return out;
  }

  /** Its host is told to go under this policy; ends once it has said its last word. */
  async function goes(verb: "reboot" | "shutdown", policy: ShutdownPolicy) {
    await holdfast("policy", "set", "--shutdown-policy", policy);
    const before = { ...web.owner(), boots: (await web.answers()).boots, from: lab.history.entries.length };
    await holdfast("host", verb, before.host);
    const last = await waitFor(`the last word of ${before.host}`, () =>
      lab.history.fences(before.host).find(({ name }) => name.incarnation === before.incarnation),
    );
    return { ...before, leftAt: last.revision };
  }

  /** The daemon of `host` answers, hears the store, and calls the VM running. */
  async function isSeenBy(host: string): Promise<true | undefined> {
    const status = await lab
      .client(host)
      .cluster.status()
      .catch(() => undefined);
    const vm = status?.vms.find(({ id }) => id === web.id);
    const beats = status?.hosts.find(({ id }) => id === host);
    const isThere = status?.answeredBy === host && beats?.state === "up" && (beats.agentAgeMs ?? 9_999) < 1_000;
    return (isThere && vm?.state === "running" && vm.host === host) || undefined;
  }

  /** Every host that was its owner's since, in order. */
  const placesSince = (entry: number): string[] => {
    const since = lab.history.entries[entry]?.revision ?? Number.POSITIVE_INFINITY;
    return lab.history.owners(web.id).flatMap(({ revision, owner }) => (revision >= since ? [owner.host] : []));
  };
  const runsAgain = (epoch: number) =>
    waitFor("web to run as a later epoch", () => (web.running()?.epoch ?? 0) > epoch || undefined);

  it("[HM4] reboot under freeze: the VM waits for its host, is placed nowhere else, and boots there once", async () => {
    const { host, incarnation, epoch, boots, from } = await goes("reboot", "freeze");
    await runsAgain(epoch);
    expect(web.owner()).toMatchObject({ host, incarnation: incarnation + 1 });
    expect(new Set(placesSince(from))).toEqual(new Set([host]));
    expect((await web.answers()).boots).toBe(boots + 1);
  });

  it("[HM4] reboot under failover: the VM starts on another host at once, and stays there", async () => {
    const { host, epoch, boots } = await goes("reboot", "failover");
    await runsAgain(epoch);
    const { host: there } = web.owner();
    expect(there).not.toBe(host);
    expect((await web.answers()).boots).toBe(boots + 1);
    await lab.settle();
    expect(web.owner().host).toBe(there);
  });

  it("[HM4] power-off under conditional: the VM starts elsewhere, the host stays off until it is switched on", async () => {
    const { host, epoch, boots } = await goes("shutdown", "conditional");
    await runsAgain(epoch);
    expect(web.owner().host).not.toBe(host);
    expect((await web.answers()).boots).toBe(boots + 1);
    await waitFor(`${host} to be off`, () => !lab.host(host).isOn || undefined);
  });

  it("[HM3, HM4] power-off under migrate: the VM leaves while it runs, then the host goes; back on, it returns", async () => {
    const { host, boots, from, leftAt } = await goes("shutdown", "migrate");
    expect(web.owner().host).not.toBe(host);
    const left = lab.history.owners(web.id).findLast(({ owner }) => owner.host !== host);
    expect(left?.revision).toBeLessThan(leftAt);
    await waitFor(`${host} to be off`, () => !lab.host(host).isOn || undefined);
    expect(await holdfast("host", "list")).toMatch(new RegExp(`^${host} +host +off, in order`, "mu"));

    const second = await lab.holdfast("host", "shutdown", web.owner().host);
    expect(second.code).toBe(1);
    expect(second.err).toContain("Code:    leave-loses-majority");

    await lab.settle();
    await waitFor(`web to be back on ${host}`, () => web.owner().host === host || undefined);
    expect(placesSince(from)).toHaveLength(2);
    expect((await web.answers()).boots).toBe(boots);
  });

  it("[HM4] an order that a VM keeps waiting is taken back: nothing of the VM was touched", async () => {
    const { host } = web.owner();
    const before = { owner: web.owner(), pids: web.pids(), boots: (await web.answers()).boots };
    const mode = () => lab.history.view.modes.get(host as HostId)?.value.mode;
    await holdfast("rule", "add", "pinned", "--host", host, "--strict", "--vm", "web", "--accept");
    await holdfast("host", "shutdown", host);
    expect(mode()).toBe("leaving");
    const cannot = () => lab.history.events("vm-cannot-leave").find(({ event }) => event.subjects.vm === web.id);
    await waitFor("it to be told that web cannot leave", cannot);
    await holdfast("host", "release", host);
    await waitFor(`${host} to be at work`, () => mode() === "active" || undefined);
    await holdfast("rule", "remove", "pinned");
    await guest.writer.goesOn();
    const boots = (await web.answers()).boots;
    expect({ owner: web.owner(), pids: web.pids(), boots }).toEqual(before);
  });

  it("[S13] the daemon ends, in order and by force, and another takes its place: the guest misses no write", async () => {
    const { host } = web.owner();
    const before = { owner: web.owner(), pids: web.pids(), boots: (await web.answers()).boots };
    const written = guest.writer.acknowledged.length;
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const pid = await waitFor("the daemon", () => lab.host(host).pidOf("holdfastd"));
      process.kill(pid, signal);
      await waitFor("its successor", () => {
        const next = lab.host(host).pidOf("holdfastd");
        return (next !== undefined && next !== pid) || undefined;
      });
      await waitFor("its successor to know its VM again", () => isSeenBy(host));
      await guest.writer.goesOn();
    }
    const boots = (await web.answers()).boots;
    expect({ owner: web.owner(), pids: web.pids(), boots }).toEqual(before);
    const since = guest.writer.acknowledged.slice(written);
    expect(since).toEqual(since.map((_, i) => (since[0] ?? 0) + i));
  });
});

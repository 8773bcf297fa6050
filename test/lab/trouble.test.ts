import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { openCluster } from "../../lab/cluster.ts";
import { readRecords } from "../../lab/record.ts";
import { daemons } from "../../lab/session.ts";
import { memberDataDir } from "../../src/adapters/etcd/member.ts";
import { createAuthority, issueHostCertificate } from "../../src/adapters/pki/authority.ts";
import { hostConfigSchema } from "../../src/model/config.ts";
import type { ClusterId, HostId } from "../../src/model/ids.ts";
import { openTestLab, runCommand, type TestLab, type TestVm, waitFor } from "../support/lab-cluster.ts";
import { watchPage } from "../support/page-watch.ts";
import { leftOf } from "./leftovers.ts";

const root = join(import.meta.dirname, "../..");
const node = join(root, "node_modules/.bin/node");
const main = (name: string): string => join(root, "src/main", `${name}.ts`);
/** Nobody's rights, but for reading: the checkout may lie where only root may look. */
const asNobody = [
  ...["--reuid=65534", "--regid=65534", "--clear-groups"],
  ...["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"],
];

describe("Trouble in a living cluster", () => {
  let lab: TestLab;
  let web: TestVm;
  let idle: TestVm;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "hf-trouble-"));
    lab = await openTestLab();
    web = await lab.guest("web", 50);
    idle = await lab.guest("idle", 51, null);
  });
  afterAll(async () => {
    await lab?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Starts a daemon of h1 with other certificates; ends with its exit code and what it said last. */
  async function startWith(
    daemon: string,
    files: { readonly ca: string; readonly cert: string; readonly key: string },
  ) {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const config = hostConfigSchema.parse(parse(readFileSync(lab.cluster.configFile("h1"), "utf8")));
    const at = (name: string) => join(folder, name);
    const store = { ...config.store, ca: at("ca"), cert: at("cert"), key: at("key") };
    writeFileSync(at("config.yaml"), stringify({ ...config, runDir: folder, stateDir: folder, store }));
    const { code, err } = await runCommand(node, [main(daemon), "--config", at("config.yaml")]);
    return { code, said: JSON.parse(err.trim().split("\n").at(-1) ?? "{}") as unknown };
  }

  it.each(["heart", "holdfastd"])(
    "%s with a foreign certificate, or another cluster's altogether: says so and ends",
    async (daemon) => {
      const foreign = await createAuthority("lab-of-others" as ClusterId);
      const pair = await issueHostCertificate(foreign, { host: "h1" as HostId, addresses: [], names: [] });
      const { ca } = lab.cluster.identity;
      const leaf = await startWith(daemon, { ...pair, ca });
      expect(leaf).toMatchObject({ code: 1, said: { code: "certificate-foreign-ca" } });
      const all = await startWith(daemon, { ...pair, ca: foreign.cert });
      const params = { found: "lab-of-others", wanted: lab.cluster.id };
      expect(all).toMatchObject({ code: 1, said: { code: "certificate-foreign-cluster", ...params } });
    },
  );

  it("a second holdfastd of the same host is refused: the first one serves", async () => {
    const { code, err } = await lab
      .host("h1")
      .exec([node, main("holdfastd"), "--config", lab.cluster.configFile("h1")])
      .then(({ code: ended, stderr }) => ({ code: ended, err: stderr }));
    expect([code, err]).toEqual([1, expect.stringContaining('"code":"api-socket-in-use"')]);
  });

  it("without root: the lab and the command say what is needed, and nothing is begun", async () => {
    const before = readRecords().length;
    const started = await runCommand("setpriv", [...asNobody, node, join(root, "lab/main.ts")]);
    expect(started.code).toBe(1);
    expect(started.err).toMatch(/needs root/u);
    expect(readRecords().length).toBe(before);
    const socket = join(lab.host("h1").plan.dirs.run, "api.sock");
    const asked = await runCommand("setpriv", [
      ...asNobody,
      node,
      join(root, "src/main/cli.ts"),
      "--socket",
      socket,
      "vm",
      "list",
    ]);
    expect([asked.code, asked.out]).toEqual([3, ""]);
    expect(asked.err).toMatch(/^Cause: .+\nEffect: .+\nRemedy: .+root.+\nCode: +socket-forbidden\n$/u);
  });

  it("a full pool: what writes is paused and says why, nothing else is touched; it goes on where there is room", async () => {
    const pids = [web.pids(), idle.pids()];
    const page = watchPage(lab.world.reach, idle.address);
    await lab.fault("fill-disk");
    const shown = async () => (await lab.client().vm.show({ vm: "web" })).vm;
    await waitFor("web to be paused", async () => ((await shown()).state === "paused" ? true : undefined));
    expect(await shown()).toMatchObject({ pausedBy: ["storage-error"] });
    expect((await lab.holdfast("vm", "show", "web")).out).toContain("paused by storage-error");
    const create = ["vm", "create", "--name", "big", "--memory", "80", "--pool", "pool1", "--disk", "4"];
    const refused = await lab.holdfast(...create);
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/^Cause: .+pool1.+\nEffect: .+\nRemedy: .+\nCode: +pool-(?:no-room|full)\n$/u);
    await lab.fault("free-disk");
    await waitFor("web to go on", async () => ((await shown()).state === "running" ? true : undefined));
    await web.answers();
    expect((await page.stop()).failed).toBe(0);
    expect([web.pids(), idle.pids()]).toEqual(pids);
    expect(lab.history.fences()).toEqual([]);
  });

  it("a full disk of a host: its VMs run on, it keeps its place, and all is well again where there is room", async () => {
    const { host } = web.owner();
    const pids = web.pids();
    const page = watchPage(lab.world.reach, web.address);
    await lab.fault("fill-disk", { host });
    // Its store member and its daemon write there; both must bear it, also a daemon that starts in the middle of it.
    const old = lab.host(host).pidOf("holdfastd");
    await lab.fault("kill", { host, process: "agent" });
    await waitFor("a new holdfastd", () => ![undefined, old].includes(lab.host(host).pidOf("holdfastd")) || undefined);
    for (const stopGraceMs of [50_000, 51_000, 52_000, 53_000])
      await lab.client(otherThan(host)).vm.set({ vm: "web", stopGraceMs });
    const shown = () =>
      lab
        .client(host)
        .vm.show({ vm: "web" })
        .catch(() => undefined);
    await waitFor("its daemon to know", async () => (await shown())?.vm.stopGraceMs === 53_000 || undefined);
    const beats = lab.history.entries.length;
    const ofHost = () =>
      lab.history.entries.slice(beats).filter(({ name }) => name.kind === "heartbeat" && name.host === host);
    await waitFor("its heartbeats", () => ofHost().length > 10 || undefined);
    await lab.fault("free-disk", { host });
    await lab.settle();
    expect((await lab.client(host).vm.show({ vm: "web" })).vm).toMatchObject({ state: "running", stopGraceMs: 53_000 });
    expect((await page.stop()).failed).toBe(0);
    expect(web.pids()).toEqual(pids);
    expect(lab.history.fences()).toEqual([]);
  });

  const otherThan = (host: string) => lab.world.hosts.find(({ name }) => name !== host)?.name ?? "";
});

describe("A store that does not start", () => {
  it("ends the lab with what the store said, and leaves nothing", async () => {
    const before = new Set(readRecords().map(({ run }) => run));
    let dir = "";
    const opening = openCluster({
      hosts: 1,
      profile: "default",
      accel: "tcg",
      log: () => undefined,
      daemons: (host, config) => {
        dir = dirname(dirname(host.dirs.state));
        const data = memberDataDir(host.dirs.state);
        mkdirSync(dirname(data), { recursive: true });
        writeFileSync(data, "no folder");
        return daemons(host, config);
      },
    });
    await expect(opening).rejects.toThrow(
      /store's member on h1 does not serve: it ends again and again.+last words.+/u,
    );
    const run = dir.slice(dir.lastIndexOf("-") + 1);
    expect(leftOf(run, dir)).toEqual([]);
    expect(readRecords().filter((record) => record.run === run && !before.has(record.run))).toEqual([]);
  });
});

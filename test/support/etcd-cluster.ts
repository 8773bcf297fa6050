import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, cpSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MemberHealth } from "../../src/adapters/etcd/maintenance.ts";
import {
  clientUrl,
  etcdArguments,
  etcdEnvironment,
  type InitialCluster,
  peerUrl,
  type StoreMemberSpec,
} from "../../src/adapters/etcd/member.ts";
import { type EtcdStore, openEtcdStore } from "../../src/adapters/etcd/store.ts";
import { createAuthority, issueHostCertificate, type KeyPair } from "../../src/adapters/pki/authority.ts";
import { must } from "../../src/base/assert.ts";
import type { ClusterId, HostId } from "../../src/model/ids.ts";

/** A machine for a member: its address there, and the words that bring a command into it. */
export type MemberPlace = { readonly address: string; readonly enter: readonly string[] };

export type EtcdClusterOptions = {
  readonly members?: number;
  readonly quotaBytes?: number;
  /** Each member on a machine of its own; else all are on loopback. */
  readonly places?: readonly MemberPlace[];
  /** How to come to a member from here, as an endpoint; else straight. */
  readonly reach?: (address: string, port: number) => Promise<string>;
};

const loopback: MemberPlace = { address: "127.0.0.1", enter: [] };

/** A real etcd cluster with mutual TLS, in a folder of its own. Members are numbered from 0. */
export interface EtcdCluster {
  readonly id: ClusterId;
  readonly authority: KeyPair;
  readonly endpoints: readonly string[];
  /** Where each member listens, as itself says. */
  readonly addresses: readonly Pick<StoreMemberSpec, "address" | "clientPort">[];
  /** A client that prefers member `prefers`; closed with the cluster. */
  open(prefers?: number, endpoints?: readonly string[]): EtcdStore;
  /** The member that leads now; waits until there is one. */
  leader(): Promise<number>;
  kill(member: number): Promise<void>;
  start(member: number): void;
  freeze(member: number): void;
  thaw(member: number): void;
  /** A copy of what a member that does not run has on its disk. */
  copyData(member: number): string;
  /** The member does not run, and finds that copy when it starts. */
  putBack(member: number, copy: string): void;
  /** Thaws and starts it where needed. */
  revive(member: number): void;
  /** Waits until every member answers and knows a leader. */
  allAnswer(): Promise<void>;
  log(member: number): string;
  /** What all clients that were opened here have logged. */
  readonly clientLog: readonly string[];
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startEtcdCluster(options: EtcdClusterOptions = {}): Promise<EtcdCluster> {
  const cluster = new TestCluster(`c-${randomBytes(4).toString("hex")}` as ClusterId);
  try {
    await cluster.begin(options);
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
  return cluster;
}

class TestCluster implements EtcdCluster {
  readonly id: ClusterId;
  readonly clientLog: string[] = [];
  readonly #dir = mkdtempSync(join(tmpdir(), "holdfast-etcd-"));
  readonly #processes: (ChildProcess | undefined)[] = [];
  readonly #stores = new Set<EtcdStore>();
  #specs: readonly StoreMemberSpec[] = [];
  #places: readonly MemberPlace[] = [];
  #endpoints: readonly string[] = [];
  #authority: KeyPair = { cert: "", key: "" };
  #client: KeyPair = { cert: "", key: "" };

  constructor(id: ClusterId) {
    this.id = id;
  }

  get authority(): KeyPair {
    return this.#authority;
  }

  get endpoints(): readonly string[] {
    return this.#endpoints;
  }

  get addresses(): readonly StoreMemberSpec[] {
    return this.#specs;
  }

  async begin({ members = 3, quotaBytes, places, reach }: EtcdClusterOptions): Promise<void> {
    this.#places = places ?? Array.from({ length: members }, () => loopback);
    this.#authority = await createAuthority(this.id);
    this.#client = await this.#issue("client");
    const ports = await freePorts(2 * members);
    const tls = { ca: join(this.#dir, "ca.pem"), cert: join(this.#dir, "cert.pem"), key: join(this.#dir, "key.pem") };
    writeFileSync(tls.ca, this.#authority.cert);
    writeFileSync(tls.cert, this.#client.cert);
    writeFileSync(tls.key, this.#client.key, { mode: 0o600 });
    this.#specs = this.#places.map(({ address }, i) => ({
      name: `m${i}`,
      cluster: this.id,
      address,
      clientPort: must(ports[2 * i], "a port for each"),
      peerPort: must(ports[2 * i + 1], "a port for each"),
      dataDir: join(this.#dir, `m${i}`),
      tls,
      ...(quotaBytes === undefined ? {} : { quotaBytes }),
    }));
    this.#endpoints = await Promise.all(
      this.#specs.map((spec) => reach?.(spec.address, spec.clientPort) ?? clientUrl(spec)),
    );
    for (let i = 0; i < this.#specs.length; i++) this.start(i);
    await this.leader();
  }

  open(prefers = 0, endpoints: readonly string[] = this.endpoints): EtcdStore {
    const order = [...endpoints.slice(prefers), ...endpoints.slice(0, prefers)];
    const tls = { ca: this.#authority.cert, ...this.#client };
    const log = (line: string): void => void this.clientLog.push(line);
    const store = openEtcdStore({ endpoints: order, tls, cluster: this.id, log });
    this.#stores.add(store);
    return store;
  }

  async leader(): Promise<number> {
    const health = await this.#healthWith((all) => all.some((each) => each.kind === "answered" && each.leads));
    return health.findIndex((each) => each.kind === "answered" && each.leads);
  }

  revive(member: number): void {
    const child = this.#processes[member];
    if (child === undefined) this.start(member);
    else child.kill("SIGCONT");
  }

  async allAnswer(): Promise<void> {
    await this.#healthWith((all) => all.every((each) => each.kind === "answered" && each.knowsLeader));
  }

  async #healthWith(holds: (all: readonly MemberHealth[]) => boolean): Promise<readonly MemberHealth[]> {
    const store = this.open();
    try {
      for (let tries = 0; tries < 300; tries++) {
        const health = await store.maintenance.health();
        if (holds(health)) return health;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    } finally {
      store.close();
      this.#stores.delete(store);
    }
    const logs = this.#specs.map((_, i) => this.log(i).slice(-1000));
    throw new Error(`The test's etcd is not as wanted after 30 s: ${[...logs, ...this.clientLog].join("\n---\n")}`);
  }

  start(member: number): void {
    const spec = must(this.#specs[member], `member ${member}`);
    mkdirSync(spec.dataDir, { recursive: true, mode: 0o700 });
    const members = this.#specs.map((each) => ({ name: each.name, peerUrl: peerUrl(each) }));
    const initial: InitialCluster = { state: "new", members };
    const log = openSync(this.#logPath(member), "a");
    // A test run that is killed itself leaves no member behind.
    const words = ["--pdeathsig", "KILL", ...(this.#places[member]?.enter ?? []), "etcd"];
    this.#processes[member] = spawn("setpriv", [...words, ...etcdArguments(spec, initial)], {
      env: { ...etcdEnvironment() },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
  }

  kill(member: number): Promise<void> {
    const child = this.#processes[member];
    this.#processes[member] = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      child.once("exit", () => resolve());
      child.kill("SIGKILL");
    });
  }

  copyData(member: number): string {
    const copy = join(this.#dir, `copy-${randomBytes(4).toString("hex")}`);
    cpSync(must(this.#specs[member], `member ${member}`).dataDir, copy, { recursive: true });
    return copy;
  }

  putBack(member: number, copy: string): void {
    const { dataDir } = must(this.#specs[member], `member ${member}`);
    rmSync(dataDir, { recursive: true });
    cpSync(copy, dataDir, { recursive: true });
  }

  freeze(member: number): void {
    must(this.#processes[member], `member ${member} runs`).kill("SIGSTOP");
  }

  thaw(member: number): void {
    must(this.#processes[member], `member ${member} runs`).kill("SIGCONT");
  }

  log(member: number): string {
    return readFileSync(this.#logPath(member), "utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.#stores) store.close();
    await Promise.all(this.#processes.map((_, i) => this.kill(i)));
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #issue(host: string): Promise<KeyPair> {
    const addresses = [...new Set([loopback.address, ...this.#places.map(({ address }) => address)])];
    const identity = { host: host as HostId, addresses, names: ["localhost"] };
    return issueHostCertificate(this.#authority, identity);
  }

  #logPath(member: number): string {
    return join(this.#dir, `m${member}.log`);
  }
}

/** Ports that were free a moment ago, all different: they are held together before they are given back. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

import { join } from "node:path";
import type { ClusterId } from "../../model/ids.ts";

/** Where a member of the store listens, and with which names: everything but the settings that are the same for all. */
export type StoreMemberSpec = {
  /** The host's id; also the member's name in etcd. */
  readonly name: string;
  readonly cluster: ClusterId;
  /** An address of this host; it stands in its certificate. Peers and clients of other hosts come here. */
  readonly address: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly dataDir: string;
  /** Files (PEM): the cluster's CA, this host's certificate and key, used towards peers and clients alike. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly profile?: StoreProfile;
  readonly quotaBytes?: number;
  /** A loopback-only port with Prometheus metrics without TLS; none by default. */
  readonly metricsPort?: number;
};

/** etcd's own heartbeat and election, ms. `fast` belongs to D = 3 s and a network that is never late. */
export type StoreProfile = "default" | "fast";

/** `new`: the first start of a cluster's first members. `existing`: a member that was added to a running cluster. */
export type InitialCluster = {
  readonly state: "new" | "existing";
  readonly members: readonly { readonly name: string; readonly peerUrl: string }[];
};

const timings = { default: { heartbeat: 100, election: 1000 }, fast: { heartbeat: 50, election: 500 } } as const;
const quotaBytesDefault = 2 * 1024 ** 3;

export function peerUrl(member: Pick<StoreMemberSpec, "address" | "peerPort">): string {
  return `https://${bracketed(member.address)}:${member.peerPort}`;
}

export function clientUrl(member: Pick<StoreMemberSpec, "address" | "clientPort">): string {
  return `https://${bracketed(member.address)}:${member.clientPort}`;
}

/** The arguments of `etcd` for one member. On a restart with data `initial` is ignored by etcd and may stay as it is. */
export function etcdArguments(spec: StoreMemberSpec, initial: InitialCluster): readonly string[] {
  const timing = timings[spec.profile ?? "default"];
  const { ca, cert, key } = spec.tls;
  return flags({
    name: spec.name,
    "data-dir": spec.dataDir,
    "listen-peer-urls": peerUrl(spec),
    "listen-client-urls": clientUrl(spec),
    "initial-advertise-peer-urls": peerUrl(spec),
    "advertise-client-urls": clientUrl(spec),
    "initial-cluster": initial.members.map((member) => `${member.name}=${member.peerUrl}`).join(","),
    "initial-cluster-state": initial.state,
    // A member of another cluster is refused by etcd itself.
    "initial-cluster-token": spec.cluster,
    "heartbeat-interval": String(timing.heartbeat),
    "election-timeout": String(timing.election),
    // Without it a member that comes back from a cut disturbs the others for seconds (facts/etcd.md).
    "pre-vote": "true",
    "auto-compaction-mode": "periodic",
    "auto-compaction-retention": "5m",
    "quota-backend-bytes": String(spec.quotaBytes ?? quotaBytesDefault),
    // Nobody reads or writes without a certificate of the cluster's own CA, peers included.
    "client-cert-auth": "true",
    "trusted-ca-file": ca,
    "cert-file": cert,
    "key-file": key,
    "peer-client-cert-auth": "true",
    "peer-trusted-ca-file": ca,
    "peer-cert-file": cert,
    "peer-key-file": key,
    ...(spec.metricsPort === undefined ? {} : { "listen-metrics-urls": `http://127.0.0.1:${spec.metricsPort}` }),
    logger: "zap",
    "log-outputs": "stderr",
  });
}

/**
 * etcd also reads its settings from `ETCD_*`: none of the surroundings may change a member, so it gets this environment
 * and nothing else.
 */
export function etcdEnvironment(): Readonly<Record<string, string>> {
  return { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
}

/** The files by which the daemon tells the next start of its host's member what it is to be. Gone after a boot (S23). */
export function startOrders(runDir: string): { readonly force: string; readonly join: string } {
  return { force: join(runDir, "store-force"), join: join(runDir, "store-join") };
}

/** Beside a member's data: it was forced, and what has to follow may not be written: what that is. Stays over boots. */
export function forcedMark(dataDir: string): string {
  return `${dataDir}.forced`;
}

const startScript = `data=$1; state=$2; run=$3; shift 3
if [ -f "$run/store-join" ]; then
  if [ -d "$data" ]; then rm -rf "$data.before"; mv "$data" "$data.before"; fi
  rm -f "$data.forced"
  mv "$run/store-join" "$state/store-initial"
fi
if [ -f "$state/store-initial" ]; then
  set -- "$@" "--initial-cluster=$(cat "$state/store-initial")" --initial-cluster-state=existing
fi
if [ -n "$(find "$run/store-force" -mmin -2 2>/dev/null)" ]; then
  rm -rf "$data.before"; cp -a "$data" "$data.before" && cp "$run/store-force" "$data.forced" && sync "$data.forced" "\${data%/*}" &&
    rm "$run/store-force" && set -- "$@" --force-new-cluster
fi
exec etcd "$@"`;

/**
 * How a host starts its member: as it was, or as an order says, once (S23, S24). Forcing keeps a copy of the data, joining
 * puts them aside. An order to force is good for two minutes: who gave it has given it up by then, or is gone, and whoever was off may
 * vote again. It stays where it is too old: that it is gone says that it was carried out.
 */
export function memberCommand(
  spec: StoreMemberSpec,
  initial: InitialCluster,
  dirs: { readonly runDir: string; readonly stateDir: string },
): readonly [string, ...string[]] {
  const { runDir, stateDir } = dirs;
  return ["/bin/sh", "-c", startScript, "sh", spec.dataDir, stateDir, runDir, ...etcdArguments(spec, initial)];
}

/** The start of a fresh cluster: each member's arguments, by name. */
export function freshCluster(specs: readonly StoreMemberSpec[]): ReadonlyMap<string, readonly string[]> {
  const members = specs.map((spec) => ({ name: spec.name, peerUrl: peerUrl(spec) }));
  return new Map(specs.map((spec) => [spec.name, etcdArguments(spec, { state: "new", members })]));
}

/** The host's folder for its member: kept over boots, wiped only before it rejoins as a new member. */
export function memberDataDir(stateDir: string): string {
  return join(stateDir, "etcd");
}

function flags(values: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(values).map(([name, value]) => `--${name}=${value}`);
}

function bracketed(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

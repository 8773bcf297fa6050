import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { run, SetupError, say, tail } from "./common.mjs";

/** Debian packages that the lab and the tests on real processes need, and what for. */
export const packages = [
  ...["qemu-system-x86", "qemu-utils", "seabios", "ipxe-qemu"], // the hypervisor and its firmware
  ...["etcd-server", "etcd-client"], // the store; the client for looking into it by hand
  ...["openipmi", "ipmitool", "fence-agents"], // the power controller's BMC and the agents that talk to it
  ...["busybox-static", "cpio", "kmod", "zstd", "xz-utils"], // the guest
  ...["iproute2", "nftables", "util-linux", "procps"], // hosts as namespaces, cuts, taps
  ...["gcc", "libc6-dev"], // the guard
  ...["openssl"], // tests read certificates with a second implementation
];

const policyFile = "/usr/sbin/policy-rc.d";
const policyMark = "# written by the set-up of Holdfast, gone when it ends";
const listsDir = "/var/lib/apt/lists";
const dayMs = 24 * 60 * 60 * 1000;
const etcdPort = 2379;

/** Names of packages that are not installed. One dpkg-query for all of them: about 20 ms. */
export function missingPackages() {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholders
  const query = run("dpkg-query", ["-W", "-f=${Package} ${db:Status-Status}\\n", ...packages]);
  if (query.missing)
    throw new SetupError(
      "This machine has no dpkg: it is not Debian or a relative of it.",
      "QEMU, etcd and the other programs of the lab cannot be installed by name.",
      `Use Debian 12 or newer, or install the equivalents of: ${packages.join(" ")}.`,
    );
  const installed = new Set();
  for (const line of query.stdout.split("\n")) {
    const [name, status] = line.split(" ");
    if (status === "installed") installed.add(name);
  }
  return packages.filter((name) => !installed.has(name));
}

/** Before anything is begun. @param {readonly string[]} names */
export function mayInstall(names) {
  if (names.length > 0 && process.getuid?.() !== 0)
    throw new SetupError(
      `Debian packages are missing (${names.join(" ")}) and this user is not root.`,
      "The lab and the tests on real processes cannot run.",
      `Run the command as root, or once: apt-get install --no-install-recommends ${names.join(" ")}`,
    );
}

/** Installs what is missing; only one set-up at a time may do so. @param {readonly string[]} names */
export function installPackages(names) {
  say(`installing ${names.join(" ")}`);
  const listening = portIsListening(etcdPort);
  const lift = forbidServiceStarts();
  try {
    const install = ["install", "--yes", "--no-install-recommends", ...names];
    if (listsAreFresh() && apt(install).ok) return;
    const update = apt(["update"]);
    mustSucceed(apt(install), update);
  } finally {
    lift();
    if (names.includes("etcd-server")) keepEtcdDown(listening);
  }
}

/** @param {readonly string[]} args */
function apt(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" };
  return run("apt-get", ["-q", "-o", "DPkg::Lock::Timeout=300", ...args], { env });
}

/**
 * apt-get update ends well even where it reached no mirror, so its complaints belong to the install's failure.
 * @param {ReturnType<typeof run>} install @param {ReturnType<typeof run>} update
 */
function mustSucceed(install, update) {
  if (install.missing)
    throw new SetupError(
      "This machine has no apt-get.",
      "The missing Debian packages cannot be installed.",
      `Install these by hand: ${packages.join(" ")}`,
    );
  if (install.ok) return;
  const complaints = [
    ...new Set(`${update.output}\n${install.output}`.split("\n").filter((line) => /^[EW]: /u.test(line))),
  ];
  throw new SetupError(
    `apt-get install failed (exit ${install.status}):\n${tail(complaints.slice(0, 8).join("\n"))}`,
    "The lab and the tests on real processes cannot run.",
    "Check that the Debian mirrors in /etc/apt can be reached and that no other apt holds its lock, then try again.",
  );
}

function listsAreFresh() {
  if (!existsSync(listsDir)) return false;
  const lists = readdirSync(listsDir).filter((name) => name.endsWith("Packages") || name.includes("Packages."));
  return lists.length > 0 && Date.now() - statSync(listsDir).mtimeMs < dayMs;
}

/**
 * Debian starts a service as soon as its package is installed; an etcd nobody asked for would hold the store's ports.
 * policy-rc.d is the one switch that both init systems honour. Ours permits everything again as soon as this process
 * is gone, so that a kill at the wrong moment leaves no trap.
 */
function forbidServiceStarts() {
  removeLeftPolicy();
  if (existsSync(policyFile)) return () => undefined;
  writeFileSync(policyFile, `#!/bin/sh\n${policyMark}\nkill -0 ${process.pid} 2>/dev/null && exit 101\nexit 0\n`);
  chmodSync(policyFile, 0o755);
  return removeLeftPolicy;
}

function removeLeftPolicy() {
  if (existsSync(policyFile) && readFileSync(policyFile, "utf8").includes(policyMark)) rmSync(policyFile);
}

/** The package's own service stays off, also over a reboot: each host of the lab runs an etcd of its own. @param {boolean} before */
function keepEtcdDown(before) {
  if (before) return;
  run("deb-systemd-helper", ["disable", "etcd.service"]);
  run("update-rc.d", ["etcd", "disable"]);
  if (!portIsListening(etcdPort)) return;
  run("service", ["etcd", "stop"]);
  if (portIsListening(etcdPort))
    say(`warning: something listens on port ${etcdPort} since etcd-server was installed; stop it: service etcd stop`);
}

/** @param {number} port */
function portIsListening(port) {
  const listen = "0A";
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  for (const file of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    if (!existsSync(file)) continue;
    for (const line of readFileSync(file, "utf8").split("\n").slice(1)) {
      const [, local, , state] = line.trim().split(/\s+/u);
      if (state === listen && local?.endsWith(`:${wanted}`)) return true;
    }
  }
  return false;
}

#!/usr/bin/env node
// Builds the lab's tiny guest into .build/guest: `vmlinuz` (Debian's cloud kernel, unpacked) and `initrd.gz`.
// Plain Node 20 without dependencies: set-up runs it before anything is installed.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const here = import.meta.dirname;
const out = join(here, "../../.build/guest");
const modules = [
  ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk"],
  ["failover", "net_failover", "virtio_net", "pvpanic", "pvpanic-pci", "evdev", "button", "virtio_console"],
].flat();

// A newer kernel in the archive is no reason to build again: asking apt costs half a second at each command.
const sources = ["holdfast-guest.c", "guest-agent.c"];
const hash = createHash("sha256");
for (const file of ["build.mjs", "guest-agent.h", ...sources]) hash.update(readFileSync(join(here, file)));
const stamp = hash.digest("hex");
if (readStamp() === stamp) process.exit(0);
const kernelPackage = findKernelPackage();
build();

function findKernelPackage() {
  const text = execFileSync("apt-cache", ["show", "--no-all-versions", "linux-image-cloud-amd64"], {
    encoding: "utf8",
  });
  const name = /^Depends:.*?(linux-image-[^ ,]+)/mu.exec(text)?.[1];
  if (name === undefined) throw new Error("apt-cache knows no linux-image-cloud-amd64: run apt-get update");
  return name;
}

function readStamp() {
  const file = join(out, "stamp");
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

function build() {
  mkdirSync(out, { recursive: true });
  const work = mkdtempSync(join(out, "work-"));
  try {
    execFileSync("apt-get", ["-qq", "-o", "APT::Sandbox::User=root", "download", kernelPackage], { cwd: work });
    const deb = readdirSync(work).find((name) => name.endsWith(".deb"));
    execFileSync("dpkg", ["-x", join(work, deb), join(work, "x")]);
    const init = join(work, "init");
    const options = ["-static", "-O2", "-s", "-Wall", "-Wextra", "-o", init];
    execFileSync("cc", [...options, ...sources.map((file) => join(here, file))], { stdio: "inherit" });
    const version = kernelPackage.replace("linux-image-", "");
    writeFileSync(join(work, "initrd.gz"), initrd(init, join(work, "x/lib/modules", version, "kernel")));
    writeFileSync(join(work, "vmlinuz"), readFileSync(join(work, "x/boot", `vmlinuz-${version}`)));
    for (const name of ["initrd.gz", "vmlinuz"]) renameSync(join(work, name), join(out, name));
    writeFileSync(join(out, "stamp"), stamp);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** A gzipped cpio archive (newc) with /init, /dev/console and the modules under /m. */
function initrd(init, tree) {
  const files = new Map(readdirSync(tree, { recursive: true }).map((path) => [path.split("/").at(-1), path]));
  const entries = [
    entry("dev", 0o40755, Buffer.alloc(0)),
    entry("dev/console", 0o20600, Buffer.alloc(0), [5, 1]),
    entry("init", 0o100755, readFileSync(init)),
    entry("m", 0o40755, Buffer.alloc(0)),
  ];
  for (const name of modules) {
    const path = files.get(`${name}.ko`);
    if (path === undefined) throw new Error(`${kernelPackage} has no module ${name}`);
    entries.push(entry(`m/${name}.ko`, 0o100644, unsigned(readFileSync(join(tree, path)))));
  }
  entries.push(entry("TRAILER!!!", 0, Buffer.alloc(0)));
  return gzipSync(Buffer.concat(entries), { level: 9 });
}

/** Checking an RSA signature takes the guest some 10 ms a module under TCG, and nobody here asks for it. */
function unsigned(module) {
  const marker = Buffer.from("~Module signature appended~\n");
  if (!module.subarray(-marker.length).equals(marker)) return module;
  const info = module.length - marker.length - 12;
  return module.subarray(0, info - module.readUInt32BE(info + 8));
}

function entry(name, mode, data, device = [0, 0]) {
  const path = Buffer.from(`${name}\0`);
  const fields = [0, mode, 0, 0, 1, 0, data.length, 0, 0, device[0], device[1], path.length, 0];
  const head = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
  return Buffer.concat([pad(Buffer.concat([head, path])), pad(data)]);
}

function pad(data) {
  return Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
}

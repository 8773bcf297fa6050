import { createDiffieHellmanGroup } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TlsTexts } from "./door.ts";
import type { QemuOptions } from "./host.ts";

/** The name of QEMU's object; one at a time, because a run has one move at a time. */
export const tlsId = "move-tls";

/** PEM texts of this host's certificate; undefined: it has none, or they cannot be read. */
export function readTlsTexts({ certificates }: Pick<QemuOptions, "certificates">): TlsTexts | undefined {
  if (certificates === undefined) return undefined;
  try {
    const read = (path: string) => readFileSync(path, "utf8");
    return { ca: read(certificates.ca), cert: read(certificates.cert), key: read(certificates.key) };
  } catch {
    return undefined;
  }
}

const lastFile = "dh-params.pem";
/** What this process has written, by folder. */
const written = new Map<string, string>();

/** The folder with the names that QEMU wants, written anew where the certificates have changed. */
export function writeTlsFolder(runDir: string, tls: TlsTexts): string {
  const folder = join(runDir, "move-tls");
  const texts = [tls.ca, tls.cert, tls.key].join();
  if (written.get(folder) === texts && existsSync(join(folder, lastFile))) return folder;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const put = (name: string, text: string) => {
    const file = join(folder, name);
    writeFileSync(`${file}.new`, text, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  };
  put("ca-cert.pem", tls.ca);
  for (const end of ["server", "client"]) {
    put(`${end}-cert.pem`, tls.cert);
    put(`${end}-key.pem`, tls.key);
  }
  put(lastFile, dhParams());
  written.set(folder, texts);
  return folder;
}

/** Without this file QEMU makes parameters of its own, and stands still for 0.3–1 s meanwhile. RFC 3526, group 14. */
function dhParams(): string {
  const prime = createDiffieHellmanGroup("modp14").getPrime();
  const body = Buffer.concat([derInteger(prime), derInteger(Buffer.from([2]))]);
  const der = Buffer.concat([Buffer.from([0x30]), derLength(body.length), body]);
  const lines = der.toString("base64").replace(/.{64}/gu, "$&\n");
  return `-----BEGIN DH PARAMETERS-----\n${lines.trimEnd()}\n-----END DH PARAMETERS-----\n`;
}

function derInteger(bytes: Buffer): Buffer {
  const positive = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes;
  return Buffer.concat([Buffer.from([0x02]), derLength(positive.length), positive]);
}

function derLength(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  if (length < 0x100) return Buffer.from([0x81, length]);
  return Buffer.from([0x82, length >> 8, length & 0xff]);
}

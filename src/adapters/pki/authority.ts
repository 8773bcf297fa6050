import "reflect-metadata";
import { randomBytes, webcrypto } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import type { ClusterId, HostId } from "../../model/ids.ts";

/** PEM texts. */
export type KeyPair = { readonly cert: string; readonly key: string };

export type Validity = {
  readonly from: Date;
  readonly days: number;
};

/** What stands in a host's certificate: etcd and every client compare the address they called with these. */
export type HostIdentity = {
  readonly host: HostId;
  readonly addresses: readonly string[];
  readonly names: readonly string[];
};

/**
 * Long, because an expired certificate stops the store and with it every heartbeat: all VMs of the cluster would freeze.
 * A host's certificate never outlives its CA.
 */
export const validityDays = { authority: 20 * 365, host: 10 * 365 } as const;

const curve = { name: "ECDSA", namedCurve: "P-256" } as const;
const signingAlgorithm = { name: "ECDSA", hash: "SHA-256" } as const;
/** Clocks of hosts differ: a certificate made a moment ago must already be valid on all of them. */
const backdateMs = 24 * 3_600_000;
const dayMs = 24 * 3_600_000;

/** A new cluster's certificate authority. Its subject carries the cluster id: a foreign one is refused by name. */
export async function createAuthority(
  cluster: ClusterId,
  validity: Validity = { from: new Date(), days: validityDays.authority },
): Promise<KeyPair> {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: [{ O: [cluster] }, { CN: [`Holdfast ${cluster}`] }],
    ...period(validity),
    signingAlgorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey, false),
    ],
  });
  return { cert: certificate.toString("pem"), key: await keyPem(keys.privateKey) };
}

/** A host's certificate: client and server at once, towards peers, clients and other hosts. Throws on a broken authority. */
export async function issueHostCertificate(
  authority: KeyPair,
  identity: HostIdentity,
  validity: Validity = { from: new Date(), days: validityDays.host },
): Promise<KeyPair> {
  const issuer = new X509Certificate(authority.cert);
  const signingKey = await importKey(authority.key);
  const keys = await newKeys();
  const wanted = period(validity);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: [{ O: issuer.subjectName.getField("O") }, { CN: [identity.host] }],
    issuer: issuer.subjectName,
    notBefore: wanted.notBefore,
    notAfter: earlier(wanted.notAfter, issuer.notAfter),
    signingAlgorithm,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension([
        ...identity.addresses.map((value) => ({ type: "ip", value }) as const),
        ...identity.names.map((value) => ({ type: "dns", value }) as const),
      ]),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey, false),
      await SubjectKeyIdentifierExtension.create(keys.publicKey, false),
    ],
  });
  return { cert: certificate.toString("pem"), key: await keyPem(keys.privateKey) };
}

function period({ from, days }: Validity): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(from.getTime() - backdateMs), notAfter: new Date(from.getTime() + days * dayMs) };
}

function earlier(a: Date, b: Date): Date {
  return a.getTime() < b.getTime() ? a : b;
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(curve, true, ["sign", "verify"]) as Promise<webcrypto.CryptoKeyPair>;
}

/** 16 random bytes; the first bit is 0 (a serial number is positive) and the second 1 (it has no leading zero byte). */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}

function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey("pkcs8", PemConverter.decodeFirst(pem), curve, false, ["sign"]);
}

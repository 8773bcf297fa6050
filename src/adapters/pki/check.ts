import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ClusterId, HostId } from "../../model/ids.ts";
import { type Refusal, refuse } from "../../model/reason.ts";

/** PEM texts as a store client takes them. */
export type CertificateTexts = { readonly ca: string; readonly cert: string; readonly key: string };
export type CertificatePaths = CertificateTexts;

/** What the certificate must be good for. `addresses`: those under which others reach this host; may be empty. */
export type Expected = {
  readonly cluster: ClusterId;
  readonly host: HostId;
  readonly addresses: readonly string[];
  readonly now: Date;
};

export type CheckedCertificates = {
  readonly kind: "done";
  readonly tls: CertificateTexts;
  /** When the first of the two, certificate or CA, ends. */
  readonly endsAt: Date;
};

/**
 * The codes this file refuses with; each is in `messages` with cause, effect and remedy. They are found before anything
 * connects, because a wrong certificate shows in a connection only as silence.
 */
export type CertificateCode =
  | "certificate-file-unreadable"
  | "certificate-not-pem"
  | "certificate-ca-not-a-ca"
  | "certificate-foreign-cluster"
  | "certificate-foreign-ca"
  | "certificate-not-yet-valid"
  | "certificate-expired"
  | "certificate-wrong-host"
  | "certificate-wrong-key"
  | "certificate-wrong-usage"
  | "certificate-address-missing";

type Params = Parameters<typeof refuse>[1];
const no = (code: CertificateCode, params: Params): Refusal => refuse(code, params);

const serverAuth = "1.3.6.1.5.5.7.3.1";
const clientAuth = "1.3.6.1.5.5.7.3.2";

/** Reads the three files, then checks them. */
export function loadCertificates(paths: CertificatePaths, expected: Expected): CheckedCertificates | Refusal {
  const texts = { ca: "", cert: "", key: "" };
  for (const part of ["ca", "cert", "key"] as const) {
    try {
      texts[part] = readFileSync(paths[part], "utf8");
    } catch (error) {
      return no("certificate-file-unreadable", { part, path: paths[part], detail: errorText(error) });
    }
  }
  return checkCertificates(texts, expected);
}

/** Refuses what etcd or a client of another host would refuse without a word. */
export function checkCertificates(tls: CertificateTexts, expected: Expected): CheckedCertificates | Refusal {
  const ca = parsed("ca", () => new X509Certificate(tls.ca));
  if ("kind" in ca) return ca;
  const cert = parsed("cert", () => new X509Certificate(tls.cert));
  if ("kind" in cert) return cert;
  const key = parsed("key", () => createPrivateKey(tls.key));
  if ("kind" in key) return key;
  const trouble = checkAuthority(ca, expected) ?? checkHost(cert, ca, expected);
  if (trouble !== undefined) return trouble;
  if (!cert.checkPrivateKey(key)) return no("certificate-wrong-key", { host: expected.host });
  return { kind: "done", tls, endsAt: earlier(cert.validToDate, ca.validToDate) };
}

function checkAuthority(ca: X509Certificate, { cluster, now }: Expected): Refusal | undefined {
  if (!ca.ca) return no("certificate-ca-not-a-ca", { subject: oneLine(ca.subject) });
  const found = field(ca.subject, "O") ?? "";
  if (found !== cluster) return no("certificate-foreign-cluster", { found, wanted: cluster });
  return checkPeriod("ca", ca, now);
}

function checkHost(cert: X509Certificate, ca: X509Certificate, expected: Expected): Refusal | undefined {
  if (!cert.checkIssued(ca) || !cert.verify(ca.publicKey)) {
    return no("certificate-foreign-ca", { issuer: oneLine(cert.issuer), wanted: oneLine(ca.subject) });
  }
  const period = checkPeriod("cert", cert, expected.now);
  if (period !== undefined) return period;
  const found = field(cert.subject, "CN") ?? "";
  if (found !== expected.host) return no("certificate-wrong-host", { found, wanted: expected.host });
  const usages = cert.keyUsage ?? [];
  if (!usages.includes(serverAuth) || !usages.includes(clientAuth)) {
    return no("certificate-wrong-usage", { host: expected.host, found: usages.join(", ") });
  }
  const missing = expected.addresses.find((address) => cert.checkIP(address) === undefined);
  return missing === undefined
    ? undefined
    : no("certificate-address-missing", { host: expected.host, address: missing });
}

function checkPeriod(part: "ca" | "cert", certificate: X509Certificate, now: Date): Refusal | undefined {
  const { validFromDate: from, validToDate: to } = certificate;
  if (now < from) return no("certificate-not-yet-valid", { part, from: from.toISOString(), now: now.toISOString() });
  if (now >= to) return no("certificate-expired", { part, to: to.toISOString(), now: now.toISOString() });
  return undefined;
}

function parsed<T>(part: keyof CertificateTexts, parse: () => T): T | Refusal {
  try {
    return parse();
  } catch (error) {
    return no("certificate-not-pem", { part, detail: errorText(error) });
  }
}

/** Node prints a name as one `FIELD=value` a line. */
function field(name: string, wanted: string): string | undefined {
  const line = name.split("\n").find((each) => each.startsWith(`${wanted}=`));
  return line?.slice(wanted.length + 1);
}

function oneLine(name: string): string {
  return name.split("\n").join(", ");
}

function earlier(a: Date, b: Date): Date {
  return a < b ? a : b;
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ClusterId, HostId } from "../../model/ids.ts";
import { createAuthority, issueHostCertificate, type KeyPair } from "./authority.ts";
import { type CertificateTexts, checkCertificates, type Expected, loadCertificates } from "./check.ts";

const cluster = "c-1f00" as ClusterId;
const host = "h1" as HostId;
const now = new Date("2030-06-01T00:00:00Z");
const identity = { host, addresses: ["10.1.0.1", "127.0.0.1", "fd00::1"], names: ["h1", "h1.example"] };
const expected: Expected = { cluster, host, addresses: ["10.1.0.1", "fd00::1"], now };
const aYear = { from: now, days: 365 };

const authority = await createAuthority(cluster, aYear);
const issued = await issueHostCertificate(authority, identity, { from: now, days: 100 });
const texts = (pair: KeyPair, ca: KeyPair = authority): CertificateTexts => ({ ca: ca.cert, ...pair });

describe("checkCertificates()", () => {
  test("accepts what the authority issued, and says when it ends", () => {
    const end = checkCertificates(texts(issued), expected);
    expect(end).toMatchObject({ kind: "done", endsAt: new Date("2030-09-09T00:00:00Z") });
  });

  test("a host's certificate never outlives its authority", async () => {
    const long = await issueHostCertificate(authority, identity, { from: now, days: 9999 });
    expect(checkCertificates(texts(long), expected)).toMatchObject({ endsAt: new Date("2031-06-01T00:00:00Z") });
  });

  test("refuses the authority of another cluster by name", async () => {
    const foreign = await createAuthority("c-beef" as ClusterId, aYear);
    const pair = await issueHostCertificate(foreign, identity, aYear);
    expect(checkCertificates(texts(pair, foreign), expected)).toEqual({
      kind: "refused",
      code: "certificate-foreign-cluster",
      params: { found: "c-beef", wanted: cluster },
    });
  });

  test("refuses a certificate of another authority, even one of the same cluster id", async () => {
    const twin = await createAuthority(cluster, aYear);
    const pair = await issueHostCertificate(twin, identity, aYear);
    expect(checkCertificates(texts(pair), expected)).toMatchObject({ code: "certificate-foreign-ca" });
  });

  test.each([
    ["certificate-expired", new Date("2030-09-09T00:00:00Z")],
    ["certificate-not-yet-valid", new Date("2030-05-30T00:00:00Z")],
  ])("refuses by time: %s", (code, at) => {
    expect(checkCertificates(texts(issued), { ...expected, now: at })).toMatchObject({ kind: "refused", code });
  });

  test("refuses the certificate of another host, a foreign key, a missing address, a wrong usage, rubbish", async () => {
    const other = await issueHostCertificate(authority, { ...identity, host: "h2" as HostId }, aYear);
    const code = (tls: CertificateTexts, want: Expected = expected) => checkCertificates(tls, want);
    expect(code(texts(other))).toMatchObject({ code: "certificate-wrong-host", params: { found: "h2", wanted: "h1" } });
    expect(code({ ...texts(issued), key: other.key })).toMatchObject({ code: "certificate-wrong-key" });
    expect(code(texts(issued), { ...expected, addresses: ["10.1.0.9"] })).toMatchObject({
      code: "certificate-address-missing",
      params: { address: "10.1.0.9" },
    });
    expect(code({ ca: issued.cert, ...issued })).toMatchObject({ code: "certificate-ca-not-a-ca" });
    expect(code({ ...texts(issued), cert: "rubbish" })).toMatchObject({
      code: "certificate-not-pem",
      params: { part: "cert" },
    });
    expect(code({ ...texts(issued), key: "" })).toMatchObject({ code: "certificate-not-pem", params: { part: "key" } });
  });

  test("the authority's own certificate is no host's", () => {
    expect(checkCertificates(texts(authority), expected)).toMatchObject({ kind: "refused" });
  });
});

describe("loadCertificates()", () => {
  test("reads files; names the one that it cannot read", () => {
    const dir = mkdtempSync(join(tmpdir(), "holdfast-pki-"));
    try {
      const paths = { ca: join(dir, "ca.pem"), cert: join(dir, "cert.pem"), key: join(dir, "key.pem") };
      for (const part of ["ca", "cert"] as const) writeFileSync(paths[part], texts(issued)[part]);
      expect(loadCertificates(paths, expected)).toMatchObject({
        code: "certificate-file-unreadable",
        params: { part: "key", path: paths.key },
      });
      writeFileSync(paths.key, issued.key);
      expect(loadCertificates(paths, expected)).toMatchObject({ kind: "done" });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

const openssl = spawnSync("openssl", ["version"]).status === 0;

describe.runIf(openssl)("openssl", () => {
  test("verifies a host's certificate for both purposes and its addresses", async () => {
    const ca = await createAuthority(cluster);
    const pair = await issueHostCertificate(ca, identity);
    const dir = mkdtempSync(join(tmpdir(), "holdfast-pki-"));
    try {
      writeFileSync(join(dir, "ca.pem"), ca.cert);
      writeFileSync(join(dir, "cert.pem"), pair.cert);
      for (const extra of [
        ["-purpose", "sslserver"],
        ["-purpose", "sslclient"],
        ["-verify_ip", "10.1.0.1"],
      ]) {
        const out = execFileSync("openssl", ["verify", "-x509_strict", ...extra, "-CAfile", "ca.pem", "cert.pem"], {
          cwd: dir,
        });
        expect(out.toString()).toBe("cert.pem: OK\n");
      }
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

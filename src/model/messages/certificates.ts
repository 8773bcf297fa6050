import type { Catalogue } from "./message.ts";

const notStarted = "The process did not start; it connects to nothing with a certificate that the others would refuse.";

/** What can be wrong with a host's certificate; found before anything connects. */
export const certificateMessages = {
  "certificate-file-unreadable": {
    cause: "The file {path} ({part}) cannot be read: {detail}.",
    effect: notStarted,
    remedy: "Put the file in place and make it readable for root.",
  },
  "certificate-not-pem": {
    cause: "The file of {part} is not PEM: {detail}.",
    effect: notStarted,
    remedy: "Put the file in place anew, as it was issued.",
  },
  "certificate-ca-not-a-ca": {
    cause: "The certificate {subject}, given as the CA, is not a CA.",
    effect: notStarted,
    remedy: "Name the cluster's CA certificate in the host's configuration.",
  },
  "certificate-foreign-cluster": {
    cause: "The CA belongs to cluster {found}; this host belongs to {wanted}.",
    effect: notStarted,
    remedy: "Use the CA and the certificate that were issued for this cluster.",
  },
  "certificate-foreign-ca": {
    cause: "The host's certificate was issued by {issuer}, not by the cluster's CA {wanted}.",
    effect: notStarted,
    remedy: "Have a certificate issued by the cluster's CA.",
  },
  "certificate-not-yet-valid": {
    cause: "The certificate ({part}) is valid from {from}; this host's clock says {now}.",
    effect: notStarted,
    remedy: "Set this host's clock.",
  },
  "certificate-expired": {
    cause: "The certificate ({part}) ended at {to}; this host's clock says {now}.",
    effect: notStarted,
    remedy: "If the clock is right, have a new certificate issued.",
  },
  "certificate-wrong-host": {
    cause: "The certificate was issued for host {found}; this is {wanted}.",
    effect: notStarted,
    remedy: "Use this host's own certificate.",
  },
  "certificate-wrong-key": {
    cause: "The private key does not belong to the certificate of host {host}.",
    effect: notStarted,
    remedy: "Put the key and the certificate in place together, as they were issued.",
  },
  "certificate-wrong-usage": {
    cause: "The certificate of host {host} may not serve as both server and client (it has: {found}).",
    effect: notStarted,
    remedy: "Have it issued anew by Holdfast, with both uses.",
  },
  "certificate-address-missing": {
    cause: "The certificate of host {host} does not name its address {address}.",
    effect: notStarted,
    remedy: "Have it issued anew with all addresses of the host.",
  },
} satisfies Catalogue;

import type { Catalogue } from "./message.ts";

const notStarted = "Nothing on this host speaks to the store. VMs that run on it are not touched.";
const issueAnew = "Issue this host's certificate anew with the cluster's authority.";

/** What is wrong with a host's certificates; found before anything connects, where it would only show as silence. */
export const certificateMessages = {
  "certificate-file-unreadable": {
    cause: "The {part} file {path} cannot be read ({detail}).",
    effect: notStarted,
    remedy: "Name the right file in the host's configuration, and make it readable for root.",
  },
  "certificate-not-pem": {
    cause: "The {part} file holds no PEM text of that kind ({detail}).",
    effect: notStarted,
    remedy: "Check that ca, cert and key are not mixed up, and copy the damaged file anew.",
  },
  "certificate-ca-not-a-ca": {
    cause: "{subject} is no certificate authority.",
    effect: notStarted,
    remedy: "Name the cluster's ca file, not a host's certificate.",
  },
  "certificate-foreign-cluster": {
    cause: "The certificate authority belongs to cluster {found}, this host to {wanted}.",
    effect: notStarted,
    remedy: "Use the files of cluster {wanted}, or correct the cluster id in the host's configuration.",
  },
  "certificate-foreign-ca": {
    cause: "The host's certificate was issued by {issuer}, not by this cluster's authority {wanted}.",
    effect: notStarted,
    remedy: issueAnew,
  },
  "certificate-not-yet-valid": {
    cause: "The {part} certificate is valid only from {from}; this host's clock says {now}.",
    effect: notStarted,
    remedy: "Set the host's clock right.",
  },
  "certificate-expired": {
    cause: "The {part} certificate ended on {to}; this host's clock says {now}.",
    effect: notStarted,
    remedy: "Set the host's clock right if it is wrong; otherwise issue the certificate anew.",
  },
  "certificate-wrong-host": {
    cause: "The certificate belongs to host {found}, this is {wanted}.",
    effect: notStarted,
    remedy: "Use the files of host {wanted}.",
  },
  "certificate-wrong-key": {
    cause: "The key file does not belong to the certificate of host {host}.",
    effect: notStarted,
    remedy: "Copy certificate and key together from the same place.",
  },
  "certificate-wrong-usage": {
    cause: "The certificate of host {host} is not for server and client at once (found: {found}).",
    effect: notStarted,
    remedy: issueAnew,
  },
  "certificate-address-missing": {
    cause: "The certificate of host {host} does not name its address {address}.",
    effect: "Other members would refuse this host without a word; nothing on it speaks to the store.",
    remedy: "Issue the certificate anew with all addresses of the host.",
  },
} satisfies Catalogue;

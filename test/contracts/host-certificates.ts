import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { issueHostCertificate, type KeyPair } from "../../src/adapters/pki/authority.ts";
import type { HostId } from "../../src/model/ids.ts";
import type { RealRigOptions } from "./real-rig.ts";

/** Files of a certificate for `host`, in `folder`; of each call its own. */
export async function certificatesOf(folder: string, authority: KeyPair, host: string): Promise<RealRigOptions> {
  const pair = await issueHostCertificate(authority, { host: host as HostId, addresses: [], names: [host] });
  const put = (name: string, text: string): string => {
    const path = join(folder, `${host}-${Math.random()}-${name}`);
    writeFileSync(path, text);
    return path;
  };
  return { certificates: { ca: put("ca", authority.cert), cert: put("cert", pair.cert), key: put("key", pair.key) } };
}

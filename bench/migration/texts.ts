import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The certificate that `openRig` wrote for a host. */
export function readTexts(folder: string, host: string) {
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  return { ca: read("ca.pem"), cert: read(`${host}.pem`), key: read(`${host}.key`) };
}

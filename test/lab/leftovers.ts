import { existsSync, readdirSync } from "node:fs";
import { cgroupRoot } from "../../lab/cgroup.ts";
import { mountsBelow, namespacesOf, readRecords } from "../../lab/record.ts";

/** Every trace of a run: namespaces, cgroups (so also processes), mounts, record, folder. */
export function leftOf(run: string, dir: string): readonly string[] {
  const cgroups = readdirSync(cgroupRoot()).filter((name) => name.includes(run));
  const records = readRecords().filter((record) => record.run === run);
  const folder = existsSync(dir) ? [dir] : [];
  return [...namespacesOf(run), ...cgroups, ...mountsBelow(dir), ...records.map(({ run: id }) => id), ...folder];
}

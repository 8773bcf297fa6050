import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Where Debian and others keep chrony's settings. */
const files = ["/etc/chrony/chrony.conf", "/etc/chrony.conf"];
const folders = ["/etc/chrony/conf.d"];
/** What chrony bends a clock by where nothing is said (chrony.conf(5), maxslewrate). */
const chronyDefaultPpm = 83_333;

/**
 * How much the time daemon may bend this host's clock, in ppm (S3). Null: there is no chrony, and the kernel's own
 * discipline, which other daemons use, bends by 500 ppm at most.
 */
export async function readSlewPpm(root = "/"): Promise<number | null> {
  const texts = await Promise.all(files.map((file) => readFile(join(root, file), "utf8").catch(() => null)));
  const found = texts.filter((text) => text !== null);
  if (found.length === 0) return null;
  const more = await Promise.all(folders.map((folder) => readFolder(join(root, folder))));
  return slewOf([...found, ...more.flat()]);
}

async function readFolder(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((): string[] => []);
  const wanted = names.filter((name) => name.endsWith(".conf")).sort();
  return Promise.all(wanted.map((name) => readFile(join(folder, name), "utf8").catch(() => "")));
}

/** The last word of all files counts, as for chrony. */
function slewOf(texts: readonly string[]): number {
  const said = texts.flatMap((text) => [...text.matchAll(/^[ \t]*maxslewrate[ \t]+(\d+(?:\.\d+)?)/gimu)]);
  const last = said.at(-1)?.[1];
  return last === undefined ? chronyDefaultPpm : Math.ceil(Number(last));
}

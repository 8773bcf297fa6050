import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ClusterId, VmId } from "../../model/ids.ts";
import { claimGroupFolder, leaveGroupFolders } from "./group-folder.ts";

const [cluster, other] = ["c1" as ClusterId, "c2" as ClusterId];
const web = { group: "office", vm: "vm:web" as VmId, name: "web", volumes: ["web-0", "web-1"] };
const db = { group: "office", vm: "vm:db" as VmId, name: "db", volumes: ["db-0"] };

let pool = "";
beforeEach(() => {
  pool = mkdtempSync(join(tmpdir(), "hf-group-"));
});
afterEach(() => rmSync(pool, { recursive: true }));
const folder = () => join(pool, "groups", "office");
const mark = () => readFileSync(join(folder(), ".holdfast-group"), "utf8");

test("[S21] a group's folder bears its name, says whose it is, and which files of the pool belong to which VM", () => {
  expect([claimGroupFolder(cluster, pool, web), claimGroupFolder(cluster, pool, db)]).toEqual([undefined, undefined]);
  expect(claimGroupFolder(cluster, pool, web)).toBeUndefined();
  expect(JSON.parse(mark())).toEqual({ schema: 1, cluster: "c1", group: "office" });
  expect(JSON.parse(readFileSync(join(folder(), "vm%3Aweb.json"), "utf8"))).toMatchObject({
    ...{ name: "web", volumes: ["web-0", "web-1"] },
  });
  leaveGroupFolders(cluster, pool, "web-0");
  leaveGroupFolders(cluster, pool, "web-1");
  expect(readdirSync(folder()).sort()).toEqual([".holdfast-group", "vm%3Adb.json"]);
  leaveGroupFolders(cluster, pool, "db-0");
  expect(existsSync(folder())).toBe(false);
});

test("[S21] what is in its place and is not ours is refused, and left as it is", () => {
  claimGroupFolder(other, pool, web);
  const before = mark();
  const refused = claimGroupFolder(cluster, pool, web);
  expect(refused).toMatchObject({ code: "group-folder-foreign", params: { owner: "group office of cluster c2" } });
  leaveGroupFolders(cluster, pool, "web-0");
  expect([mark(), readdirSync(folder()).length]).toEqual([before, 2]);
  rmSync(folder(), { recursive: true });
  mkdirSync(folder());
  expect(claimGroupFolder(cluster, pool, web)).toMatchObject({ code: "group-folder-foreign" });
  expect(readdirSync(folder())).toEqual([]);
  rmSync(folder(), { recursive: true });
  writeFileSync(folder(), "a file");
  expect(claimGroupFolder(cluster, pool, web)).toMatchObject({ code: "group-folder-foreign" });
  leaveGroupFolders(cluster, pool, "web-0");
  expect(readFileSync(folder(), "utf8")).toBe("a file");
});

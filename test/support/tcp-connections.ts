import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const established = "01";

/** How many established TCP connections (IPv4) these processes have to a port of this range, as the kernel tells. */
export function connectionsTo(pids: readonly number[], { first, last }: { first: number; last: number }): number {
  const own = new Set(pids.flatMap(socketsOf));
  const rows = readFileSync("/proc/net/tcp", "utf8").trim().split("\n").slice(1);
  return rows.filter((row) => {
    const fields = row.trim().split(/\s+/u);
    const port = Number.parseInt(fields[2]?.split(":")[1] ?? "", 16);
    return fields[3] === established && port >= first && port <= last && own.has(fields[9] ?? "");
  }).length;
}

function socketsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      const [, inode] = /^socket:\[(\d+)\]$/u.exec(readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? [];
      return inode === undefined ? [] : [inode];
    } catch {
      return []; // closed meanwhile
    }
  });
}

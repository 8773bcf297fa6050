const words: Readonly<Record<string, string>> = {
  ENOSPC: "no room is left on the disk there",
  EDQUOT: "the quota of the disk there is used up",
  EROFS: "the disk there takes no writes: it is read-only",
  EIO: "the disk there fails",
  ECONNREFUSED: "nothing takes connections there: its holdfastd does not run, or has not opened the copies yet",
  ECONNRESET: "the connection was broken off",
  EPIPE: "the connection was broken off",
  EHOSTUNREACH: "no way leads there",
  ENETUNREACH: "no way leads there",
  ETIMEDOUT: "nobody answers there",
};

/** What the system refused, in words that end up before people, with its name for it and where that was. */
export function errorWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, address, port } = error as Error & { readonly code?: unknown; address?: unknown; port?: unknown };
  const known = typeof code === "string" ? words[code] : undefined;
  if (known === undefined) return error.message;
  const where = typeof address === "string" ? ` at ${address}${typeof port === "number" ? `:${port}` : ""}` : "";
  return `${known} (${String(code)}${where})`;
}

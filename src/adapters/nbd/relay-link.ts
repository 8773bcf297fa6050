import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import type { PeerCertificate } from "node:tls";
import type { HostId } from "../../model/ids.ts";
import { knockAt, type TlsTexts } from "../qemu/door.ts";
import { openExport } from "./client.ts";
import type { RelayConfig } from "./relay-control.ts";
import type { KnownCopy } from "./relay-memory.ts";

/**
 * A link that does not answer within this is passed over: the next one may still serve a write within its bound. Times patience: a
 * replica's host that is slow with each answer would otherwise never be connected to.
 */
const limits = { knockMs: 600, exportMs: 600 } as const;

export type Opened =
  /** `counter`: of the image, as it is with this connection. `isAsLeft`: it began as the run before had left it (S15, S21). */
  | {
      readonly kind: "open";
      readonly socket: Socket;
      readonly address: string;
      readonly image: string;
      readonly counter: number;
      readonly isAsLeft: boolean;
    }
  /** What lies there is not what is known: another image, or an older state of it. */
  | { readonly kind: "other" }
  | { readonly kind: "no"; readonly why: string };

/**
 * One connection to the replica of one volume, over the first link that answers: with an export made for it alone (S19). `known`:
 * which image it is to be; undefined: any. `patience`: 1, and more where nobody answered in time before.
 */
export async function openLink(
  config: RelayConfig,
  volume: string,
  known: KnownCopy | undefined,
  patience: number,
  signal: AbortSignal,
): Promise<Opened> {
  const tls = readTexts(config.certificates);
  if (tls === undefined) return { kind: "no", why: "this host's certificate cannot be read" };
  const tried: string[] = [];
  for (const door of config.doors) {
    const { cluster, vm, epoch } = config;
    // Before the others nobody waits longer: a link that is cut is passed over as soon as ever.
    const patient = door === config.doors.at(-1) ? patience : 1;
    const access = { tls, to: config.to as HostId, limitMs: limits.knockMs * patient, signal };
    const answer = await knockAt(door, { cluster, vm, epoch, volume, known }, access);
    if (signal.aborted) return { kind: "no", why: "given up" };
    const opened = await follow({ config, tls, signal, exportMs: limits.exportMs * patient }, door.address, answer);
    if (opened.kind !== "no") return opened;
    tried.push(`${door.address}: ${opened.why}`);
  }
  return { kind: "no", why: tried.length === 0 ? "no address of the replica is known" : tried.join("; ") };
}

type Opening = {
  readonly config: RelayConfig;
  readonly tls: TlsTexts | null;
  readonly signal: AbortSignal;
  readonly exportMs: number;
};

async function follow(
  { config, tls, signal, exportMs }: Opening,
  address: string,
  answer: Awaited<ReturnType<typeof knockAt>>,
): Promise<Opened> {
  if ("no" in answer && answer.other === true) return { kind: "other" };
  if (!("port" in answer)) return { kind: "no", why: "no" in answer ? answer.no : "it names no export" };
  if (answer.name === undefined) return { kind: "no", why: "it names no export" };
  const raw = connect({ host: address, port: answer.port });
  raw.setNoDelay(true);
  const giveUp = (): void => void raw.destroy();
  signal.addEventListener("abort", giveUp);
  const isNot = (certificate: PeerCertificate): Error | undefined => {
    const found = String(certificate.subject?.CN ?? "nobody");
    return found === config.to ? undefined : new Error(`it is ${found}, not ${config.to}`);
  };
  const { counter = 0, image = "", isAsLeft = false } = answer;
  const of = { exportName: answer.name, tls: tls === null ? null : { ...tls, isNot }, limitMs: exportMs };
  return openExport(raw, of)
    .then(({ socket }): Opened => ({ kind: "open", socket, address, image, counter, isAsLeft }))
    .catch((error: unknown): Opened => ({ kind: "no", why: error instanceof Error ? error.message : String(error) }))
    .finally(() => signal.removeEventListener("abort", giveUp));
}

/** Null: none is wanted. Undefined: unreadable. */
function readTexts(certificates: RelayConfig["certificates"]): TlsTexts | null | undefined {
  if (certificates === null) return null;
  try {
    const read = (path: string): string => readFileSync(path, "utf8");
    return { ca: read(certificates.ca), cert: read(certificates.cert), key: read(certificates.key) };
  } catch {
    return undefined;
  }
}

import { type AddressInfo, connect as connectPlain, createServer as createPlainServer, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer, type PeerCertificate, TLSSocket } from "node:tls";
import { z } from "zod";
import type { HostId } from "../../model/ids.ts";
import { consistencySchema, pointIdSchema, pointOriginSchema } from "../../model/point-records.ts";
import { cycleIdSchema, sealedCycleSchema } from "../../model/replication-cycle.ts";
import type { Door } from "../../ports/migration.ts";
import { errorWords } from "../error-words.ts";

export type TlsTexts = { readonly ca: string; readonly cert: string; readonly key: string };

const cycleOrderSchema = z.object({
  order: z.enum(["ask", "open", "seal"]),
  id: cycleIdSchema.nullable(),
  at: z.number(),
});
export type CycleOrder = z.infer<typeof cycleOrderSchema>;

/**
 * `prepare`: all that can be done before writes are held. `take`: now, while they are. `keep`: they were held all the while, so
 * that it is a point. `drop`: they were not. `keep-last`: as the copies lie, nobody writes them (S20).
 */
const pointOrderSchema = z.object({
  order: z.enum(["prepare", "take", "keep", "drop", "keep-last"]),
  id: pointIdSchema,
  origin: pointOriginSchema,
  consistency: consistencySchema,
});
export type PointOrder = z.infer<typeof pointOrderSchema>;

/** What a source says at the door: the run that it wants to send a guest to, or the writes of one of its volumes. */
const knockSchema = z.object({
  schema: z.literal(1),
  cluster: z.string(),
  vm: z.string(),
  epoch: z.int(),
  volume: z.string().optional(),
  /** The volume's image as the one who knocks knows it: another one, or an older state of it, is not opened (S21). */
  known: z.object({ image: z.string(), counter: z.int() }).optional(),
  /** What is wanted of a cycle; without it, of a connection. `at`: milliseconds since 1970, of the one who knocks. */
  cycle: cycleOrderSchema.optional(),
  /** What is wanted of a recovery point. */
  point: pointOrderSchema.optional(),
  /** It tries a port that it is told before its own connection comes there. An older source does not. */
  tries: z.boolean().optional(),
});
export type Knock = z.infer<typeof knockSchema>;
/** Of the export that was opened for one knock alone: its name, and its volume's image as it then is (S15, S21). */
const exportSchema = z.object({
  name: z.string().optional(),
  image: z.string().optional(),
  counter: z.int().optional(),
  isAsLeft: z.boolean().optional(),
});
const answerSchema = z.union([
  /** `nbd`: where the disks of a guest that comes in are written to. */
  exportSchema.extend({ port: z.int(), nbd: z.int().optional() }),
  /** `other`: what lies here is not what is known of it. */
  z.object({ no: z.string(), other: z.literal(true).optional() }),
  /** What came of an order about a cycle. `problem` null: it is carried out. `last`: the last one that is sealed here. */
  z.object({ problem: z.string().nullable(), last: sealedCycleSchema.nullable() }),
  /** What came of an order about a point. `at`: its moment, by the clock here. */
  z.object({ problem: z.string().nullable(), at: z.int().nullable() }),
]);
export type KnockAnswer = z.infer<typeof answerSchema>;

/** On the way to an answer: whether the one who knocked gets through to this port, and what it found. */
const tryPortSchema = z.object({ try: z.int() });
const triedSchema = z.object({ reached: z.boolean() });

type DoorOptions = {
  readonly addresses: readonly string[];
  /** Null: a direct cable. */
  readonly tls: TlsTexts | null;
  /** The only host that is let in, with this. */
  readonly from: HostId;
  readonly expects: Pick<Knock, "cluster" | "vm" | "epoch">;
  /** Before it opens: a port among these is tried by whoever knocks, since a firewall may let through the knock alone. */
  readonly tries?: { readonly first: number; readonly last: number };
  /** `address`: where it came. `waits`: whoever knocked still waits for the answer. */
  readonly open: (
    address: string,
    volume: string | undefined,
    known: Knock["known"],
    waits: () => boolean,
  ) => Promise<KnockAnswer>;
  /** Default: no cycles are received. */
  readonly cycle?: (order: CycleOrder) => Promise<KnockAnswer>;
  /** Default: nothing is known of points. */
  readonly point?: (order: PointOrder) => Promise<KnockAnswer>;
  /** True: whoever knocks is let in each time anew. Default: once at most. */
  readonly again?: boolean;
  /** By address, where those who knock know them already; a port that is taken is replaced. Default: any. */
  readonly ports?: Readonly<Record<string, number>>;
  /** The last one of these that is free, where a firewall may let through nothing else; none is: any. */
  readonly within?: { readonly first: number; readonly last: number };
};
type OpenDoors = { readonly doors: readonly Door[]; readonly close: () => void };

type OnKnock = (knock: Knock, address: string, reaches: Reaches, waits: () => boolean) => Promise<KnockAnswer>;
/** By the word of the one who knocks. */
type Reaches = (port: number) => Promise<boolean>;

const limits = {
  /** A connection that says nothing, on either side. */
  silenceMs: 5_000,
  lineBytesMax: 4_096,
  /** For one connection within a link that answered the knock. */
  tryMs: 1_000,
} as const;

/**
 * A QEMU that waits for a guest takes whoever connects first for its source, and ends where that says nothing of use. So
 * it listens only once its source has knocked here, on the address that was reached; the knock is also what finds a link
 * that connects, in seconds instead of minutes.
 */
export async function openDoors(options: DoorOptions): Promise<OpenDoors> {
  const closers: (() => void)[] = [];
  const close = (): void => {
    for (const each of closers.splice(0)) each();
  };
  let taken = false;
  const { cluster, vm, epoch } = options.expects;
  const onKnock: OnKnock = async (knock, address, reaches, waits) => {
    if (knock.cluster !== cluster || knock.vm !== vm || knock.epoch !== epoch) return { no: "another run waits here" };
    if (taken && options.again !== true) return { no: "somebody was here before" };
    if (knock.cycle !== undefined) return (await options.cycle?.(knock.cycle)) ?? { no: "no cycles are received here" };
    if (knock.point !== undefined) return (await options.point?.(knock.point)) ?? { no: "no copies are received here" };
    taken = true;
    const isShut =
      options.tries !== undefined && knock.tries === true && !(await isReached(address, options.tries, reaches));
    const { volume, known } = knock;
    const answer = isShut ? { no: "its ports do not connect" } : await options.open(address, volume, known, waits);
    // Whoever could not be let in on this address may knock at another one.
    if ("no" in answer) taken = false;
    return answer;
  };
  const opened = options.addresses.map((address) => listen(options, address, closers, onKnock));
  const doors = (await Promise.all(opened)).filter((door) => door !== undefined);
  return { doors, close };
}

/** Undefined: this host does not have the address. */
function listen(
  { tls, from, ports, within }: DoorOptions,
  address: string,
  closers: (() => void)[],
  onKnock: OnKnock,
): Promise<Door | undefined> {
  const serve = (socket: Socket): void => void answerKnock(socket, from, address, onKnock);
  const server =
    tls === null
      ? createPlainServer(serve)
      : createTlsServer(
          { ...tls, requestCert: true, rejectUnauthorized: true, handshakeTimeout: limits.silenceMs },
          serve,
        );
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  closers.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return new Promise((resolve) => {
    const first = within?.first ?? 0;
    let port = ports?.[address] ?? within?.last ?? 0;
    const listenThere = (): void => void server.listen({ host: address, port, exclusive: true });
    server.on("error", (error: NodeJS.ErrnoException) => {
      if (port === 0) return resolve(undefined);
      const isNext = within !== undefined && error.code === "EADDRINUSE" && port > first;
      port = isNext ? port - 1 : 0;
      listenThere();
    });
    server.on("listening", () => resolve({ address, port: (server.address() as AddressInfo).port }));
    listenThere();
  });
}

async function answerKnock(socket: Socket, from: HostId, address: string, onKnock: OnKnock): Promise<void> {
  const found = socket instanceof TLSSocket ? nameOf(socket.getPeerCertificate()) : from;
  const readLine = lineReader(socket);
  const line = found === from ? await readLine() : undefined;
  const knock = knockSchema.safeParse(parseJson(line));
  const reaches: Reaches = async (port) => {
    socket.write(`${JSON.stringify({ try: port })}\n`);
    const tried = triedSchema.safeParse(parseJson(await readLine()));
    return tried.success && tried.data.reached;
  };
  const waits = (): boolean => !socket.destroyed && !socket.readableEnded;
  const answer = async (): Promise<KnockAnswer> => {
    if (found !== from) return { no: `${found} is not ${from}` };
    return knock.success ? onKnock(knock.data, address, reaches, waits) : { no: "that is no knock" };
  };
  socket.end(`${JSON.stringify(await answer())}\n`);
}

/** Knocks at one door; where nobody opens, `no` says why. */
export function knockAt(
  door: Door,
  knock: Omit<Knock, "schema">,
  access: {
    readonly tls: TlsTexts | null;
    readonly to: HostId;
    readonly limitMs: number;
    readonly signal: AbortSignal;
  },
): Promise<KnockAnswer> {
  const { tls, to, limitMs, signal } = access;
  const target = { host: door.address, port: door.port };
  return new Promise((resolve) => {
    const socket =
      tls === null
        ? connectPlain(target)
        : connectTls({ ...target, ...tls, checkServerIdentity: (_, cert) => isNot(to, cert) });
    const finish = (answer: KnockAnswer): void => {
      clearTimeout(limit);
      signal.removeEventListener("abort", giveUp);
      socket.destroy();
      resolve(answer);
    };
    const giveUp = (): void => finish({ no: "given up" });
    const limit = setTimeout(() => finish({ no: `no answer within ${limitMs} ms` }), limitMs);
    signal.addEventListener("abort", giveUp);
    if (signal.aborted) giveUp();
    socket.on("error", (error) => finish({ no: errorWords(error) }));
    socket.once(tls === null ? "connect" : "secureConnect", () => {
      socket.write(`${JSON.stringify({ schema: 1, ...knock })}\n`);
      void hearAnswer(socket, door.address).then(finish);
    });
  });
}

/** What is asked on the way to the answer is tried, and told. */
async function hearAnswer(socket: Socket, address: string): Promise<KnockAnswer> {
  const readLine = lineReader(socket);
  let line = parseJson(await readLine());
  const tried = tryPortSchema.safeParse(line);
  if (tried.success) {
    socket.write(`${JSON.stringify({ reached: await connects(address, tried.data.try) })}\n`);
    line = parseJson(await readLine());
  }
  const parsed = answerSchema.safeParse(line);
  return parsed.success ? parsed.data : { no: "the door was closed" };
}

function connects(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectPlain({ host, port });
    const finish = (reached: boolean): void => {
      clearTimeout(limit);
      socket.destroy();
      resolve(reached);
    };
    const limit = setTimeout(() => finish(false), limits.tryMs);
    socket.once("connect", () => finish(true));
    socket.once("error", () => finish(false));
  });
}

/** Listens for nobody but the one who tries, on the first port that is free; nothing is read there. */
async function isReached(
  address: string,
  { first, last }: { readonly first: number; readonly last: number },
  reaches: Reaches,
): Promise<boolean> {
  for (let port = first; port <= last; port++) {
    const close = await listenPlain(address, port);
    if (close === undefined) continue;
    const reached = await reaches(port);
    close();
    return reached;
  }
  // All are in use: whoever is to listen there will say so.
  return true;
}

function listenPlain(host: string, port: number): Promise<(() => void) | undefined> {
  return new Promise((resolve) => {
    // Whoever tries closes first: the port is free at once.
    const server = createPlainServer((socket) => socket.on("error", () => undefined).resume());
    server.once("error", () => resolve(undefined));
    server.listen({ host, port, exclusive: true }, () => resolve(() => server.close()));
  });
}

function isNot(wanted: HostId, certificate: PeerCertificate): Error | undefined {
  const found = nameOf(certificate);
  return found === wanted ? undefined : new Error(`it is ${found}, not ${wanted}`);
}

function nameOf(certificate: PeerCertificate): string {
  return String(certificate.subject?.CN ?? "nobody");
}

/** The next line, each time; undefined: the connection ended, or said nothing of use in time. */
function lineReader(socket: Socket): () => Promise<string | undefined> {
  let text = "";
  let over = false;
  let wanted: ((line: string | undefined) => void) | undefined;
  const give = (): void => {
    const cut = text.indexOf("\n");
    if (wanted === undefined || (cut < 0 && !over && text.length <= limits.lineBytesMax)) return;
    wanted(cut < 0 ? undefined : text.slice(0, cut));
    wanted = undefined;
    text = cut < 0 ? "" : text.slice(cut + 1);
  };
  const end = (): void => {
    over = true;
    give();
  };
  socket.setTimeout(limits.silenceMs, end);
  socket.on("close", end);
  socket.on("error", end);
  socket.setEncoding("utf8").on("data", (data: string) => {
    text += data;
    give();
  });
  return () =>
    new Promise((resolve) => {
      wanted = resolve;
      give();
    });
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
}

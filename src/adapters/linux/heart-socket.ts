import { rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { limits } from "../../core/limits.ts";
import { agentAliveSchema, agentHelloSchema, heartSaysSchema } from "../../model/heart-line.ts";
import { parseJson } from "../../model/json.ts";
import type { HeartLink, HeartSays } from "../../ports/heart.ts";
import type { AgentLine } from "../../ports/heart-host.ts";
import { type KeptAgent, keepAgent } from "./agent-keeper.ts";
import { lineCutter, openLineClient, unreadBytesMax } from "./lines.ts";

// JSON lines on `heart.sock`: the agent says {"agent":{"pid":N}} once and {"alive":{"poolAgeMs":N|null}} every second or so,
// the heart says its newest HeartSays.

export interface AgentServer extends AgentLine {
  close(): void;
}

/** The heart's side. Where the socket cannot be had, the heart beats on without an agent and says so in its log. */
export function serveAgents(
  path: string,
  log: (line: string) => void,
  hungMs: number = limits.agentHungMs,
): AgentServer {
  const sockets = new Set<Socket>();
  let newest: HeartSays | null = null;
  let alive = (_poolAgeMs: number | null): void => {};
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    let kept: KeptAgent | undefined;
    const drop = (): void => {
      sockets.delete(socket);
      kept?.release();
      socket.destroy();
    };
    const hear = (text: string): void => {
      const json = parseJson(text);
      const hello = agentHelloSchema.safeParse(json);
      const parsed = agentAliveSchema.safeParse(json);
      if (hello.success) {
        kept?.release();
        kept = keepAgent(hello.data.agent.pid, hungMs, log);
      } else if (parsed.success) {
        kept?.heard();
        alive(parsed.data.alive.poolAgeMs);
      } else log(`The agent says what this heart does not understand: ${text.slice(0, 200)}`);
    };
    socket.on("data", lineCutter(hear, drop));
    socket.on("error", drop);
    socket.on("close", drop);
    if (newest !== null) write(socket, newest, drop);
  });
  server.on("error", (error) => log(`Cannot listen on ${path}: ${error.message}. The agent cannot reach this heart.`));
  rmSync(path, { force: true }); // left by a heart that was killed
  server.listen(path);
  return {
    tell: (says) => {
      newest = says;
      for (const socket of sockets) write(socket, says, () => socket.destroy());
    },
    listen: (listener) => {
      alive = listener;
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function write(socket: Socket, says: HeartSays, drop: () => void): void {
  if (socket.writableLength > unreadBytesMax) drop();
  else socket.write(`${JSON.stringify(says)}\n`);
}

export interface HeartClient extends HeartLink {
  close(): void;
}

/** The agent's side: comes back by itself, says `lost` in between. */
export function openHeartLink(path: string, log: (line: string) => void): HeartClient {
  let newest: HeartSays | "lost" = "lost";
  let listener = (_says: HeartSays | "lost"): void => {};
  const hear = (says: HeartSays | "lost"): void => {
    newest = says;
    listener(says);
  };
  const lines = openLineClient({
    path,
    onOpen: () => lines.send(JSON.stringify({ agent: { pid: process.pid } })),
    onLine: (text) => {
      const parsed = heartSaysSchema.safeParse(parseJson(text));
      if (parsed.success) hear(parsed.data);
      else log(`The heart says what this agent does not understand: ${text.slice(0, 200)}`);
    },
    onLost: () => hear("lost"),
  });
  return {
    alive: (poolAgeMs) => lines.send(JSON.stringify({ alive: { poolAgeMs } })),
    listen: (next) => {
      listener = next;
      next(newest);
    },
    close: () => lines.close(),
  };
}

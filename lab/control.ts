import { existsSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import type { FaultRequest } from "./fault-menu.ts";
import { applyFault } from "./faults.ts";
import { LabError } from "./lab-error.ts";
import { isAlive, type RunRecord, readRecords } from "./record.ts";
import { type LabStatus, labStatus } from "./status.ts";
import type { World } from "./world.ts";

/** JSON lines on `DIR/lab.sock`: one request, one answer. */
const statusSchema = z.object({ status: z.literal(true) });
const requestSchema = z.object({
  fault: z.string(),
  host: z.string().optional(),
  process: z.string().optional(),
  link: z.string().optional(),
  rate: z.string().optional(),
});
const answerSchema = z.union([
  z.object({ done: z.string() }),
  z.object({ cause: z.string(), effect: z.string(), remedy: z.string() }),
]);
type Answer = z.infer<typeof answerSchema> | LabStatus;

const socketPath = (dir: string): string => join(dir, "lab.sock");

/** Takes faults from other terminals while the world is open. Returns the stop. */
export async function serveControl(world: World): Promise<() => void> {
  const server: Server = createServer((client) => void serveClient(world, client));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath(world.dir), resolve);
  });
  return () => server.close();
}

async function serveClient(world: World, client: Socket): Promise<void> {
  client.on("error", () => client.destroy());
  for await (const line of createInterface({ input: client })) {
    client.write(`${JSON.stringify(await answer(world, line))}\n`);
  }
}

async function answer(world: World, line: string): Promise<Answer> {
  try {
    const asked: unknown = JSON.parse(line);
    if (statusSchema.safeParse(asked).success) return await labStatus(world);
    const parsed = requestSchema.safeParse(asked);
    if (!parsed.success)
      throw new LabError("This is not a fault request.", "Nothing was done.", 'Send {"fault": NAME, "host": …}.');
    return { done: `Lab ${world.run}: ${await applyFault(world, parsed.data)}` };
  } catch (error) {
    if (error instanceof LabError) return { cause: error.message, effect: error.effect, remedy: error.remedy };
    const cause = error instanceof Error ? error.message : String(error);
    return { cause, effect: "The fault may be in force in part.", remedy: "Heal, or start the lab again." };
  }
}

/**
 * Asks a running lab for a fault, from any process of this machine; returns what was done. `run`: needed only where
 * several labs run. Throws `LabError`: no lab, several labs, or what the lab itself answered.
 */
export async function requestFault(request: FaultRequest, run?: string): Promise<string> {
  const record = chooseRun(run);
  const line = await ask(socketPath(record.dir), JSON.stringify(request));
  const said = answerSchema.parse(JSON.parse(line));
  if ("done" in said) return said.done;
  throw new LabError(said.cause, said.effect, said.remedy);
}

function chooseRun(run: string | undefined): RunRecord {
  const alive = readRecords().filter((record) => isAlive(record) && existsSync(socketPath(record.dir)));
  const wanted = run === undefined ? alive : alive.filter((record) => record.run === run);
  const names = alive.map((record) => record.run).join(", ");
  const [first, second] = wanted;
  if (first === undefined && names === "")
    throw noLab("No lab is running.", "Start one in another terminal: npm run lab");
  if (first === undefined) throw noLab(`No lab ${run} is running.`, `Running are: ${names}.`);
  if (second !== undefined) throw noLab(`Several labs are running: ${names}.`, "Say which: --run ID");
  return first;
}

function noLab(cause: string, remedy: string): LabError {
  return new LabError(cause, "Nothing was done.", remedy);
}

function ask(path: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path, () => socket.write(`${line}\n`));
    socket.once("error", () => reject(noLab("The lab does not answer.", "Is it just ending? Start it again.")));
    socket.once("close", () => reject(noLab("The lab ended before it answered.", "Start it again.")));
    createInterface({ input: socket }).once("line", (answered) => {
      resolve(answered);
      socket.destroy();
    });
  });
}

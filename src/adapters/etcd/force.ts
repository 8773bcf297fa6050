import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { HostConfig } from "../../model/config.ts";
import { parseJson } from "../../model/json.ts";
import { keys } from "../../model/keys.ts";
import { type TakeoverPlan, takeoverPlanSchema } from "../../model/takeover-plan.ts";
import type { ForceEnd, StoreForce } from "../../ports/store-force.ts";
import { answering } from "../linux/links.ts";
import { writeDurably } from "../qemu/replica-files.ts";
import { forcedMark, memberDataDir, startOrders } from "./member.ts";
import type { EtcdStore } from "./store.ts";

const askMs = 2_000;
const pollMs = 200;
/** For a member that copies its data, starts alone and elects itself; less than an order is good for (`memberCommand`). */
const forceMs = 60_000;
/** Of a host that is up, at least one of its own doors answers, or says that there is none: store, and SSH. */
const knocked = [2379, 2380, 22] as const;

export type ForceOptions = Pick<HostConfig, "runDir" | "stateDir"> & { readonly restart: readonly string[] };

/** Forces a new store by an order to the member's next start (`memberCommand`). */
export function openStoreForce(options: ForceOptions, store: EtcdStore): StoreForce {
  // Made by the member's start, right before it is forced: whoever dies meanwhile, it is there exactly if that was begun.
  const mark = forcedMark(memberDataDir(options.stateDir));
  const begun = begunHere(options);
  const order = startOrders(options.runDir).force;
  let forced = 0;
  const finished = () =>
    attempt(() => {
      rmSync(mark, { force: true });
      rmSync(begun, { force: true });
    });
  return {
    isUnfinished: () => existsSync(mark),
    isOfThisBoot: () => existsSync(mark) && existsSync(begun),
    finished,
    answering: (addresses, done) => {
      void answering(addresses, { ports: knocked, limitMs: askMs }).then(done);
    },
    peek: (done) => store.peek(done),
    force: (plan, done) => {
      forced += 1;
      void force(options, store, plan).then(done);
    },
    note: (plan) => {
      forced += 1;
      return attempt(() => {
        writeDurably(mark, plan);
        writeFileSync(begun, "");
      });
    },
    forgetOrder: () => void attempt(() => rmSync(order, { force: true })),
    plan: () => readPlan(mark),
    settle: (done) => {
      const before = forced;
      // An order that is on its way makes the mark anew.
      const isQuiet = () => forced === before && !existsSync(order);
      if (!existsSync(mark) || !isQuiet()) return done("unknown");
      void store.membership.ownList().then((listed) => {
        const members = listed.kind === "done" ? listed.value : [];
        const votes = members.filter(({ learner }) => !learner).length;
        if (!isQuiet() || votes === 0) return done("unknown");
        // A forced store has one member, until all that has to follow is written (`isToRejoin`).
        if (votes === 1) return done(members.length === 1 ? "forced" : "unknown");
        // Where the state disk takes nothing the mark stays, and is looked at again.
        done(finished().kind === "done" ? "never-came" : "unknown");
      });
    },
  };
}

/** A disk that takes nothing is no reason for a daemon to end. */
function attempt(change: () => void): ForceEnd {
  try {
    change();
    return { kind: "done" };
  } catch (error) {
    return { kind: "failed", cause: error instanceof Error ? error.message : String(error) };
  }
}

/** Gone with a boot, as all of the run folder. */
function begunHere({ runDir }: ForceOptions): string {
  return join(runDir, "store-forced-here");
}

/** What the order said, as the member's start has taken it over into its mark. */
function readPlan(mark: string): TakeoverPlan | undefined {
  try {
    return takeoverPlanSchema.safeParse(parseJson(readFileSync(mark, "utf8"))).data;
  } catch {
    return undefined; // there is none
  }
}

async function force(options: ForceOptions, store: EtcdStore, plan: TakeoverPlan): Promise<ForceEnd> {
  const { runDir, restart } = options;
  const order = startOrders(runDir).force;
  const giveUpAt = performance.now() + forceMs;
  const given = attempt(() => {
    writeFileSync(begunHere(options), "");
    writeFileSync(order, JSON.stringify(plan));
  });
  if (given.kind === "failed") {
    attempt(() => rmSync(order, { force: true }));
    return given;
  }
  restartMember(restart);
  try {
    while (performance.now() < giveUpAt) {
      await sleep(pollMs);
      if (!existsSync(order) && (await serves(store))) return { kind: "done" };
    }
  } finally {
    // An order that nobody took up must not wait for a later start.
    rmSync(order, { force: true });
  }
  return { kind: "failed", cause: `the store did not serve within ${forceMs / 1000} s` };
}

function serves(store: EtcdStore): Promise<boolean> {
  return new Promise((resolve) => store.snapshot(keys.cluster, ({ kind }) => resolve(kind === "done")));
}

/** Its supervisor starts it again. */
export function restartMember([file = "", ...args]: readonly string[]): void {
  const child = spawn(file, args, { stdio: "ignore", detached: true });
  // Told by the store, which does not come back as it was asked to.
  child.once("error", () => undefined);
  child.unref();
}

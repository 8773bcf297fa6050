import { writeFileSync } from "node:fs";
import { restartMember } from "./force.ts";
import { startOrders } from "./member.ts";
import type { StoreMember } from "./membership.ts";
import type { EtcdStore } from "./store.ts";

export type RejoinOptions = {
  /** Of this host's member: its name, and its endpoint for clients. */
  readonly name: string;
  readonly endpoint: string;
  readonly runDir: string;
  readonly restart: readonly string[];
  /** Whether the store went on without this host, which is in it again (core/takeover.ts). */
  readonly isDue: () => boolean;
  /** It votes again. */
  readonly joined: () => void;
  readonly log: (code: string, params: Readonly<Record<string, string | number>>) => void;
};

const everyMs = 2_000;
/** A member that was restarted has so long to come up as a learner before it is tried again. */
const startMs = 20_000;
const peerPort = 2380;

/** Makes this host's member one of the store that went on without it (S23). Returns the stop. */
export function keepJoining(options: RejoinOptions, store: EtcdStore): () => void {
  let restartedAt = Number.NEGATIVE_INFINITY;
  let working = false;
  const look = async (): Promise<void> => {
    const step = await nextStep(options, store);
    switch (step.kind) {
      case "joined":
        options.joined();
        return;
      case "wait":
        options.log("store-rejoin-waits", { cause: step.cause });
        return;
      case "start":
        if (performance.now() < restartedAt + startMs) return;
        restartedAt = performance.now();
        writeFileSync(startOrders(options.runDir).join, step.initial);
        restartMember(options.restart);
        return;
    }
  };
  const timer = setInterval(() => {
    if (working || !options.isDue()) return;
    working = true;
    void look().finally(() => {
      working = false;
    });
  }, everyMs);
  return () => clearInterval(timer);
}

type Step =
  | { readonly kind: "joined" }
  | { readonly kind: "wait"; readonly cause: string }
  | { readonly kind: "start"; readonly initial: string };

async function nextStep({ name, endpoint }: RejoinOptions, { membership, maintenance }: EtcdStore): Promise<Step> {
  const peerUrl = `https://${new URL(endpoint).hostname}:${peerPort}`;
  const listed = await membership.list();
  if (listed.kind === "unknown") return { kind: "wait", cause: listed.cause };
  const own = listed.value.find((member) => member.peerUrls.includes(peerUrl));
  if (own === undefined) {
    const added = await membership.addLearner(peerUrl);
    return { kind: "wait", cause: added.kind === "unknown" ? added.cause : "added" };
  }
  const health = (await maintenance.health()).find((member) => new URL(endpoint).host === member.endpoint);
  const isUp = health?.kind === "answered" && health.memberId === own.id;
  if (!isUp) return { kind: "start", initial: initialOf(listed.value, peerUrl, name) };
  if (!own.learner) return { kind: "joined" };
  const promoted = await membership.promote(own.id);
  return { kind: "wait", cause: promoted.kind === "unknown" ? promoted.cause : "promoted" };
}

/** One that was never started has no name yet. */
function initialOf(members: readonly StoreMember[], peerUrl: string, name: string): string {
  return members
    .flatMap((member) => member.peerUrls.map((url) => `${url === peerUrl ? name : member.name}=${url}`))
    .join(",");
}

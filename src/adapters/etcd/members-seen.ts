import type { StoreMaintenance } from "./maintenance.ts";

const everyMs = 3_000;

export type MembersSeen = {
  /** Whether the store's member at one of these addresses answers; undefined: this host does not ask there, or has not yet. */
  readonly answers: (addresses: readonly string[]) => boolean | undefined;
  readonly stop: () => void;
};

/** Whether each member of the store answers this very host, asked now and then: for people, and nothing rests on it. */
export function watchMembers(maintenance: Pick<StoreMaintenance, "health">): MembersSeen {
  const seen = new Map<string, boolean>();
  let running = false;
  const look = (): void => {
    if (running) return;
    running = true;
    const over = (): void => {
      running = false;
    };
    void maintenance
      .health()
      .then((members) => {
        for (const { kind, endpoint } of members) seen.set(new URL(endpoint).hostname, kind === "answered");
      })
      .then(over, over);
  };
  look();
  const timer = setInterval(look, everyMs);
  timer.unref();
  return {
    answers: (addresses) => addresses.map((address) => seen.get(address)).find((one) => one !== undefined),
    stop: () => clearInterval(timer),
  };
}

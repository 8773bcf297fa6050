import type { Owner } from "../../model/records.ts";
import type { Action, ActionName } from "./result.ts";
import type { Shown } from "./steps-between.ts";

const moving: readonly string[] = ["migrate", "relocate", "request_start_balance"];

/** What agents did, in order. */
export class Actions {
  readonly all: Action[] = [];
  readonly #now: () => number;
  readonly #shown = new Map<string, Shown>();
  /** The epoch that a failed start of it had. */
  readonly #failed = new Map<string, { readonly node: string; readonly epoch: number | undefined }>();
  readonly #epochs = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  asked(node: string, sid: string, action: ActionName): void {
    // A live move stops nothing; that ours does it by a stop is no action of its own.
    if (action.startsWith("stop.") && this.#shown.get(sid)?.state === "migrate") return;
    this.#add({ t: this.#now(), node, sid, action });
    if (action === "start.fail") this.#failed.set(sid, { node, epoch: this.#epochs.get(sid) });
  }

  /** After a failed start its owner record tells whether it is tried there again. */
  follow(sid: string, owner: Owner | undefined): void {
    const failed = this.#failed.get(sid);
    if (failed !== undefined && owner !== undefined) {
      const again = owner.kind === "held" && owner.host === failed.node && owner.epoch !== failed.epoch;
      if (again || owner.kind === "released") {
        this.#failed.delete(sid);
        this.#add({ t: this.#now(), node: failed.node, sid, action: again ? "start.retry" : "start.giveup" });
      }
    }
    if (owner !== undefined) this.#epochs.set(sid, owner.epoch);
  }

  stepped(sid: string, before: Shown | undefined, after: Shown): void {
    this.#shown.set(sid, after);
    const node = after.node ?? "";
    if (moving.includes(after.state) && after.target !== null) {
      this.#add({ t: this.#now(), node, sid, action: "move.begin", target: after.target, how: howOf(after) });
    } else if (before !== undefined && moving.includes(before.state) && before.target !== null) {
      const action = node === before.target ? "move.ok" : "move.fail";
      const from = before.node ?? "";
      this.#add({ t: this.#now(), node: from, sid, action, target: before.target, how: howOf(before) });
    }
    if (after.state === "error") this.#add({ t: this.#now(), node, sid, action: "error.reported" });
  }

  #add(action: Action): void {
    this.all.push(action);
  }
}

function howOf({ state }: Shown): "migrate" | "relocate" {
  return state === "migrate" ? "migrate" : "relocate";
}

import { later } from "../model/ids.ts";
import type { FenceDevice } from "../model/records.ts";
import type { Clock } from "../ports/clock.ts";
import type { Fencing, PowerStatusEnd } from "../ports/fencing.ts";

/** The switch of one simulated host. */
export interface SimPower {
  isOn(): boolean;
  cut(): void;
}

/** How a simulated device behaves; may change while a call is under way. */
export type SimDeviceMood = {
  /** Until a command takes effect, and again until a question is answered. */
  readonly delayMs: number;
  /** Nothing arrives; each call ends as `unknown` after the port's limit. */
  readonly unreachable: boolean;
  /** Says yes and does nothing. */
  readonly ignores: boolean;
  /** Says that the power is off, whatever is true: outside the guarantee, for planted bugs only. */
  readonly lies: boolean;
};
export const goodMood: SimDeviceMood = { delayMs: 400, unreachable: false, ignores: false, lies: false };

/** `troubles`: what its mood is made of, in the order in which they came; the latest of a kind counts. */
export type SimDevice = { readonly power: SimPower; mood: SimDeviceMood; troubles?: Set<Partial<SimDeviceMood>> };

/** As real devices: nothing ends later than this. */
const callLimitMs = 30_000;

/** Virtual fence devices: a record with agent `sim` names its device in the option `device`. */
export function simFencing(clock: Clock, devices: ReadonlyMap<string, SimDevice>): Fencing {
  const after = (ms: number, act: () => void): void => {
    clock.wakeAt(later(clock.now(), ms), act);
  };
  const find = (device: FenceDevice): SimDevice | undefined => devices.get(device.options["device"] ?? "");

  const ask = (device: SimDevice, limitMs: number, done: (end: PowerStatusEnd) => void): void => {
    if (device.mood.unreachable || device.mood.delayMs > limitMs) {
      after(limitMs, () => done({ kind: "unknown", cause: "the device does not answer" }));
      return;
    }
    after(device.mood.delayMs, () => {
      const off = device.mood.lies || !device.power.isOn();
      done(off ? { kind: "off" } : { kind: "on" });
    });
  };

  return {
    powerOff: (record, done) => {
      const device = find(record);
      if (device === undefined) return after(0, () => done({ kind: "refused", cause: "there is no such device" }));
      const { delayMs, unreachable } = device.mood;
      const lost = unreachable || delayMs > callLimitMs / 2;
      // A slow device carries the command out even where nobody waits for it any more.
      if (!unreachable)
        after(delayMs, () => (device.mood.ignores || device.mood.lies ? undefined : device.power.cut()));
      if (lost) return after(callLimitMs, () => done({ kind: "unknown", cause: "the device does not answer" }));
      after(delayMs, () =>
        ask(device, callLimitMs - delayMs, (status) => {
          if (status.kind === "on") done({ kind: "unknown", cause: "the power is still on after off" });
          else done(status);
        }),
      );
    },
    status: (record, done) => {
      const device = find(record);
      if (device === undefined) return after(0, () => done({ kind: "unknown", cause: "there is no such device" }));
      ask(device, callLimitMs, done);
    },
  };
}

import type { HostId, VmId } from "../../model/ids.ts";
import type { SimPointAnswer, SimPointOrder } from "./machine.ts";
import { addPoint, type SimReplicaHost, setPoint } from "./received.ts";

/** The side of the copies, as src/adapters/qemu/replica-point-take.ts is one; undefined: nothing is received for this one. */
export function obeyPoint(
  host: SimReplicaHost,
  now: number,
  from: HostId,
  vm: VmId,
  epoch: number,
  { order, id, origin }: SimPointOrder,
): SimPointAnswer | undefined {
  const received = host.received.get(vm);
  const daemon = host.daemons.get(vm);
  if (received?.epoch !== epoch || received.from !== from || received.cycles !== null) return undefined;
  const points = host.points.get(vm) ?? [];
  const found = points.find((point) => point.id === id);
  const others = points.filter((point) => point.id !== id);
  if (daemon === undefined || !daemon.isAlive || daemon.hangs) {
    if (order === "keep-last" && daemon?.hangs === true && found === undefined) {
      // It hung in the midst of laying it: it is ended, and what it left is nobody's point.
      addPoint(host, received, id, now, { origin, whole: false });
      daemon.isAlive = false;
    }
    return { problem: "its storage daemon is gone", at: null };
  }
  switch (order) {
    case "prepare":
      return { problem: found === undefined ? null : "there is one of this name", at: null };
    case "take":
      if (found !== undefined) return { problem: "there is one of this name", at: null };
      addPoint(host, received, id, now, { origin, whole: false });
      return { problem: null, at: now };
    case "keep":
      if (found === undefined) return { problem: "it is not there any more", at: null };
      setPoint(host, vm, { ...found, whole: true });
      return { problem: null, at: found.at };
    case "drop":
      host.points.set(vm, others);
      return { problem: null, at: null };
    case "keep-last":
      for (const volume of received.volumes) {
        const open = host.exports.get(volume);
        if (open !== undefined) open.isRemoved = true;
        host.exports.delete(volume);
      }
      // Under the name of one that was half laid, too.
      if (found?.whole !== true) addPoint(host, received, id, now, { origin, whole: true });
      return { problem: null, at: now };
  }
}

import { planLeave } from "../../core/requests/change-host.ts";
import type { IntentId } from "../../model/ids.ts";
import { bootHost, killProcess } from "../world/boot.ts";
import type { SimHost } from "../world/host.ts";
import type { World } from "../world/world.ts";
import { askCluster } from "./asking.ts";
import type { HaScenario } from "./format.ts";
import type { Held } from "./held-managers.ts";
import type { Observer } from "./observer.ts";

type Next = "agent-restart" | "reboot" | "power-off";

/** Hosts of one batch are switched on one after the other, in order: the first to claim the office gets it. */
const bootEveryMs = 1;
const restartAfterMs = 1_000;
const patienceMs = 60_000;

/** The hardware of a scenario: power, network, and what is wrong with them. */
export class Machines {
  readonly #world: World;
  readonly #scenario: HaScenario;
  readonly #observer: Observer;
  readonly #held: Held;
  readonly #cut = new Set<number>();

  constructor(world: World, scenario: HaScenario, observer: Observer, held: Held) {
    this.#world = world;
    this.#scenario = scenario;
    this.#observer = observer;
    this.#held = held;
    for (const host of world.hosts) {
      const device = world.devices.get(host.id);
      if (device === undefined) continue;
      const power = {
        isOn: () => host.on,
        cut: () => {
          if (host.on) observer.reset(host);
          this.#switchOff(host.id);
        },
      };
      world.devices.set(host.id, { ...device, power });
    }
  }

  /** As the file has it before its first command. */
  begin(): void {
    for (const { name, power, network } of this.#scenario.nodes) {
      if (power === "on") this.power(name, "on");
      if (network === "off" && power === "on") this.network(name, "off");
    }
  }

  power(node: string, to: "on" | "off"): void {
    if (to === "off") this.#switchOff(node);
    else this.#switchOn(node);
  }

  /** Power brings the network with it. */
  #switchOn(node: string): void {
    this.network(node, "on");
    this.#observer.switched(node, true);
    const host = this.#world.host(node);
    this.#world.scheduler.after(host.number * bootEveryMs, () => bootHost(this.#world, host));
  }

  #switchOff(node: string): void {
    this.#observer.switched(node, false);
    this.#world.cutPower(this.#world.host(node), "scenario", Number.POSITIVE_INFINITY);
  }

  isOnNetwork(node: string): boolean {
    return this.#world.host(node).on && !this.#cut.has(this.#world.host(node).number);
  }

  network(node: string, to: "on" | "off"): void {
    const { number } = this.#world.host(node);
    if (this.#cut.has(number) === (to === "off")) return;
    if (to === "off") this.#cut.add(number);
    else this.#cut.delete(number);
    for (const other of this.#world.hosts) {
      if (other.number === number) continue;
      this.#world.network.cut(number, other.number, to === "off" ? 1 : -1);
      this.#world.network.cut(other.number, number, to === "off" ? 1 : -1);
    }
    this.#disturb(to === "off");
  }

  leave(node: string, next: Next): void {
    const intent = `leave-${node}-${this.#world.scheduler.executed}` as IntentId;
    askCluster(this.#world, (view, asked) =>
      planLeave(view, { host: node, next, accept: true }, intent, asked, (host) => this.#observer.contactOf(host)),
    );
    if (next === "agent-restart") this.#restartOnceSaid(this.#world.host(node), this.#world.scheduler.now + patienceMs);
  }

  /** The package manager restarts the service once that has said so. */
  #restartOnceSaid(host: SimHost, until: number): void {
    const mode = this.#observer.view.modes.get(host.id)?.value;
    if (mode?.mode === "restart" && mode.next === "agent-restart") killProcess(this.#world, host, "daemon");
    else if (this.#world.scheduler.now < until) {
      this.#world.scheduler.after(restartAfterMs, () => this.#restartOnceSaid(host, until));
    }
  }

  holdManager(node: string, held: boolean): void {
    this.#held.hold(node, held);
  }

  skipRounds(daemon: "manager" | "agent", rounds: number): void {
    const ms = rounds * this.#scenario.timing.roundSeconds * 1000;
    for (const host of this.#world.hosts) {
      if (daemon === "manager") {
        this.#held.hold(host.id, true);
        this.#world.scheduler.after(ms, () => this.#held.hold(host.id, false));
      } else {
        host.stopProcess("daemon");
        const { life } = host.processes.daemon;
        this.#world.scheduler.after(ms, () => {
          if (life?.ended === false) host.continueProcess("daemon");
        });
      }
    }
  }

  /** The host's agent and manager cannot read or write the store; its heart can. */
  breakStore(node: string, broken: boolean): void {
    const { trouble } = this.#world.host(node);
    if (trouble.storeBlocked === broken) return;
    trouble.storeBlocked = broken;
    this.#disturb(broken);
  }

  /** For those that watch: while something is wrong a host may well be lost. */
  #disturb(begins: boolean): void {
    this.#world.disturbed.open += begins ? 1 : -1;
    this.#world.disturb(0);
  }
}

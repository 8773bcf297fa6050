export type GuestArguments = {
  readonly name: string;
  /** With its prefix length: `10.93.0.50/24`. */
  readonly address: string;
  /** The guest appends a record by itself every so many milliseconds; null: never. */
  readonly tickMs: number | null;
  /** What it appends by itself takes two records (`pair-open`, `pair-close`), so many milliseconds apart; absent: one. */
  readonly pairMs?: number | undefined;
  /** False: its agent answers nobody. */
  readonly agent?: boolean | undefined;
};

/**
 * What saves boot time under TCG (2 cores, first HTTP answer: 1.9 s without these, 1.6 s with): no self-tests of the
 * crypto code, no security modules, no calibrations, no kernel messages on the slow serial line.
 */
const quick =
  "console=ttyS0 quiet loglevel=1 mitigations=off nokaslr lsm= audit=0 cryptomgr.notests init_on_alloc=0 " +
  "tsc=reliable no_timer_check lpj=4000000 ipv6.disable=1 random.trust_cpu=on";

/** The kernel's command line for a VM spec; the driver fills in `{epoch}` at each start. */
export function guestAppend(guest: GuestArguments): string {
  const tick = guest.tickMs === null ? "" : ` holdfast.tick=${guest.tickMs}`;
  const pair = guest.pairMs === undefined ? "" : ` holdfast.pair=${guest.pairMs}`;
  const agent = guest.agent === false ? " holdfast.agent=off" : "";
  const more = `${tick}${pair}${agent}`;
  return `${quick} holdfast.name=${guest.name} holdfast.ip=${guest.address} holdfast.epoch={epoch}${more}`;
}

/** MiB of guest memory: 64 is not enough for Debian's kernel. */
export const guestMemoryMiB = 80;

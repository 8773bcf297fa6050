const most = 8;

/** How many times as long as at first a peer is waited for that kept none of its last so many chances: 1, 1, 2, 2, 4, … at most 8. */
export function patienceAfter(failures: number): number {
  return Math.min(2 ** Math.floor(failures / 2), most);
}

const most = 8;

/** How many times as long as at first a peer is waited for that kept none of its last so many chances: 1, 1, 2, 2, 4, … at most 8. */
export function patienceAfter(failures: number): number {
  return Math.min(2 ** Math.floor(failures / 2), most);
}

/**
 * The same for the silence of one to which a request was sent, after so many connections in a row, the present one among them, on
 * which nothing was answered: one that is slow answers no request that is sent anew each time (S17). `letsGo`: where the guest waits
 * for this limit alone, as in cycles, it stays what it is (S25).
 */
export function patienceWithSilence(inVain: number, letsGo: boolean): number {
  return letsGo ? 1 : patienceAfter(2 * Math.max(0, inVain - 1));
}

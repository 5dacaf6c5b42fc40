// Transactions that wait to be mined: one for each account and nonce, the higher fee wins.
// The pool only orders; it must never judge what admission.mjs judges.

/** Transactions that may wait together: half a gigabyte at the very most. */
export const MAX_WAITING = 2_000;

const place = (principal, nonce) => `${principal}|${nonce}`;
/** An account's nonce is used by what it signs and by what it sponsors. */
const placesOf = (one) => [place(one.origin, one.nonce), ...(one.sponsored ? [place(one.payer, one.payerNonce)] : [])];

export class Pool {
  #at = new Map();
  #waiting = new Set();

  get size() { return this.#waiting.size; }
  get isFull() { return this.size >= MAX_WAITING; }

  /** What waits for a principal's nonce; undefined for nothing. */
  at(principal, nonce) { return this.#at.get(place(principal, nonce)); }

  /** Take one in; answers what it replaces. */
  add(one) {
    const replaced = [...new Set(placesOf(one).map((which) => this.#at.get(which)).filter(Boolean))];
    replaced.forEach((other) => this.remove(other));
    placesOf(one).forEach((which) => this.#at.set(which, one));
    this.#waiting.add(one);
    return replaced;
  }

  remove(one) {
    placesOf(one).forEach((which) => this.#at.delete(which));
    this.#waiting.delete(one);
  }

  /** All that waits, in the order it came. */
  all() { return [...this.#waiting]; }

  /** The nonces a principal has waiting, ascending. */
  noncesOf(principal) {
    return this.all().flatMap((one) => [...(one.origin === principal ? [one.nonce] : []), ...(one.sponsored && one.payer === principal ? [one.payerNonce] : [])])
      .sort((a, b) => (a < b ? -1 : 1));
  }

  /**
   * The next to be mined: of those whose nonces are due and whose payer can pay, the one
   * with the highest fee a byte, then the one that came first; undefined for none.
   * `isDue(one)` tells both.
   */
  next(isDue) {
    let best;
    for (const one of this.#waiting)
      if ((!best || one.fee * BigInt(best.size) > best.fee * BigInt(one.size)) && isDue(one)) best = one;
    return best;
  }
}

// Who holds how much of which token, added up from events: the simulator names tokens
// without the address of their contract. It must never be asked for STX.

const SIGN = { sender: -1n, recipient: 1n };

export class Holdings {
  #of = new Map();

  /** Count the token events of a transaction that succeeded. */
  add(events) {
    for (const { event, data } of events) {
      if (!/^n?ft_/.test(event)) continue;
      for (const [side, sign] of Object.entries(SIGN))
        if (data[side]) this.#move(data[side], data.asset_identifier, sign * BigInt(data.amount ?? 1), event.startsWith("nft_"));
    }
  }

  #move(who, asset, amount, single) {
    if (!this.#of.has(who)) this.#of.set(who, new Map());
    const held = this.#of.get(who), before = held.get(asset)?.amount ?? 0n;
    held.set(asset, { amount: before + amount, single });
  }

  /** [[asset identifier, {amount, single}]] of what a principal holds now. */
  of(who) { return [...(this.#of.get(who) ?? [])].filter(([, { amount }]) => amount > 0n); }
}

// A small network on a fresh chain: users, certified sellers, meters with keys that sign.
import { Cl, type ClarityValue, privateKeyToPublic, signStructuredData } from "@stacks/transactions";
import { DOMAIN, EXPORT, NETWORK, type Header, bindingValue } from "./sealed";
import { Chain, bytes, filled, ok } from "./support";

/** A meter's private key for `index`, in the form stacks.js wants: 32 bytes and 01. */
const keyOf = (index: number): string => index.toString(16).padStart(64, "0") + "01";
export const publicOf = (index: number): Uint8Array => bytes(privateKeyToPublic(keyOf(index)) as string);
export const meterOf = (index: number): Uint8Array => filled(index, 16);

/** Sign a tuple under our SIP-018 domain, as stacks.js does; 65 bytes r, s, recovery. */
export const signed = (message: ClarityValue, index: number): Uint8Array =>
  bytes(signStructuredData({ message, domain: DOMAIN, privateKey: keyOf(index) }));

export function header(changes: Partial<Header> = {}): Header {
  return {
    network: NETWORK, meter: meterOf(1), register: EXPORT, first: 1_790_000_100, step: 900, count: 1, seq: 1,
    prev: filled(9, 32), root: filled(8, 32), mode: 0, bits: 0, sum: filled(0, 33), ...changes,
  };
}
/** Wallets 1 and 2 sell (certified), 3 and 4 buy (verified), 5 only registered. */
export async function world(): Promise<Chain> {
  const chain = await Chain.wired();
  const profile = Cl.buffer(filled(5, 32));
  ok(chain.call("user-registry", "set-network", [Cl.buffer(NETWORK)]));
  ok(chain.call("producer-certification", "authorise-certifier", [Cl.principal(chain.deployer), Cl.uint(3)]));
  for (const index of [1, 2, 3, 4, 5]) {
    const part = index <= 2 ? "register-producer" : "register-consumer";
    ok(chain.call("user-registry", part, [profile], chain.wallet(index)));
    if (index < 5) ok(chain.call("user-registry", "verify-user", [Cl.principal(chain.wallet(index)), Cl.bool(true)]));
  }
  for (const index of [1, 2]) {
    ok(chain.call("producer-certification", "apply-for-certification", [Cl.uint(5000), Cl.stringAscii("solar")], chain.wallet(index)));
    ok(chain.call("producer-certification", "certify-producer", [Cl.principal(chain.wallet(index))]));
  }
  return chain;
}

/** The signatures of a seal key to be bound to `owner`, and of key `by` to be followed by `next`. */
export const binding = (owner: string, meter: number, key: number, from = 1): Uint8Array =>
  signed(bindingValue(meterOf(meter), owner, from), key);
export const rotation = (meter: number, next: number, from: number, by: number): Uint8Array => signed(Cl.tuple(
  { key: Cl.buffer(publicOf(next)), meter: Cl.buffer(meterOf(meter)), network: Cl.buffer(NETWORK), "valid-from": Cl.uint(from) }), by);

/** Bind meter `index` to a wallet under key `index`, from seq 1. */
export function bind(chain: Chain, index: number, wallet = 1): void {
  const owner = chain.wallet(wallet);
  ok(chain.call("user-registry", "request-meter",
    [Cl.buffer(meterOf(index)), Cl.buffer(publicOf(index)), Cl.bool(false), Cl.uint(1)], owner));
  ok(chain.call("user-registry", "bind-meter",
    [Cl.buffer(meterOf(index)), Cl.principal(owner), Cl.buffer(binding(owner, index, index))]));
}

/** Give a certified wallet `amount` Wh of minted energy, each time from a meter point of its own. */
let point = 1000;
export function mint(chain: Chain, wallet: number, amount: number): void {
  ok(chain.call("energy-token", "mint", [
    Cl.principal(chain.wallet(wallet)), Cl.uint(++point), Cl.uint(EXPORT), Cl.uint(900), Cl.uint(1800), Cl.uint(0), Cl.uint(amount),
  ]));
}

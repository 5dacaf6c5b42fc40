// A small network on a fresh chain: users, certified sellers, meters with keys that sign.
import { createHash } from "node:crypto";
import { Cl, type ClarityValue, privateKeyToPublic, signStructuredData } from "@stacks/transactions";
import { Chain, bytes, filled, ok } from "./support";

export const CHAIN_ID = 2147483648;
export const NETWORK = filled(0x11, 32);
export const DAY = 86_400;
/** A meter's private key for `index`, in the form stacks.js wants: 32 bytes and 01. */
export const keyOf = (index: number): string => index.toString(16).padStart(64, "0") + "01";
export const publicOf = (index: number): Uint8Array => bytes(privateKeyToPublic(keyOf(index)) as string);
export const meterOf = (index: number): Uint8Array => filled(index, 16);

export const sha256 = (...parts: Uint8Array[]): Uint8Array => {
  const hash = createHash("sha256");
  parts.forEach((part) => hash.update(part));
  return Uint8Array.from(hash.digest());
};
export const big = (value: bigint | number, width: number): Uint8Array =>
  bytes(BigInt(value).toString(16).padStart(width * 2, "0"));

/** Sign a tuple under our SIP-018 domain; 65 bytes r, s, recovery. */
export function signed(message: Record<string, ClarityValue>, index: number): Uint8Array {
  const domain = Cl.tuple({
    name: Cl.stringAscii("meterseal"), version: Cl.stringAscii("1.0.0"), "chain-id": Cl.uint(CHAIN_ID),
  });
  return bytes(signStructuredData({ message: Cl.tuple(message), domain, privateKey: keyOf(index) }));
}

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
/** The malleable twin of a signature: s becomes n - s and the recovery bit flips. */
export function highS(signature: Uint8Array): Uint8Array {
  const s = BigInt("0x" + Buffer.from(signature.subarray(32, 64)).toString("hex"));
  return Uint8Array.from([...signature.subarray(0, 32), ...big(ORDER - s, 32), signature[64] ^ 1]);
}

export type Header = {
  network: Uint8Array; meter: Uint8Array; register: bigint; first: number; step: number; count: number;
  seq: number; prev: Uint8Array; root: Uint8Array; mode: number; bits: number; sum: Uint8Array;
};
export const EXPORT = 0x0100020800ffn;

export function header(changes: Partial<Header> = {}): Header {
  return {
    network: NETWORK, meter: meterOf(1), register: EXPORT, first: 1_790_000_100, step: 900, count: 1, seq: 1,
    prev: filled(9, 32), root: filled(8, 32), mode: 0, bits: 0, sum: filled(0, 33), ...changes,
  };
}
export const fields = (of: Header): Record<string, ClarityValue> => Object.fromEntries(
  Object.entries(of).map(([key, value]) => [key, value instanceof Uint8Array ? Cl.buffer(value) : Cl.uint(value)]));

export type Reading = { start: number | bigint; delta: number | bigint; value: number | bigint; quality: number; revision: number };
export const recordLeaf = (salt: Uint8Array, record: Reading): Uint8Array => sha256(
  filled(0, 1), salt, big(record.start, 8), big(record.delta, 8), big(record.value, 8), big(record.quality, 1), big(record.revision, 2));
export const recordValue = (record: Reading): ClarityValue => Cl.tuple(
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, Cl.uint(value)])));

const node = (left: Uint8Array, right: Uint8Array) => sha256(filled(1, 1), left, right);
const split = (size: number) => { let k = 1; while (2 * k < size) k *= 2; return k; };
/** The root over leaf hashes (RFC 9162 2.1.1), by its recursion. */
export function rootOf(leaves: Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0];
  const k = split(leaves.length);
  return node(rootOf(leaves.slice(0, k)), rootOf(leaves.slice(k)));
}
/** The siblings that prove leaf `index` (RFC 9162 2.1.3.1), lowest first. */
export function pathOf(index: number, leaves: Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return index < k
    ? [...pathOf(index, leaves.slice(0, k)), rootOf(leaves.slice(k))]
    : [...pathOf(index - k, leaves.slice(k)), rootOf(leaves.slice(0, k))];
}
export const list = (items: Uint8Array[]): ClarityValue => Cl.list(items.map((item) => Cl.buffer(item)));

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

/** What a seal key signs to be bound to `owner`. */
export const binding = (chain: Chain, owner: string, meter: number, key: number, from = 1): Uint8Array =>
  signed({ meter: Cl.buffer(meterOf(meter)), network: Cl.buffer(NETWORK), owner: Cl.principal(owner), "valid-from": Cl.uint(from) }, key);
export const rotation = (meter: number, next: number, from: number, by: number): Uint8Array =>
  signed({ key: Cl.buffer(publicOf(next)), meter: Cl.buffer(meterOf(meter)), network: Cl.buffer(NETWORK), "valid-from": Cl.uint(from) }, by);

/** Bind meter `index` to a wallet under key `index`, from seq 1. */
export function bind(chain: Chain, index: number, wallet = 1): void {
  const owner = chain.wallet(wallet);
  ok(chain.call("user-registry", "request-meter",
    [Cl.buffer(meterOf(index)), Cl.buffer(publicOf(index)), Cl.bool(false), Cl.uint(1)], owner));
  ok(chain.call("user-registry", "bind-meter",
    [Cl.buffer(meterOf(index)), Cl.principal(owner), Cl.buffer(binding(chain, owner, index, index))]));
}

/** Give a certified wallet `amount` Wh of minted energy, each time from a meter point of its own. */
let point = 1000;
export function mint(chain: Chain, wallet: number, amount: number): void {
  ok(chain.call("energy-token", "mint", [
    Cl.principal(chain.wallet(wallet)), Cl.uint(++point), Cl.uint(EXPORT), Cl.uint(900), Cl.uint(1800), Cl.uint(0), Cl.uint(amount),
  ]));
}

/** Go `seconds` on, at least; a Bitcoin block is ten minutes here. */
export function wait(chain: Chain, seconds: number): void {
  const until = chain.now() + seconds;
  chain.simnet.mineEmptyBurnBlocks(Math.ceil(seconds / 600));
  while (chain.now() < until) chain.simnet.mineEmptyBurnBlock();
}

// What a meter signs and what is hashed of it, in the bytes of proto/README.md.
import { Cl, type ClarityValue, serializeCV } from "@stacks/transactions";
import { be, sha256 } from "./curve";
import { bytes, filled } from "./support";

export const NETWORK = filled(0x11, 32);
export const DAY = 86_400;
/** 1-0:1.8.0*255, energy taken from the grid. */
export const IMPORT = 0x0100010800ffn;
/** 1-0:2.8.0*255, energy given to the grid. */
export const EXPORT = 0x0100020800ffn;

export type Header = {
  network: Uint8Array; meter: Uint8Array; register: bigint; first: number; step: number; count: number; seq: number;
  prev: Uint8Array; root: Uint8Array; mode: number; bits: number; sum: Uint8Array;
};
export const headerValue = (of: Header): ClarityValue => Cl.tuple(Object.fromEntries(
  Object.entries(of).map(([key, value]) => [key, value instanceof Uint8Array ? Cl.buffer(value) : Cl.uint(value)])));
/** What a seal key signs to be bound to `owner` from seq `from` on. */
export const bindingValue = (meter: Uint8Array, owner: string, from = 1): ClarityValue =>
  Cl.tuple({ meter: Cl.buffer(meter), network: Cl.buffer(NETWORK), owner: Cl.principal(owner), "valid-from": Cl.uint(from) });

export const consensus = (value: ClarityValue): Uint8Array => bytes(serializeCV(value).replace("0x", ""));
/** Our SIP-018 domain on the simulated chain. */
export const DOMAIN = Cl.tuple({ "chain-id": Cl.uint(2147483648), name: Cl.stringAscii("meterseal"), version: Cl.stringAscii("1.0.0") });
/** The SIP-018 digest of a message. */
export const digest = (value: ClarityValue): Uint8Array =>
  sha256(new TextEncoder().encode("SIP018"), sha256(consensus(DOMAIN)), sha256(consensus(value)));

export const logLeaf = (header: Header, signature: Uint8Array): Uint8Array =>
  sha256(Uint8Array.of(0, 1, 1), consensus(headerValue(header)), signature.slice(0, 64));

export type Reading = { start: number | bigint; delta: number | bigint; value: number | bigint; quality: number; revision: number };
export const recordLeaf = (salt: Uint8Array, record: Reading): Uint8Array => sha256(
  filled(0, 1), salt, be(record.start, 8), be(record.delta, 8), be(record.value, 8), be(record.quality, 1), be(record.revision, 2));
export const recordValue = (record: Reading): ClarityValue => Cl.tuple(
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, Cl.uint(value)])));

const node = (left: Uint8Array, right: Uint8Array) => sha256(Uint8Array.of(1), left, right);
const half = (count: number): number => 2 ** Math.floor(Math.log2(count - 1));
/** The root over leaf hashes (RFC 9162 2.1.1), by its recursion. */
export function rootOf(leaves: Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0];
  const k = half(leaves.length);
  return node(rootOf(leaves.slice(0, k)), rootOf(leaves.slice(k)));
}
/** The siblings that prove leaf `index` (RFC 9162 2.1.3.1), lowest first. */
export function pathOf(index: number, leaves: Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  const k = half(leaves.length);
  return index < k
    ? [...pathOf(index, leaves.slice(0, k)), rootOf(leaves.slice(k))]
    : [...pathOf(index - k, leaves.slice(k)), rootOf(leaves.slice(0, k))];
}
export const buffers = (items: Uint8Array[]): ClarityValue => Cl.list(items.map((item) => Cl.buffer(item)));

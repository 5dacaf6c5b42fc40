// A small street on the chain: users, a bound meter, its log and its committed days.
import { getPublicKey, signSync, utils } from "@noble/secp256k1";
import { Cl, type ClarityValue, serializeCV } from "@stacks/transactions";
import { createHmac } from "node:crypto";
import { type Point } from "@noble/secp256k1";
import { be, commit, join, mod, opening, scalar, sha256, short, steps } from "./curve";
import { Chain, bytes, filled, ok, type Answer } from "./support";

utils.hmacSha256Sync = (key, ...parts) =>
  parts.reduce((hmac, part) => hmac.update(part), createHmac("sha256", key)).digest();

export const NETWORK = filled(0x11, 32);
/** 1-0:1.8.0*255, energy taken from the grid. */
export const IMPORT = 1099528929535n;
export const DAY = 86_400;
/** Midnight of a day in 2026, UTC. */
export const START = 1_789_948_800;

export type Header = {
  network: Uint8Array; meter: Uint8Array; register: bigint; first: number; step: number; count: number; seq: number;
  prev: Uint8Array; root: Uint8Array; mode: number; bits: number; sum: Uint8Array;
};
export const headerValue = (h: Header): ClarityValue => Cl.tuple(Object.fromEntries(
  Object.entries(h).map(([k, v]) => [k, v instanceof Uint8Array ? Cl.buffer(v) : Cl.uint(v)])));
export const consensus = (value: ClarityValue): Uint8Array => bytes(serializeCV(value).replace("0x", ""));
const DOMAIN = sha256(consensus(Cl.tuple({ "chain-id": Cl.uint(2147483648), name: Cl.stringAscii("meterseal"), version: Cl.stringAscii("1.0.0") })));
/** The SIP-018 digest of a message. */
export const digest = (value: ClarityValue): Uint8Array =>
  sha256(new TextEncoder().encode("SIP018"), DOMAIN, sha256(consensus(value)));
export const sign = (hash: Uint8Array, key: Uint8Array): Uint8Array => {
  const [signature, recovery] = signSync(hash, key, { canonical: true, recovered: true, der: false });
  return join(signature, Uint8Array.of(recovery));
};
export const publicKey = (key: Uint8Array): Uint8Array => getPublicKey(key, true);

const node = (left: Uint8Array, right: Uint8Array) => sha256(Uint8Array.of(1), left, right);
const half = (count: number): number => 2 ** Math.floor(Math.log2(count - 1));

/** A log of entries and its tree (RFC 9162 2.1). */
export class Log {
  readonly leaves: Uint8Array[] = [];
  root(leaves = this.leaves): Uint8Array {
    if (leaves.length === 1) return leaves[0];
    const k = half(leaves.length);
    return node(this.root(leaves.slice(0, k)), this.root(leaves.slice(k)));
  }
  path(index: number, leaves = this.leaves): Uint8Array[] {
    if (leaves.length === 1) return [];
    const k = half(leaves.length);
    return index < k
      ? [...this.path(index, leaves.slice(0, k)), this.root(leaves.slice(k))]
      : [...this.path(index - k, leaves.slice(k)), this.root(leaves.slice(0, k))];
  }
}

export const logLeaf = (header: Header, signature: Uint8Array): Uint8Array =>
  sha256(Uint8Array.of(0, 1, 1), consensus(headerValue(header)), signature.slice(0, 64));

export type Told = { header: Header; hash: Uint8Array; signature: Uint8Array; index: number; v: bigint; z: bigint; point: Point };

/** A meter with its key, its chain of committed days and its log. */
export class Meter {
  seq = 0;
  prev: Uint8Array = filled(0x33, 32);
  readonly told: Told[] = [];
  constructor(readonly chain: Chain, readonly log: Log, readonly id: Uint8Array, readonly key: Uint8Array, readonly owner: string) {}

  /** Registered, verified and bound, with the deployer as registrar. */
  static async bound(chain: Chain, log: Log, byte: number, owner: string, key = filled(byte, 32)): Promise<Meter> {
    const id = filled(byte, 16), asks = [Cl.buffer(id), Cl.buffer(publicKey(key)), Cl.bool(false), Cl.uint(1)];
    chain.call("user-registry", "register-consumer", [Cl.buffer(filled(byte, 32))], owner);
    ok(chain.call("user-registry", "verify-user", [Cl.principal(owner), Cl.bool(true)]));
    ok(chain.call("user-registry", "request-meter", asks, owner));
    const binding = digest(Cl.tuple({ meter: Cl.buffer(id), network: Cl.buffer(NETWORK), owner: Cl.principal(owner), "valid-from": Cl.uint(1) }));
    ok(chain.call("user-registry", "bind-meter", [Cl.buffer(id), Cl.principal(owner), Cl.buffer(sign(binding, key))]));
    return new Meter(chain, log, id, key, owner);
  }

  /** Seal a header, log it and keep it; `change` overrides fields. */
  seal(first: number, v: bigint, change: Partial<Header> = {}, key = this.key): Told {
    const z = scalar(), point = commit(v, z);
    const header: Header = {
      network: NETWORK, meter: this.id, register: IMPORT, first, step: 900, count: 96, seq: this.seq + 1, prev: this.prev,
      root: sha256(be(BigInt(first))), mode: 1, bits: 16, sum: short(point), ...change,
    };
    const hash = digest(headerValue(header)), signature = sign(hash, key);
    const told = { header, hash, signature, index: this.log.leaves.length, v, z, point };
    this.log.leaves.push(logLeaf(header, signature));
    return told;
  }

  /** Seal the next day of its chain. */
  day(first: number, v: bigint, change: Partial<Header> = {}): Told {
    const told = this.seal(first, v, change);
    this.seq = told.header.seq;
    this.prev = told.hash;
    this.told.push(told);
    return told;
  }

  submit(told: Told, by = this.owner): Answer {
    return this.chain.call("meter-data", "submit-usage-proof", submission(told, this.log), by);
  }
}

export const submission = (told: Told, log: Log): ClarityValue[] => [
  headerValue(told.header), Cl.buffer(told.signature), Cl.uint(told.index),
  Cl.list(log.path(told.index).map((one) => Cl.buffer(one))), Cl.buffer(log.root()),
];

export const anchor = (chain: Chain, log: Log): Answer =>
  chain.call("energy-oracle", "anchor", [Cl.uint(log.leaves.length), Cl.buffer(log.root())]);

/** A chain whose deployer is registrar and operator, with the network set. */
export async function street(): Promise<{ chain: Chain; log: Log }> {
  const chain = await Chain.wired();
  for (const role of ["registrar", "operator"]) chain.call("roles", "grant", [Cl.stringAscii(role), Cl.principal(chain.deployer)]);
  chain.call("user-registry", "set-network", [Cl.buffer(NETWORK)]);
  return { chain, log: new Log() };
}

/** Let time pass until the chain's clock shows `seconds` more. */
export function wait(chain: Chain, seconds: number): void {
  for (const end = chain.now() + seconds; chain.now() < end;)
    chain.simnet.mineEmptyBurnBlocks(Math.max(1, Math.ceil((end - chain.now()) / 600)));
}

export const set = (chain: Chain, name: string, value: number | bigint): Answer =>
  chain.call("parameters", "set-parameter", [Cl.stringAscii(name), Cl.uint(value), Cl.uint(chain.now() + 100)]);

/** What calculate-bills is asked for these days. */
export function request(tariff: Uint8Array, meter: Meter, told: Told[], amount: bigint, change: Record<string, ClarityValue> = {}): ClarityValue {
  const usage = told.reduce((sum, day) => sum + day.v, 0n), z = mod(told.reduce((sum, day) => sum + day.z, 0n));
  const parts = steps(told.map((day) => day.point)), open = opening(usage, z), last = told[told.length - 1].header;
  return Cl.tuple({
    tariff: Cl.buffer(tariff), meter: Cl.buffer(meter.id), register: Cl.uint(IMPORT),
    from: Cl.uint(told[0].header.first), to: Cl.uint(last.first + last.step * last.count),
    days: Cl.list(parts.map((part) => Cl.tuple({
      p: Cl.buffer(part.p), q: Cl.buffer(part.q), s: Cl.buffer(part.s), l: Cl.buffer(part.l),
    }))),
    usage: Cl.uint(usage), z: Cl.buffer(open.z), a: Cl.buffer(open.a), amount: Cl.uint(amount), ...change,
  });
}

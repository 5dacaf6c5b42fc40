// A small street on the chain: users, a bound meter, its log and its committed days.
import { type Point, getPublicKey, signSync, utils } from "@noble/secp256k1";
import { Cl, type ClarityValue } from "@stacks/transactions";
import { createHmac } from "node:crypto";
import { be, commit, join, mod, opening, scalar, sha256, short, steps } from "./curve";
import { IMPORT, NETWORK, type Header, bindingValue, buffers, digest, headerValue, logLeaf, pathOf, rootOf } from "./sealed";
import { Chain, filled, ok, type Answer } from "./support";

utils.hmacSha256Sync = (key, ...parts) =>
  parts.reduce((hmac, part) => hmac.update(part), createHmac("sha256", key)).digest();

/** Midnight of a day in 2026, UTC. */
export const START = 1_789_948_800;

export const sign = (hash: Uint8Array, key: Uint8Array): Uint8Array => {
  const [signature, recovery] = signSync(hash, key, { canonical: true, recovered: true, der: false });
  return join(signature, Uint8Array.of(recovery));
};
export const publicKey = (key: Uint8Array): Uint8Array => getPublicKey(key, true);

/** A log of entries and its tree. */
export class Log {
  readonly leaves: Uint8Array[] = [];
  root = (): Uint8Array => rootOf(this.leaves);
  path = (index: number): Uint8Array[] => pathOf(index, this.leaves);
}

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
    ok(chain.call("user-registry", "bind-meter", [Cl.buffer(id), Cl.principal(owner), Cl.buffer(sign(digest(bindingValue(id, owner)), key))]));
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
  buffers(log.path(told.index)), Cl.buffer(log.root()),
];

export const anchor = (chain: Chain, log: Log): Answer =>
  chain.call("energy-oracle", "anchor", [Cl.uint(log.leaves.length), Cl.buffer(log.root())]);

/** A chain with the network set, and an empty log. */
export async function street(): Promise<{ chain: Chain; log: Log }> {
  const chain = await Chain.wired();
  ok(chain.call("user-registry", "set-network", [Cl.buffer(NETWORK)]));
  return { chain, log: new Log() };
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

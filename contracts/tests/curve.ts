// Commitments and their proofs as a device would make them, for the contracts to check.
// Test code: nothing here is constant-time.
import { CURVE, Point } from "@noble/secp256k1";
import { Cl, type ClarityValue } from "@stacks/transactions";
import { createHash, randomBytes } from "node:crypto";

export const N = CURVE.n;
export const P = CURVE.P;
const X_H = 0x99e8a4d98008fc3673c1d8de0673b2fc7a58907f810acdd17a26aedbb7d192c7n;
export const V = Point.fromHex("02deb4939a0646e2b0195b635f74101f85cb94f9664e7b93e0d8f7f78f70af4c3c");
export const B = Point.fromHex("0214f0b161484e09db799f8dc7579db823aa7162bfa4155848482d28f94dfde02d");
export const G = Point.BASE;

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
export const sha256 = (...parts: Uint8Array[]): Uint8Array =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
export const join = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
export const be = (value: bigint | number, width = 32): Uint8Array =>
  Uint8Array.from(Buffer.from(value.toString(16).padStart(width * 2, "0"), "hex"));
export const big = (bytes: Uint8Array): bigint => BigInt("0x" + Buffer.from(bytes).toString("hex"));
export const mod = (value: bigint, by = N): bigint => ((value % by) + by) % by;
export const scalar = (): bigint => mod(big(randomBytes(40))) || 1n;

function inverse(value: bigint, by = N): bigint {
  let [a, b, x, y] = [mod(value, by), by, 1n, 0n];
  while (a > 1n) [a, b, x, y] = [b % a, a, y - (b / a) * x, x];
  return mod(x, by);
}
/** The malleable twin of a signature: s becomes n - s and the recovery bit flips. */
export const highS = (signature: Uint8Array): Uint8Array =>
  join(signature.slice(0, 32), be(N - big(signature.slice(32, 64))), Uint8Array.of(signature[64] ^ 1));
/** k p, infinity for k = 0. */
export const times = (p: Point, k: bigint): Point => (mod(k) === 0n ? Point.ZERO : p.multiply(mod(k)));
export const commit = (v: bigint, z: bigint): Point => times(V, v).add(times(B, z));
export const short = (p: Point): Uint8Array => p.toRawBytes(true);
export const long = (p: Point): Uint8Array => join(be(p.x), be(p.y));
const square = (p: Point): Uint8Array => be(mod(p.x * p.x, P));
export const slope = (a: Point, b: Point): Uint8Array => be(mod((b.y - a.y) * inverse(b.x - a.x, P), P));

type Step = { p: Uint8Array; q: Uint8Array; s: Uint8Array; l: Uint8Array };

/** What a contract needs to add these points. */
export function steps(points: Point[]): Step[] {
  let sum = points[0];
  return points.map((p, i) => {
    const l = i === 0 ? be(0n) : slope(sum, p);
    if (i > 0) sum = sum.add(p);
    return { p: long(p), q: square(p), s: long(sum), l };
  });
}

export const tuples = (rows: Record<string, Uint8Array>[]): ClarityValue =>
  Cl.list(rows.map((row) => Cl.tuple(Object.fromEntries(Object.entries(row).map(([k, v]) => [k, Cl.buffer(v)])))));

/** A proof of knowing x, bound to `message`: a and w. */
export function schnorr(x: bigint, message: Uint8Array, k = scalar()): { a: Uint8Array; w: Uint8Array } {
  const p = times(G, x), a = short(times(G, k));
  const e = big(sha256(ascii("meterseal/schnorr/v1"), short(p), a, message));
  return { a, w: be(mod(e * x - p.x * k)) };
}

/** What opens a commitment to `v` under `z`: blinding, or for zero a Schnorr proof. */
export function opening(v: bigint, z: bigint): { z: Uint8Array; a: Uint8Array } {
  if (v > 0n) return { z: be(mod(z)), a: new Uint8Array() };
  const { a, w } = schnorr(mod(-z * inverse(X_H)), sha256(ascii("meterseal/zero/v1")));
  return { z: w, a };
}

type Bit = { c: Uint8Array; q: Uint8Array; d: Uint8Array; dl: Uint8Array; s: Uint8Array; sl: Uint8Array; e: Uint8Array; w0: Uint8Array; w1: Uint8Array };

/** A proof that v, below 2^bits, is: the challenge and a step for each bit. */
export function range(v: bigint, z: bigint, bits: number, context: Uint8Array): { e: Uint8Array; proof: Bit[] } {
  let left = z, sum: Point | undefined;
  let hash = sha256(ascii("meterseal/range/v1"), be(BigInt(bits), 16), context, short(commit(v, z)));
  const rows = Array.from({ length: bits }, (_, i) => {
    const bit = (v >> BigInt(i)) & 1n, power = times(V, 1n << BigInt(i));
    const zi = i === bits - 1 ? mod(left) : scalar();
    left -= zi;
    const c = times(B, zi).add(bit ? power : Point.ZERO), d = c.subtract(power);
    const [real, fake] = bit ? [d, c] : [c, d];
    const k = scalar(), e = scalar(), w = scalar(), over = inverse(fake.x);
    const made = times(G, k), faked = times(fake, mod(e * over)).add(times(G, mod(-w * over)));
    const [a0, a1] = bit ? [faked, made] : [made, faked];
    hash = sha256(hash, short(c), short(d), short(a0), short(a1));
    const before = sum;
    sum = before ? before.add(c) : c;
    return { bit, c, d, power, sum, before, k, e, w, x: mod(-zi * inverse(X_H)), real };
  });
  const whole = big(hash);
  const proof = rows.map((row) => {
    const mine = whole ^ row.e, w = be(mod(mine * row.x - row.real.x * row.k));
    return {
      c: long(row.c), q: square(row.c), d: long(row.d), dl: slope(row.c, row.power.negate()),
      s: long(row.sum), sl: row.before ? slope(row.before, row.c) : be(0n),
      e: be(row.bit ? row.e : mine), w0: row.bit ? be(row.w) : w, w1: row.bit ? w : be(row.w),
    };
  });
  return { e: hash, proof };
}

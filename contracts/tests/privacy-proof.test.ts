import { Cl, type ClarityValue } from "@stacks/transactions";
import { Point } from "@noble/secp256k1";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { B, G, N, P, V, be, big, commit, long, mod, opening, range, scalar, schnorr, sha256, short, slope, steps, times, tuples } from "./curve";
import { Chain, bytes, filled, ok, refused } from "./support";

const ROOM = "privacy-proof";
// Numbers past 2^53 are read as text, since JSON.parse would round them.
const load = (path: string) =>
  JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8").replace(/: (\d{15,})/g, ': "$1"'));
let chain: Chain;
beforeAll(async () => { chain = await Chain.wired(); });

const ask = (name: string, args: ClarityValue[]) => ({ result: chain.read(ROOM, name, args), events: [] });
const raw = (value: Uint8Array) => Cl.buffer(value);
const opens = (c: Uint8Array, v: bigint, z: Uint8Array, a: Uint8Array = new Uint8Array()) =>
  ask("verify-proof", [raw(c), Cl.uint(v), raw(z), raw(a)]);
const sums = (rows: any[], v: bigint, z: Uint8Array, a: Uint8Array = new Uint8Array()) =>
  ask("verify-sum-proof", [tuples(rows), Cl.uint(v), raw(z), raw(a)]);
const holds = (c: Uint8Array, context: Uint8Array, e: Uint8Array, bits: number, proof: any[]) =>
  ask("verify-range-proof", [raw(c), raw(context), raw(e), Cl.uint(bits), tuples(proof)]);
const context = sha256(filled(7, 3));

describe("openings of single commitments", () => {
  const cases = [
    ...load("./vectors/commitments.json").commitments,
    ...load("../../proto/vectors/commitment.json").commitments,
  ].map((row: any) => ({ c: bytes(row.c), v: BigInt(row.v), z: BigInt("0x" + row.z.replace("0x", "")) }));

  it("every golden vector opens, those of our Python among them, and to nothing else", () => {
    expect(cases.length).toBeGreaterThan(18);
    for (const { c, v, z } of cases) {
      const { z: proof, a } = opening(v, z);
      ok(opens(c, v, proof, a));
      refused(opens(c, v + 1n, be(z)), 1100);
      if (v > 0n) refused(opens(c, v, be(mod(z + 1n))), 1100);
    }
  });
  it("zero opens by a Schnorr proof, which no other value has", () => {
    const z = scalar(), zero = opening(0n, z), one = short(commit(1n, z));
    ok(opens(short(commit(0n, z)), 0n, zero.z, zero.a));
    refused(opens(one, 0n, zero.z, zero.a), 1101);
    refused(opens(short(commit(0n, z)), 0n, zero.z), 1101);
  });
  it("u1100: changing any byte of the commitment breaks the opening", () => {
    const z = scalar(), c = short(commit(77n, z));
    for (let i = 0; i < c.length; i++) {
      const forged = Uint8Array.from(c);
      forged[i] ^= 1;
      refused(opens(forged, 77n, be(z)), 1100);
    }
  });
  it("u1100: a commitment is exactly 33 bytes, and a value that is not zero has no `a`", () => {
    const z = scalar(), c = short(commit(5n, z));
    refused(opens(c.slice(0, 32), 5n, be(z)), 1100);
    refused(opens(new Uint8Array(), 5n, be(z)), 1100);
    refused(opens(c, 5n, be(z), c), 1100);
    refused(opens(c, (1n << 128n) - 1n, be(z)), 1100);
  });
  it("u1106: a blinding is 32 bytes below the order", () => {
    const z = 5n, c = short(commit(9n, z));
    ok(opens(c, 9n, be(z)));
    for (const bad of [be(z + N), be(N), be((1n << 256n) - 1n), be(z).slice(1), new Uint8Array()]) {
      refused(opens(c, 9n, bad), 1106);
      refused(opens(c, 0n, bad, c), 1106);
    }
  });
});

describe("Schnorr proofs", () => {
  const x = scalar(), p = short(times(G, x)), { a, w } = schnorr(x, context);
  const check = (...args: Uint8Array[]) => ask("verify-schnorr-proof", args.map(raw));
  it("convince of a known logarithm", () => void ok(check(p, a, w, context)));
  it("u1101: are of one point, one nonce, one answer and one message", () => {
    refused(check(short(times(G, x + 1n)), a, w, context), 1101);
    refused(check(p, short(G), w, context), 1101);
    refused(check(p, a, be(mod(big(w) + 1n)), context), 1101);
    refused(check(p, a, w, sha256(context)), 1101);
    for (const cut of [[p.slice(1), a, w, context], [p, a.slice(1), w, context], [p, a, w, context.slice(1)]])
      refused(check(...cut), 1101);
  });
  it("u1106: answers are below the order", () => refused(check(p, a, be(N), context), 1106));
});

describe("sums of commitments", () => {
  const golden = load("./vectors/commitments.json").sum;
  const day = load("../../proto/vectors/commitment.json").day;
  const make = (count: number) => {
    const values = Array.from({ length: count }, (_, i) => BigInt(i * 1_000)), zs = values.map(scalar);
    return { points: values.map((v, i) => commit(v, zs[i])), v: values.reduce((a, b) => a + b), z: mod(zs.reduce((a, b) => a + b)) };
  };
  it("the golden sums open, those of our Python among them", () => {
    const vectors = [
      { points: golden.commitments, v: golden.values.map(BigInt), z: golden.z.map((z: string) => BigInt("0x" + z)), sum: golden.sum },
      { points: day.slots.map((s: any) => s.c), v: day.slots.map((s: any) => BigInt(s.v)), z: day.slots.map((s: any) => BigInt(s.z)), sum: day.sum },
    ];
    for (const { points, v, z, sum } of vectors) {
      const add = (all: bigint[]) => all.reduce((a, b) => a + b);
      const found = ok(sums(steps(points.map((c: string) => Point.fromHex(c))), add(v), be(mod(add(z)))));
      expect(Cl.prettyPrint(found)).toBe(`0x${sum}`);
    }
  });
  it("1, 10 and 31 commitments open together, and to nothing else", () => {
    for (const count of [2, 10, 31]) {
      const { points, v, z } = make(count);
      ok(sums(steps(points), v, be(z)));
      refused(sums(steps(points), v + 1n, be(z)), 1100);
    }
    const { points, z } = make(1), zero = opening(0n, z);
    ok(sums(steps(points), 0n, zero.z, zero.a));
  });
  it("u1107: a sum has a commitment at least", () => refused(sums([], 0n, be(1n)), 1107));
  it("u1103: A = B, where the slope would be free, is no sum", () => {
    const a = commit(9n, 5n), double = a.double();
    const tangent = be(mod(3n * a.x * a.x * (() => { let r = 1n, b = mod(2n * a.y, P), e = P - 2n; for (; e > 0n; e >>= 1n, b = mod(b * b, P)) if (e & 1n) r = mod(r * b, P); return r; })(), P));
    const rows = steps([a, G]);
    rows[1] = { p: long(a), q: rows[0].q, s: long(double), l: tangent };
    refused(sums(rows, 18n, be(10n)), 1103);
    // Any other point on the line's curve would pass as the "sum" if the slope were free.
    const free = be(12345n), x = mod(12345n * 12345n - 2n * a.x, P), y = mod(12345n * (a.x - x) - a.y, P);
    rows[1] = { ...rows[1], s: Uint8Array.from([...be(x), ...be(y)]), l: free };
    refused(sums(rows, 18n, be(10n)), 1103);
    rows[1] = { ...rows[1], p: long(a.negate()), s: filled(0, 64) };
    refused(sums(rows, 0n, be(10n)), 1103);
  });
  it("u1102: points are on the curve, canonical and whole", () => {
    const { points, v, z } = make(3), good = steps(points);
    const spoil = (change: (row: any) => any) => [good[0], change(good[1]), good[2]];
    const y = big(good[1].p.slice(32));
    for (const p of [
      Uint8Array.from([...good[1].p.slice(0, 32), ...be(mod(y + 1n, P))]), filled(0, 64), filled(255, 64),
      good[1].p.slice(0, 63), good[1].p.slice(0, 32), new Uint8Array(),
    ]) refused(sums(spoil((row) => ({ ...row, p })), v, be(z)), 1102);
    refused(sums(spoil((row) => ({ ...row, q: be(1n) })), v, be(z)), 1102);
    refused(sums(spoil((row) => ({ ...row, q: row.q.slice(1) })), v, be(z)), 1102);
  });
  it("u1102: x + p, another spelling of a small x, is refused", () => {
    // x = 1 is on the curve: y^2 = 8.
    const small = Point.fromHex("02" + "1".padStart(64, "0")), row = steps([small])[0];
    expect(ask("sum-of", [tuples([row])]).result.type).toBe("ok");
    const twin = Uint8Array.from([...be(1n + P), ...be(small.y)]);
    refused(ask("sum-of", [tuples([{ ...row, p: twin, s: twin }])]), 1102);
  });
  it("u1103: wrong sums and slopes are refused, a negated sum among them", () => {
    const { points, v, z } = make(3), good = steps(points);
    const last = points[0].add(points[1]).add(points[2]);
    const spoil = (change: any) => [good[0], good[1], { ...good[2], ...change }];
    for (const change of [
      { s: long(last.negate()) }, { s: long(last.add(G)) }, { s: good[2].s.slice(0, 63) }, { s: new Uint8Array() },
      { l: be(mod(big(good[2].l) + 1n, P)) }, { l: new Uint8Array() },
    ]) refused(sums(spoil(change), v, be(z)), 1103);
    refused(sums([{ ...good[0], s: good[1].s }], v, be(z)), 1103);
  });
});

describe("range proofs", () => {
  it("hold for both ends of 16, 20 and 32 bits", () => {
    for (const [v, bits] of [[0n, 16], [65_535n, 16], [1_048_575n, 20], [4_294_967_295n, 32]] as [bigint, number][]) {
      const z = scalar(), { e, proof } = range(v, z, bits, context);
      ok(holds(short(commit(v, z)), context, e, bits, proof));
    }
  });
  const z = scalar(), c = short(commit(54_321n, z)), { e, proof } = range(54_321n, z, 16, context);
  it("u1103: are of one commitment", () => {
    refused(holds(short(commit(54_322n, z)), context, e, 16, proof), 1103);
    refused(holds(c, context, e, 16, proof.map((row, i) => (i === 3 ? { ...row, d: row.c } : row))), 1103);
    refused(holds(c, context, e, 16, proof.map((row, i) => (i === 5 ? { ...row, sl: be(1n) } : row))), 1103);
  });
  it("u1104: are of one context and challenge, and no answer can be altered", () => {
    refused(holds(c, sha256(context), e, 16, proof), 1104);
    refused(holds(c, context.slice(1), e, 16, proof), 1104);
    refused(holds(c, context, be(mod(big(e) + 1n)), 16, proof), 1104);
    for (const name of ["w0", "w1", "e"] as const) {
      const spoiled = proof.map((row, i) => (i === 3 ? { ...row, [name]: be(mod(big(row[name]) + 1n)) } : row));
      refused(holds(c, context, e, 16, spoiled), 1104);
    }
    refused(holds(c, context, e, 16, proof.map((row, i) => (i === 0 ? { ...row, w0: be(N) } : row))), 1104);
  });
  it("u1104: 65,536 has no proof of 16 bits, whatever its top bit claims to be", () => {
    const over = scalar(), forged = range(65_536n, over, 17, context);
    refused(holds(short(commit(65_536n, over)), context, forged.e, 16, forged.proof.slice(0, 16)), 1103);
    const shifted = proof.map((row, i) => (i === 15 ? { ...row, c: long(times(V, 65_536n).add(B)) } : row));
    refused(holds(c, context, e, 16, shifted), 1102);
  });
  it("u1102: the points of bits are on the curve", () => {
    refused(holds(c, context, e, 16, proof.map((row, i) => (i === 2 ? { ...row, c: filled(9, 64) } : row))), 1102);
  });
  it("u1105: have 16, 20 or 32 bits and a step for each", () => {
    for (const [bits, count] of [[8, 8], [17, 16], [16, 15], [20, 16], [0, 0], [64, 16]])
      refused(holds(c, context, e, bits, proof.slice(0, count)), 1105);
  });
  it("u1106: the challenge has 32 bytes", () => refused(holds(c, context, e.slice(1), 16, proof), 1106));
});

describe("points", () => {
  const isPoint = (value: Uint8Array) => Cl.prettyPrint(chain.read(ROOM, "is-point", [raw(value)])) === "true";
  it("are told from what is none", () => {
    for (const p of [V, B, G, V.negate()]) expect(isPoint(short(p))).toBe(true);
    const none = [filled(0, 33), short(V).slice(1), new Uint8Array(), Uint8Array.from([4, ...be(V.x)]),
      Uint8Array.from([2, ...be(5n)]), Uint8Array.from([2, ...be(P + 1n)]), Uint8Array.from([0, ...be(V.x)])];
    for (const value of none) expect(isPoint(value)).toBe(false);
  });
  it("are compressed, and the powers of V in the contract are the powers of V", () => {
    for (const p of [V, G, G.negate()])
      expect(Cl.prettyPrint(chain.read(ROOM, "compressed", [raw(long(p))]))).toBe("0x" + Buffer.from(short(p)).toString("hex"));
    const source = readFileSync(new URL("../privacy-proof.clar", import.meta.url), "utf8");
    let power = V;
    for (let i = 0; i < 32; i++, power = power.double())
      expect(source).toContain(Buffer.from(long(power.negate())).toString("hex"));
  });
  it("add only where the slope says so", () => {
    const add = (t: Point) => Cl.prettyPrint(chain.read(ROOM, "adds-to", [raw(long(V)), raw(long(B)), raw(long(t)), raw(slope(V, B))]));
    expect(add(V.add(B))).toBe("true");
    expect(add(V.add(B).negate())).toBe("false");
  });
});

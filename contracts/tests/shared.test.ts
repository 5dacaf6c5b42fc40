// What our Python makes, taken by the contracts byte for byte: the golden files of
// proto/vectors, which proto's own tests hold as well. Their scripts import nothing of ours.
import { Cl, type ClarityValue } from "@stacks/transactions";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { buffers, consensus } from "./sealed";
import { street } from "./street";
import { Chain, bytes, ok, plain, refused, topics, wait } from "./support";

// Numbers past 2^53 are text in chain.json; in older files JSON.parse would round them.
const vectors = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../proto/vectors/${name}.json`, import.meta.url), "utf8").replace(/: (\d{15,})/g, ': "$1"'));
const made = vectors("chain");
const hex = (text: string) => Cl.buffer(bytes(text));
let chain: Chain;

beforeAll(async () => { ({ chain } = await street()); });

const answer = (room: string, name: string, args: ClarityValue[]) => ({ result: chain.read(room, name, args), events: [] });
/** Every byte of a hex text turned, one after the other. */
const flips = (text: string): string[] => [...bytes(text)].map((byte, i, all) => Buffer.from(all.map((one, j) => (i === j ? byte ^ 1 : one))).toString("hex"));

describe("totals under trustees' keys", () => {
  const ROOM = "usage-aggregation";
  const network = hex(made.network);
  const keys: string[] = made.totals.keys;
  const today = () => Math.floor(chain.now() / 86_400);
  const args = (one: any, usage = one.usage, signatures = one.signatures.slice(0, 2)) =>
    [network, Cl.stringAscii(one.cell), Cl.uint(one.day), Cl.uint(usage), ...signatures.map(hex)];

  it("have the digest that trustees sign, field by field", () => {
    for (const one of made.totals.cases) {
      const fields = [network, Cl.stringAscii(one.cell), Cl.uint(one.day), hex(one.set), Cl.uint(one.size), Cl.uint(one.usage)];
      expect(plain(chain.read(ROOM, "total-hash", fields))).toBe(one.digest);
      expect(Buffer.from(consensus(Cl.tuple({ network, cell: fields[1], day: fields[2], set: fields[3], size: fields[4], usage: fields[5] }))).toString("hex")).toBe(one.consensus);
    }
  });
  it("are taken under any two of the three signatures, and under nothing else", () => {
    ok(chain.call(ROOM, "set-trustees", keys.map(hex)));
    for (const one of made.totals.cases) {
      expect(one.day).toBeLessThan(today());
      ok(chain.call(ROOM, "post-set", [network, Cl.stringAscii(one.cell), Cl.uint(one.day), hex(one.set), Cl.uint(one.size)]));
      const [a, b, c] = one.signatures;
      for (const pair of [[a, b], [b, c], [c, a]]) expect(plain(chain.read(ROOM, "verify-total", args(one, one.usage, pair)))).toBe(true);
      for (const pair of [[a, a], [a, ""]]) refused(chain.call(ROOM, "post-total", args(one, one.usage, pair)), 1208);
      expect(topics(chain.call(ROOM, "post-total", args(one), chain.wallet(5)))).toEqual(["total-posted"]);
    }
  });
  it("are forged by no byte of a signature", () => {
    const one = made.totals.cases[0], [a, b] = one.signatures;
    for (const forged of flips(b)) expect(plain(chain.read(ROOM, "verify-total", args(one, one.usage, [a, forged])))).toBe(false);
  });
});

describe("tariffs under their two names", () => {
  const provider = "ST2CY5V39NHDPWSXMW9QDT3HC3GD6Q6XX4CFRK9AG";
  const kinds: Record<string, number> = { flat: 0, block: 1, lifeline: 2 };
  const asset = (of: any) => (of.asset ? Cl.some(Cl.principal(of.asset)) : Cl.none());
  /** What a document says to post-tariff, with the chain's own three facts beside it. */
  const terms = (of: any) => {
    const document = JSON.parse(of.document);
    const blocks = document.blocks ?? document.bands;
    return [Cl.uint(kinds[document.kind ?? "flat"]), Cl.list(blocks.map((block: any) =>
      Cl.tuple({ upto: Cl.uint(block.upto ?? 1n << 48n), price: Cl.uint(block.price) }))), Cl.uint(document.daily ?? 0), asset(of), Cl.uint(of.due), Cl.uint(document.valid_from)];
  };
  it("are posted under the hash that Python computed from the document", () => {
    expect(chain.wallet(2)).toBe(provider);
    ok(chain.call("user-registry", "register-provider", [Cl.buffer(new Uint8Array(32))], provider));
    ok(chain.call("user-registry", "verify-user", [Cl.principal(provider), Cl.bool(true)]));
    for (const of of [...made.tariffs, made.tariff_of_bands])
      expect(plain(ok(chain.call("billing", "post-tariff", terms(of), provider)))).toBe(of.chain_hash);
  });
  it("charge what Python charges, at the ends of blocks and of numbers", () => {
    for (const of of made.tariffs)
      for (const { usage, days, amount } of of.charges)
        expect(plain(chain.read("billing", "get-charge", [hex(of.chain_hash), Cl.uint(usage), Cl.uint(days)])), `${of.document} ${usage}`).toBe(BigInt(amount));
  });
});

describe("proofs", () => {
  const ROOM = "privacy-proof";
  it("open commitments, those to zero among them, and to nothing else", () => {
    for (const { commitment, value, z, a } of made.proofs.openings) {
      const opens = (v: bigint) => answer(ROOM, "verify-proof", [hex(commitment), Cl.uint(v), hex(z), hex(a)]);
      ok(opens(BigInt(value)));
      if (BigInt(value) > 0n) refused(opens(BigInt(value) - 1n), BigInt(value) === 1n ? 1101 : 1100);
      else refused(opens(1n), 1100);
    }
  });
  it("convince of a logarithm, and no byte of them can be altered", () => {
    for (const { public: p, a, w, message } of made.proofs.schnorr) {
      const check = (...parts: string[]) => answer(ROOM, "verify-schnorr-proof", parts.map(hex));
      ok(check(p, a, w, message));
      for (const forged of flips(a)) refused(check(p, forged, w, message), 1101);
      for (const forged of flips(w)) expect(check(p, a, forged, message).result.type).toBe("err");
      for (const forged of flips(message)) refused(check(p, a, w, forged), 1101);
    }
  });
  it("add 31 commitments step by step and open their sum", () => {
    const { steps, value, blinding, sum, commitments } = made.month;
    const rows = Cl.list(steps.map((step: Record<string, string>) => Cl.tuple(Object.fromEntries(Object.entries(step).map(([key, text]) => [key, hex(text)])))));
    const found = answer(ROOM, "verify-sum-proof", [rows, Cl.uint(value), hex(blinding), Cl.bufferFromHex("")]);
    expect(plain(ok(found))).toBe(sum);
    expect(steps.map((step: any) => plain(chain.read(ROOM, "compressed", [hex(step.p)])))).toEqual(commitments);
    refused(answer(ROOM, "verify-sum-proof", [rows, Cl.uint(value + 1), hex(blinding), Cl.bufferFromHex("")]), 1100);
  });
  it("open every commitment of a day that Python sealed, and their sum", () => {
    const { slots, sum } = vectors("commitment").day;
    for (const { c, v, z } of slots.filter((slot: any) => slot.v > 0)) ok(answer(ROOM, "verify-proof", [hex(c), Cl.uint(v), hex(z.slice(2).padStart(64, "0")), Cl.bufferFromHex("")]));
    expect(plain(chain.read(ROOM, "is-point", [hex(sum)]))).toBe(true);
  });
});

describe("inclusion paths", () => {
  const included = (leaf: string, index: number, size: number, path: string[], root: string) =>
    plain(chain.read("seals", "is-included", [hex(leaf), Cl.uint(index), Cl.uint(size), buffers(path.map(bytes)), hex(root)]));
  it("of Python's trees hold, and no byte of them can be altered", () => {
    for (const { leaf, index, size, path, root } of made.inclusion) {
      expect(included(leaf, index, size, path, root)).toBe(true);
      expect(included(leaf, index + 1, size, path, root)).toBe(false);
      for (const forged of flips(leaf)) expect(included(forged, index, size, path, root)).toBe(false);
    }
    const { leaf, index, size, path, root } = made.inclusion.at(-2);
    path.forEach((one: string, at: number) => flips(one).forEach((forged) =>
      expect(included(leaf, index, size, path.map((old: string, i: number) => (i === at ? forged : old)), root)).toBe(false)));
  });
  it("of the vectors that proto's Merkle trees are held to hold too", () => {
    const { inclusion, roots, leaf_hashes: leaves } = vectors("merkle");
    expect(inclusion.length).toBeGreaterThan(30);
    for (const { index, size, proof } of inclusion) expect(included(leaves[index], index, size, proof, roots[size])).toBe(true);
  });
});

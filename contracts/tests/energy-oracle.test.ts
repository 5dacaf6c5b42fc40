import { readFileSync } from "node:fs";
import { Cl } from "@stacks/transactions";
import { beforeAll, describe, expect, it } from "vitest";
import { be, highS, sha256 } from "./curve";
import { type Header, type Reading, buffers, headerValue, pathOf, recordLeaf, recordValue, rootOf } from "./sealed";
import { Chain, bytes, filled, ok, plain, refused, topics } from "./support";
import { bind, header, meterOf, signed, world } from "./world";

let chain: Chain;
const oracle = "energy-oracle";
const vectors = JSON.parse(readFileSync(new URL("../../proto/vectors/seal.json", import.meta.url), "utf8"));
const leaves = (count: number) => Array.from({ length: count }, (_, i) => sha256(Uint8Array.of(0, i)));
const anchor = (size: number | bigint, root: Uint8Array, sender = chain.deployer) =>
  chain.call(oracle, "anchor", [Cl.uint(size), Cl.buffer(root)], sender);

const salts = [1, 2, 3, 4, 5].map((byte) => filled(byte, 16));
const readings: Reading[] = salts.map((_, i) => ({ start: 1_790_000_100 + 900 * i, delta: 100 + i, value: 5000 + i, quality: 14, revision: 0 }));
const recordLeaves = readings.map((record, i) => recordLeaf(salts[i], record));
const sealed = (changes: Partial<Header> = {}) => header({ root: rootOf(recordLeaves), count: 5, ...changes });
const reading = (of: Header, signature: Uint8Array, index: number, record = readings[index], salt = salts[index], path = pathOf(index, recordLeaves)) =>
  chain.read(oracle, "verify-reading", [headerValue(of), Cl.buffer(signature), recordValue(record), Cl.buffer(salt), buffers(path)]);
const says = (value: any, code: number) => expect(Cl.prettyPrint(value)).toBe(`(err u${code})`);

beforeAll(async () => { chain = await world(); bind(chain, 1); });

describe("anchors", () => {
  it("grow, are kept by number and by root, and are told once", () => {
    const answer = anchor(10, filled(1, 32));
    expect(plain(ok(answer))).toBe(0n);
    expect(topics(answer)).toEqual(["anchor"]);
    expect(plain(ok(anchor(11, filled(2, 32))))).toBe(1n);
    expect(plain(chain.read(oracle, "get-anchor", [Cl.uint(1)]))).toMatchObject({ size: 11n });
    expect(plain(chain.read(oracle, "get-root", [Cl.buffer(filled(1, 32))]))).toMatchObject({ size: 10n });
    expect(plain(chain.read(oracle, "get-anchor-count"))).toBe(2n);
  });
  it("u400: are the oracle's alone, whoever calls through whom", () => {
    refused(anchor(12, filled(3, 32), chain.wallet(1)), 400);
    const middle = chain.deploy("oracle-middle", `(define-public (go) (contract-call? '${chain.contract(oracle)} anchor u99 0x${"07".repeat(32)}))`);
    refused(chain.call(middle, "go"), 400);
  });
  it("u401: stop while paused", () => {
    chain.pause(oracle);
    refused(anchor(12, filled(3, 32)), 401);
    refused(chain.call(oracle, "confirm-delivery", [Cl.uint(9), Cl.uint(1), Cl.buffer(filled(1, 32))]), 401);
    chain.resume(oracle);
  });
  it("u402: never shrink, repeat a size, or outgrow 32 siblings", () => {
    for (const size of [0n, 10n, 11n, 4294967297n, (1n << 128n) - 1n]) refused(anchor(size, filled(4, 32)), 402);
  });
  it("u403: never repeat a root, and have 32 bytes", () => {
    refused(anchor(12, filled(1, 32)), 403);
    refused(anchor(12, filled(1, 31)), 403);
  });
});

describe("inclusion (RFC 9162)", () => {
  const included = (leaf: Uint8Array, index: number, size: number, path: Uint8Array[], root: Uint8Array) => plain(
    chain.read("seals", "is-included", [Cl.buffer(leaf), Cl.uint(index), Cl.uint(size), buffers(path), Cl.buffer(root)]));
  it("holds for every leaf of many sizes and for no neighbour, longer or shorter path", () => {
    for (const size of [1, 2, 3, 5, 8, 13, 21]) {
      const all = leaves(size);
      const root = rootOf(all);
      for (let index = 0; index < size; index++) {
        const path = pathOf(index, all);
        expect(included(all[index], index, size, path, root)).toBe(true);
        if (size > 1) expect(included(all[index], (index + 1) % size, size, path, root)).toBe(false);
        expect(included(all[index], index, size, [...path, root], root)).toBe(false);
        if (path.length) expect(included(all[index], index, size, path.slice(1), root)).toBe(false);
        expect(included(all[index], size, size, path, root)).toBe(false);
      }
    }
  });
  it("fails when any byte of leaf, path or root is another", () => {
    const all = leaves(5);
    const path = pathOf(2, all);
    const flip = (of: Uint8Array, at: number) => of.map((byte, i) => (i === at ? byte ^ 1 : byte));
    for (let at = 0; at < 32; at++) {
      expect(included(flip(all[2], at), 2, 5, path, rootOf(all))).toBe(false);
      expect(included(all[2], 2, 5, path, flip(rootOf(all), at))).toBe(false);
      for (let sibling = 0; sibling < path.length; sibling++)
        expect(included(all[2], 2, 5, path.map((s, i) => (i === sibling ? flip(s, at) : s)), rootOf(all))).toBe(false);
    }
  });
  it("takes 32 siblings", () => {
    let root = leaves(1)[0];
    const path: Uint8Array[] = [];
    const index = 0x9abcdef1;
    for (let level = 0; level < 32; level++) {
      path.push(sha256(Uint8Array.of(level)));
      root = Math.floor(index / 2 ** level) % 2 ? sha256(filled(1, 1), path[level], root) : sha256(filled(1, 1), root, path[level]);
    }
    expect(included(leaves(1)[0], index, 2 ** 32, path, root)).toBe(true);
    expect(included(leaves(1)[0], index - 1, 2 ** 32, path, root)).toBe(false);
  });
  it("of an anchored root only", () => {
    const all = leaves(20);
    ok(anchor(20, rootOf(all)));
    const verify = (root: Uint8Array) => plain(chain.read(oracle, "verify-inclusion", [Cl.buffer(all[7]), Cl.uint(7), buffers(pathOf(7, all)), Cl.buffer(root)]));
    expect(verify(rootOf(all))).toBe(true);
    expect(verify(rootOf(leaves(19)))).toBe(false);
  });
});

describe("readings", () => {
  it("are verified by the meter's key, at their place", () => {
    const of = sealed();
    for (let index = 0; index < 5; index++) {
      const answer = plain(reading(of, signed(headerValue(of), 1), index));
      expect(answer.owner).toBe(chain.wallet(1));
    }
  });
  it("u404: of an unknown meter or before its first seq are refused", () => {
    const stranger = sealed({ meter: meterOf(77) });
    says(reading(stranger, signed(headerValue(stranger), 77), 0), 404);
    const early = sealed({ seq: 0 });
    says(reading(early, signed(headerValue(early), 1), 0), 404);
  });
  it("u405: by another key, a twin with high s, a short or replayed signature are refused", () => {
    const of = sealed();
    const right = signed(headerValue(of), 1);
    says(reading(of, signed(headerValue(of), 2), 0), 405);
    says(reading(of, highS(right), 0), 405);
    says(reading(of, right.slice(0, 64), 0), 405);
    says(reading(sealed({ seq: 2 }), right, 0), 405);
    bind(chain, 5, 2);
    says(reading(sealed({ meter: meterOf(5) }), right, 0), 405);
  });
  it("u406: of another network are refused", () => {
    const of = sealed({ network: filled(0x12, 32) });
    says(reading(of, signed(headerValue(of), 1), 0), 406);
  });
  it("u407: with another value, salt, place, path or step are refused", () => {
    const of = sealed();
    const right = signed(headerValue(of), 1);
    for (const change of [{ delta: 1 }, { value: 1 }, { quality: 0 }, { revision: 1 }, { start: 1_790_000_101 }, { start: 1_790_000_000 }, { start: readings[1].start },
      { delta: 1n << 64n }, { value: 1n << 64n }, { quality: 256 }, { revision: 65536 }, { start: (1n << 128n) - 1n }])
      says(reading(of, right, 0, { ...readings[0], ...change }), 407);
    says(reading(of, right, 0, readings[0], salts[1]), 407);
    says(reading(of, right, 0, readings[0], salts[0], pathOf(1, recordLeaves)), 407);
    const still = sealed({ step: 0 });
    says(reading(still, signed(headerValue(still), 1), 0), 407);
    const fewer = sealed({ count: 4 });
    says(reading(fewer, signed(headerValue(fewer), 1), 4), 407);
  });
  it("u408: of a committed seal are not readable", () => {
    const of = sealed({ mode: 1 });
    says(reading(of, signed(headerValue(of), 1), 0), 408);
  });
  it("u409: a header counts as anchored only under a root that is", () => {
    const of = sealed();
    const signature = signed(headerValue(of), 1);
    const leaf = plain(chain.read("seals", "log-leaf", [headerValue(of), Cl.buffer(signature)]));
    const all = [...leaves(30), bytes(leaf)];
    const check = (root: Uint8Array, index: number) => chain.read(oracle, "verify-anchored-header",
      [headerValue(of), Cl.buffer(signature), Cl.uint(index), buffers(pathOf(30, all)), Cl.buffer(root)]);
    says(check(rootOf(all), 30), 409);
    ok(anchor(31, rootOf(all)));
    expect(plain(check(rootOf(all), 30))["anchored-at"]).toBeGreaterThan(0n);
    says(check(rootOf(all), 29), 409);
  });
});

describe("the bytes of our Python", () => {
  it("give the same digests, record leaves and log leaves, and its signatures verify", async () => {
    const fresh = await Chain.wired();
    for (const seal of vectors.seals) {
      const of: Header = {
        network: bytes(vectors.network), meter: bytes(vectors.meter), register: BigInt(vectors.register), first: seal.first, step: seal.step,
        count: seal.rows.length, seq: seal.seq, prev: bytes(seal.prev), root: bytes(seal.root), mode: 0, bits: 0, sum: filled(0, 33),
      };
      const value = headerValue(of);
      expect(plain(fresh.read("seals", "header-bytes", [value]))).toBe(seal.consensus);
      expect(plain(fresh.read("seals", "header-hash", [value]))).toBe(seal.digest);
      const verdicts = [0, 1].map((recovery) => plain(fresh.read("seals", "is-signed", [
        Cl.buffer(bytes(seal.digest)), Cl.buffer(Uint8Array.from([...bytes(seal.signature), recovery])), Cl.buffer(bytes(vectors.public)), Cl.bool(false)])));
      expect(verdicts.filter(Boolean)).toHaveLength(1);
      const signature = Uint8Array.from([...bytes(seal.signature), verdicts[0] ? 0 : 1]);
      expect(plain(fresh.read("seals", "log-leaf", [value, Cl.buffer(signature)]))).toBe(
        Buffer.from(sha256(filled(0, 1), bytes(seal.entry))).toString("hex"));
      const found = seal.rows.map((row: number[], i: number) => plain(fresh.read("seals", "record-leaf", [Cl.buffer(bytes(seal.salts[i])), recordValue({
        start: seal.first + i * seal.step, delta: row[0], value: row[1], quality: row[2], revision: row[3] })])));
      expect(Buffer.from(rootOf(found.map(bytes))).toString("hex")).toBe(seal.root);
    }
  });
});

const p256 = {
  digest: bytes("8e49478d974ec5050643894f56403f9c5a9d2fe414fb4c63c74b65707fbc6982"),
  key: bytes("03ecf269583287f9c20ced5bb358f0005f2946e89ca7d0115cf4867eabec4e3185"),
  r: "52eb680e43e67f2855ad8719eadbc14aab670305a34d7f7fe19420e979c30cd0", s: "58147b8b38bea2897aae6decd2b2dad2a9163e17043d9f7b6376934c8e227fc9", twin: "a7eb8473c7415d77855192132d4d252d13d0bc96a2d9ff09904337766e40a588",
};
// Made with another library (OpenSSL's), of the private key 0xabcdef.
const vectorsOfP256 = [
  { ...p256, signature: bytes(p256.r + p256.s + "00"), good: true },
  { ...p256, signature: bytes(p256.r + p256.twin + "00"), good: false },
  { ...p256, signature: bytes(p256.r + p256.s + "01"), good: false },
  { ...p256, digest: filled(1, 32), signature: bytes(p256.r + p256.s + "00"), good: false },
];

describe("a low s", () => {
  it("is at most half of either curve's order, to the last bit", () => {
    const orders: [bigint, boolean][] = [[0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n, false],
      [0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n, true]];
    for (const [order, curve] of orders) {
      const low = (s: bigint) => plain(chain.read("seals", "is-low-s", [Cl.buffer(Uint8Array.from([...filled(1, 32), ...be(s), 0])), Cl.bool(curve)]));
      expect([low(order / 2n), low(order / 2n + 1n), low(1n), low(order - 1n)]).toEqual([true, false, true, false]);
    }
  });
});

describe("P-256 keys of secure elements", () => {
  it("sign as well, with low s and a zero byte for recovery", () => {
    const check = vectorsOfP256.map(({ digest, signature, key, good }) => [plain(chain.read("seals", "is-signed",
      [Cl.buffer(digest), Cl.buffer(signature), Cl.buffer(key), Cl.bool(true)])), good]);
    for (const [got, good] of check) expect(got).toBe(good);
  });
});

describe("deliveries", () => {
  const evidence = Cl.buffer(filled(7, 32));
  const transfer = (trade: number, expected: number) => chain.read(oracle, "verify-energy-transfer", [Cl.uint(trade), Cl.uint(expected)]);
  it("are confirmed once by the oracle, and verified by anybody", () => {
    const answer = chain.call(oracle, "confirm-delivery", [Cl.uint(1), Cl.uint(900), evidence]);
    expect(topics(answer)).toEqual(["delivery-confirmed"]);
    expect(plain(transfer(1, 900))).toMatchObject({ delivered: 900n, complete: true });
    expect(plain(transfer(1, 901))).toMatchObject({ complete: false });
    expect(plain(chain.read(oracle, "get-delivery", [Cl.uint(1)]))).toMatchObject({ delivered: 900n });
  });
  it("u400, u410 to u412: by nobody else, never twice, never unknown, never without evidence", () => {
    refused(chain.call(oracle, "confirm-delivery", [Cl.uint(2), Cl.uint(1), evidence], chain.wallet(3)), 400);
    refused(chain.call(oracle, "confirm-delivery", [Cl.uint(1), Cl.uint(1), evidence]), 410);
    says(transfer(2, 1), 411);
    refused(chain.call(oracle, "confirm-delivery", [Cl.uint(2), Cl.uint(1), Cl.buffer(filled(1, 31))]), 412);
  });
});

describe("the oracle's key", () => {
  it("rotates in two steps, also while paused; the old one has no power then", () => {
    refused(chain.call(oracle, "offer-oracle", [Cl.principal(chain.wallet(6))], chain.wallet(6)), 400);
    refused(chain.call(oracle, "accept-oracle", [], chain.wallet(6)), 413);
    chain.pause(oracle);
    ok(chain.call(oracle, "offer-oracle", [Cl.principal(chain.wallet(6))]));
    refused(chain.call(oracle, "accept-oracle", [], chain.wallet(7)), 413);
    ok(chain.call(oracle, "accept-oracle", [], chain.wallet(6)));
    chain.resume(oracle);
    refused(anchor(1000, filled(0x55, 32)), 400);
    ok(anchor(1000, filled(0x55, 32), chain.wallet(6)));
    expect(plain(chain.read(oracle, "get-oracle"))).toBe(chain.wallet(6));
    // The admin gets a lost key's place back.
    ok(chain.call(oracle, "offer-oracle", [Cl.principal(chain.deployer)]));
    ok(chain.call(oracle, "accept-oracle"));
  });
});

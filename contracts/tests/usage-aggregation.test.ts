import { Cl, type ClarityValue } from "@stacks/transactions";
import { beforeAll, describe, expect, it } from "vitest";
import { N, be, commit, highS, join, opening, scalar, short } from "./curve";
import { NETWORK, digest } from "./sealed";
import { publicKey, sign, street } from "./street";
import { Chain, filled, ok, refused, topics, wait } from "./support";

const ROOM = "usage-aggregation";
const keys = [1, 2, 3].map((byte) => filled(byte, 32));
const SET = filled(0xaa, 32);
let chain: Chain, today: number, stranger: string;

beforeAll(async () => {
  ({ chain } = await street());
  stranger = chain.wallet(5);
  today = Math.floor(chain.now() / 86_400);
});

const trustees = (list = keys.map(publicKey), by = chain.deployer) =>
  chain.call(ROOM, "set-trustees", list.map((key) => Cl.buffer(key)), by);
const fix = (cell: string, day: number | bigint, size: number | bigint = 32, set = SET, by = chain.deployer, network = NETWORK) =>
  chain.call(ROOM, "post-set", [Cl.buffer(network), Cl.stringAscii(cell), Cl.uint(day), Cl.buffer(set), Cl.uint(size)], by);
const stated = (cell: string, day: number, usage: bigint, size = 32, set = SET, network = NETWORK) => digest(Cl.tuple({
  cell: Cl.stringAscii(cell), day: Cl.uint(day), network: Cl.buffer(network), set: Cl.buffer(set), size: Cl.uint(size), usage: Cl.uint(usage) }));
const total = (cell: string, day: number, usage: bigint, one: Uint8Array, two: Uint8Array, by = stranger) =>
  chain.call(ROOM, "post-total", [Cl.buffer(NETWORK), Cl.stringAscii(cell), Cl.uint(day), Cl.uint(usage), Cl.buffer(one), Cl.buffer(two)], by);
const both = (hash: Uint8Array, a = 0, b = 1): [Uint8Array, Uint8Array] => [sign(hash, keys[a]), sign(hash, keys[b])];
const usage = (cell: string, day: number | bigint, count: number | bigint) =>
  ({ result: chain.read(ROOM, "get-settlement-usage", [Cl.buffer(NETWORK), Cl.stringAscii(cell), Cl.uint(day), Cl.uint(count)]), events: [] });

describe("usage-aggregation", () => {
  it("u1202: trustees are three different keys, set before any set", () => {
    refused(fix("north", today - 1), 1202);
    const [a, b, c] = keys.map(publicKey);
    for (const list of [[a, a, b], [a, b, b], [a, b, a], [a, b, filled(0, 33)], [a.slice(1), b, c], [a, b, join(Uint8Array.of(2), be(5n))]])
      refused(trustees(list), 1202);
    expect(topics(trustees())).toEqual(["trustees-set"]);
  });
  it("u1200: sets are an operator's to fix, trustees the admin's to name", () => {
    refused(fix("north", today - 1, 32, SET, stranger), 1200);
    refused(trustees(undefined, stranger), 1200);
    const middle = chain.deploy("aggregation-middle", `
      (define-public (go) (contract-call? '${chain.contract(ROOM)} post-set 0x${"11".repeat(32)} "x" u1 0x${"11".repeat(32)} u32))`, stranger);
    refused(chain.call(middle, "go", [], chain.deployer), 1200);
  });
  it("u1203: fewer than 20 are told to nobody", () => {
    for (const size of [0, 1, 19, 65_537, (1n << 128n) - 1n]) refused(fix("north", today - 1, size), 1203);
    ok(fix("twenty", today - 1, 20));
  });
  it("u1204: cell, hash and network are whole", () => {
    refused(fix("", today - 1), 1204);
    refused(fix("north", today - 1, 32, filled(1, 31)), 1204);
    refused(fix("north", today - 1, 32, SET, chain.deployer, filled(1, 31)), 1204);
  });
  it("u1205: a day is over somewhere before its set is fixed", () => {
    for (const day of [today + 1, 1 << 20, (1n << 128n) - 1n]) refused(fix("north", day), 1205);
  });
  it("a set is fixed once, its total taken under two trustees' signatures and read by anybody", () => {
    expect(topics(fix("north", today - 1))).toEqual(["set-fixed"]);
    const answer = total("north", today - 1, 91_000n, ...both(stated("north", today - 1, 91_000n)));
    expect(topics(answer)).toEqual(["total-posted"]);
    expect(Cl.prettyPrint(ok(usage("north", today - 1, 1)))).toContain("usage: u91000");
    expect(chain.read(ROOM, "get-set", [Cl.buffer(NETWORK), Cl.stringAscii("north"), Cl.uint(today - 1)]).type).toBe("some");
  });
  it("u1206: a second set of a cell and day is refused, be it the same", () => {
    refused(fix("north", today - 1), 1206);
    refused(fix("north", today - 1, 31, filled(0xbb, 32)), 1206);
  });
  it("u1207: there is no total without a set", () => {
    refused(total("south", today - 1, 1n, ...both(stated("south", today - 1, 1n))), 1207);
  });
  it("u1208: two different trustees sign this very total", () => {
    ok(fix("west", today - 1));
    const hash = stated("west", today - 1, 5n), [one, two] = both(hash);
    refused(total("west", today - 1, 5n, one, one), 1208);
    refused(total("west", today - 1, 5n, one, sign(hash, filled(9, 32))), 1208);
    refused(total("west", today - 1, 6n, one, two), 1208);
    refused(total("west", today - 1, 5n, one, new Uint8Array()), 1208);
    for (const other of [stated("east", today - 1, 5n), stated("west", today - 2, 5n), stated("west", today - 1, 5n, 31),
      stated("west", today - 1, 5n, 32, filled(1, 32)), stated("west", today - 1, 5n, 32, SET, filled(1, 32))])
      refused(total("west", today - 1, 5n, ...both(other)), 1208);
    refused(total("west", today - 1, 5n, one, highS(two)), 1208);
    refused(total("west", today - 1, 5n, one, highS(one)), 1208);
    for (let i = 0; i < 65; i += 4) {
      const forged = Uint8Array.from(two);
      forged[i] ^= 1;
      refused(total("west", today - 1, 5n, one, forged), 1208);
    }
    for (const pair of [[1, 0], [0, 2], [2, 1]]) {
      const args: ClarityValue[] = [Cl.buffer(NETWORK), Cl.stringAscii("west"), Cl.uint(today - 1), Cl.uint(5), ...both(hash, ...pair).map((s) => Cl.buffer(s))];
      expect(Cl.prettyPrint(chain.read(ROOM, "verify-total", args))).toBe("true");
    }
    ok(total("west", today - 1, 5n, one, two));
  });
  it("u1212: a total that overflows sums is refused, whoever signed it", () => {
    ok(fix("over", today - 1));
    for (const usage of [1n << 64n, (1n << 128n) - 1n])
      refused(total("over", today - 1, usage, ...both(stated("over", today - 1, usage))), 1212);
  });
  it("u1209: a total is posted once", () => {
    refused(total("west", today - 1, 5n, ...both(stated("west", today - 1, 5n))), 1209);
    refused(total("west", today - 1, 6n, ...both(stated("west", today - 1, 6n))), 1209);
  });
  it("longer totals only add posted ones; u1210, u1211", () => {
    ok(fix("west", today - 2, 25));
    ok(total("west", today - 2, 7n, ...both(stated("west", today - 2, 7n, 25))));
    expect(Cl.prettyPrint(ok(usage("west", today - 2, 2)))).toBe("{ fewest: u25, usage: u12 }");
    refused(usage("west", today - 3, 3), 1210);
    refused(usage("nowhere", today, 1), 1210);
    for (const [day, count] of [[today, 0], [today, 32], [1 << 20, 1], [(1n << 128n) - 1n, 1], [today, (1n << 128n) - 1n]])
      refused(usage("west", day, count), 1211);
  });
  it("anybody sees that the sum of the commitments holds the total; u1100, u1101, u1106, u1210", () => {
    const z = scalar(), sum = short(commit(91_000n, z));
    const check = (cell: string, value: Uint8Array, blinding: Uint8Array, a: Uint8Array = new Uint8Array()) => ({
      result: chain.read(ROOM, "verify-sum", [Cl.buffer(NETWORK), Cl.stringAscii(cell), Cl.uint(today - 1), Cl.buffer(value), Cl.buffer(blinding), Cl.buffer(a)]), events: [] });
    ok(check("north", sum, be(z)));
    refused(check("north", short(commit(91_001n, z)), be(z)), 1100);
    refused(check("north", sum, be(N)), 1106);
    refused(check("south", sum, be(z)), 1210);
    ok(fix("still", today - 1));
    ok(total("still", today - 1, 0n, ...both(stated("still", today - 1, 0n))));
    const zero = opening(0n, z);
    ok(check("still", short(commit(0n, z)), zero.z, zero.a));
    refused(check("still", sum, zero.z, zero.a), 1101);
  });
  it("u1201: nothing is fixed or posted while paused, and trustees' keys still rotate", () => {
    ok(fix("east", today - 1));
    chain.pause(ROOM);
    refused(fix("east", today - 2), 1201);
    refused(total("east", today - 1, 1n, ...both(stated("east", today - 1, 1n))), 1201);
    ok(trustees([4, 5, 6].map((byte) => publicKey(filled(byte, 32)))));
    chain.resume(ROOM);
    wait(chain, 600);
    // A set keeps the trustees it was fixed under: they hold its seeds.
    ok(total("east", today - 1, 1n, ...both(stated("east", today - 1, 1n))));
  });
});

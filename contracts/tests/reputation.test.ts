import { Cl } from "@stacks/transactions";
import { beforeAll, describe, expect, it } from "vitest";
import { DAY } from "./sealed";
import { Chain, filled, ok, plain, refused, topics, wait } from "./support";
import { set } from "./street";
import { bind, meterOf, world } from "./world";

let chain: Chain;
const room = "reputation";
const who = (wallet: number) => Cl.principal(chain.wallet(wallet));
const read = (name: string, wallet: number) => plain(chain.read(room, name, [who(wallet)]));
const call = (name: string, args: any[], wallet = 0) => chain.call(room, name, args, wallet ? chain.wallet(wallet) : chain.deployer);
const stx = (address: string): bigint => chain.simnet.getAssetsMap().get("STX")?.get(address) ?? 0n;

/** Open a trade of 1,000 Wh between seller 1 and buyer 3, give its number. */
function opened(lead = 3600): number {
  const from = chain.now() + lead;
  const of = plain(ok(chain.call("marketplace", "list-offer", [Cl.uint(1000), Cl.uint(1000), Cl.uint(from), Cl.uint(from + 3600), Cl.none()], chain.wallet(1))));
  return Number(plain(ok(chain.call("trade-escrow", "open-trade", [Cl.uint(of), Cl.uint(1000), Cl.uint(1000), Cl.none()], chain.wallet(3)))));
}
function settled(delivered: number): number {
  const number = opened();
  ok(chain.call("energy-oracle", "confirm-delivery", [Cl.uint(number), Cl.uint(delivered), Cl.buffer(filled(1, 32))]));
  ok(chain.call("trade-escrow", "settle", [Cl.uint(number), Cl.uint(delivered), Cl.none()]));
  return number;
}
const record = (number: number) => call("record-trade", [Cl.uint(number)], 8);
const cancelled = (number: number, wallet: number) => { ok(chain.call("trade-escrow", "cancel", [Cl.uint(number), Cl.none()], chain.wallet(wallet))); return number; };

beforeAll(async () => { chain = await world(); chain.grant("court", chain.wallet(7)); });

describe("the score", () => {
  it("starts at 3,000 and rises by 500 for 99 %, once a trade", () => {
    expect(read("get-score", 1)).toBe(3000n);
    const number = settled(990);
    const answer = record(number);
    expect(plain(ok(answer))).toBe(3500n);
    expect(topics(answer)).toEqual(["trade-counted"]);
    expect(plain(chain.read(room, "is-counted", [Cl.uint(number)]))).toBe(true);
    refused(record(number), 703);
  });
  it("falls by what is missing, and by 1,000 when nothing came", () => {
    expect(plain(ok(record(settled(400))))).toBe(3500n - 600n);
    expect(plain(ok(record(settled(0))))).toBe(1900n);
  });
  it("falls for who cancels, twice for a seller after the window began, and for nobody on expiry", () => {
    ok(record(cancelled(opened(), 3)));
    expect(read("get-score", 3)).toBe(2500n);
    ok(record(cancelled(opened(), 1)));
    expect(read("get-score", 1)).toBe(1400n);
    const late = opened();
    wait(chain, 4200);
    ok(record(cancelled(late, 1)));
    expect(read("get-score", 1)).toBe(400n);
    const lost = opened();
    wait(chain, 8 * DAY);
    ok(chain.call("trade-escrow", "expire", [Cl.uint(lost), Cl.none()]));
    ok(record(lost));
    expect([read("get-score", 1), read("get-score", 3)]).toEqual([400n, 2500n]);
  });
  it("stays between 0 and 10,000", () => {
    expect(plain(ok(record(settled(0))))).toBe(0n);
    for (let i = 0; i < 21; i++) ok(record(settled(1000)));
    expect(read("get-score", 1)).toBe(10_000n);
    expect([read("get-tier", 1), read("get-limit-percent", 1)]).toEqual([5n, 100n]);
    expect([read("get-tier", 3), read("get-limit-percent", 3)]).toEqual([0n, 10n]);
  });
  it("u701, u702: counts closed trades, while not paused", () => {
    refused(record(99_999), 702);
    refused(record(opened()), 702);
    const number = settled(1000);
    chain.pause(room);
    refused(record(number), 701);
    chain.resume(room);
  });
});

describe("ratings", () => {
  const rate = (number: number, stars: number, wallet: number) => call("rate", [Cl.uint(number), Cl.uint(stars), Cl.buffer(filled(2, 32))], wallet);
  it("are given once by each side of a settled trade, and change no score", () => {
    const number = settled(1000);
    const before = [read("get-score", 1), read("get-score", 3)];
    expect(topics(rate(number, 5, 3))).toEqual(["rated"]);
    ok(rate(number, 4, 1));
    refused(rate(number, 1, 3), 703);
    expect(read("get-stars", 1)).toEqual({ count: 1n, total: 5n });
    expect(plain(chain.read(room, "get-rating", [Cl.uint(number), who(1)]))).toMatchObject({ stars: 4n, of: chain.wallet(3) });
    expect([read("get-score", 1), read("get-score", 3)]).toEqual(before);
  });
  it("u701, u702, u704, u705: not while paused, open or cancelled, by strangers, or of other than 1 to 5 stars", () => {
    const number = settled(1000);
    refused(rate(opened(), 5, 3), 702);
    refused(rate(cancelled(opened(), 3), 5, 3), 702);
    refused(rate(99_999, 5, 3), 702);
    refused(rate(number, 5, 4), 704);
    refused(rate(number, 0, 3), 705);
    refused(rate(number, 6, 3), 705);
    chain.pause(room);
    refused(rate(number, 5, 3), 701);
    chain.resume(room);
  });
});

describe("meter documents", () => {
  const document = (meter: number, deviation: number, sender = chain.deployer) =>
    chain.call(room, "record-meter-document", [Cl.buffer(meterOf(meter)), Cl.uint(deviation)], sender);
  it("lift the owner's score once a meter, more when they agree better", () => {
    bind(chain, 11, 2);
    bind(chain, 12, 2);
    bind(chain, 13, 2);
    expect(plain(ok(document(11, 10)))).toBe(4000n);
    expect(topics(document(12, 20))).toEqual(["meter-document-counted"]);
    expect(read("get-score", 2)).toBe(4600n);
    refused(document(11, 5), 703);
    refused(document(13, 21), 709);
    refused(document(99, 1), 709);
    refused(document(13, 1, chain.wallet(2)), 700);
    chain.pause(room);
    refused(document(13, 1), 701);
    chain.resume(room);
  });
});

describe("tiers", () => {
  it("begin at their boundary, and each has its share of the limit", () => {
    const tiers: [number, bigint, bigint][] = [[2999, 0n, 10n], [3000, 1n, 10n], [4999, 1n, 10n], [5000, 2n, 40n], [6999, 2n, 40n], [7000, 3n, 60n],
      [8499, 3n, 60n], [8500, 4n, 80n], [9499, 4n, 80n], [9500, 5n, 100n], [3000, 1n, 10n]];
    for (const [score, tier, percent] of tiers) {
      ok(set(chain, "trust-default-score", score));
      wait(chain, 600);
      expect([read("get-score", 8), read("get-tier", 8), read("get-limit-percent", 8)]).toEqual([BigInt(score), tier, percent]);
    }
  });
});

describe("stakes", () => {
  it("lift the limit by one tier, never the score, and come back after the cool-down", () => {
    expect([read("get-tier", 2), read("get-limit-percent", 2)]).toEqual([1n, 10n]);
    expect(topics(call("stake", [Cl.uint(100_000_000)], 2))).toEqual(["staked"]);
    expect([read("get-score", 2), read("get-limit-percent", 2)]).toEqual([4600n, 40n]);
    expect(topics(call("request-unstake", [Cl.uint(40_000_000)], 2))).toEqual(["unstake-requested"]);
    expect(read("get-limit-percent", 2)).toBe(10n);
    refused(call("unstake", [], 2), 707);
    wait(chain, 7 * DAY);
    const before = stx(chain.wallet(2));
    chain.pause(room);
    expect(plain(ok(call("unstake", [], 2)))).toBe(40_000_000n);
    chain.resume(room);
    expect(stx(chain.wallet(2)) - before).toBe(40_000_000n);
    refused(call("unstake", [], 2), 707);
    expect(stx(chain.contract(room))).toBe(plain(chain.read(room, "get-total-staked")));
  });
  it("are slashed by a court, what is leaving too", () => {
    ok(call("request-unstake", [Cl.uint(20_000_000)], 2));
    const before = stx(chain.wallet(3));
    expect(topics(call("slash", [who(2), Cl.uint(50_000_000), who(3)], 7))).toEqual(["slashed"]);
    expect(stx(chain.wallet(3)) - before).toBe(50_000_000n);
    expect(read("get-stake", 2)).toMatchObject({ staked: 0n, leaving: 10_000_000n });
    expect(stx(chain.contract(room))).toBe(plain(chain.read(room, "get-total-staked")));
  });
  it("u700, u701, u706, u708: by nobody else, not while paused, of something that is there", () => {
    refused(call("slash", [who(2), Cl.uint(1), who(3)], 3), 700);
    const middle = chain.deploy("reputation-middle", `(define-public (go) (contract-call? '${chain.contract(room)} slash '${chain.wallet(2)} u1 '${chain.wallet(3)}))`);
    refused(chain.call(middle, "go", [], chain.wallet(7)), 700);
    refused(call("slash", [who(2), Cl.uint(0), who(3)], 7), 706);
    refused(call("slash", [who(2), Cl.uint(10_000_001), who(3)], 7), 706);
    refused(call("slash", [who(2), Cl.uint(1), Cl.principal(chain.contract(room))], 7), 708);
    refused(call("stake", [Cl.uint(0)], 2), 706);
    refused(call("stake", [Cl.uint(1n << 64n)], 2), 706);
    refused(call("stake", [Cl.uint(10n ** 18n)], 2), 708);
    refused(call("request-unstake", [Cl.uint(0)], 2), 706);
    refused(call("request-unstake", [Cl.uint(1)], 4), 706);
    chain.pause(room);
    refused(call("stake", [Cl.uint(1)], 2), 701);
    chain.resume(room);
  });
});

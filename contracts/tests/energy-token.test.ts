import fc from "fast-check";
import { Cl } from "@stacks/transactions";
import { beforeAll, describe, expect, it } from "vitest";
import { be, sha256 } from "./curve";
import { EXPORT, NETWORK, buffers, consensus, pathOf, rootOf } from "./sealed";
import { Chain, filled, ok, plain, refused, topics } from "./support";
import { world } from "./world";

let chain: Chain;
const token = "energy-token";
const who = (wallet: number) => Cl.principal(chain.wallet(wallet));
type Slot = { point: number; from: number; to?: number; revision?: number; amount: number | bigint; wallet?: number; register?: bigint };
const mint = (slot: Slot, sender = chain.deployer) => chain.call(token, "mint", [
  who(slot.wallet ?? 1), Cl.uint(slot.point), Cl.uint(slot.register ?? EXPORT), Cl.uint(slot.from), Cl.uint(slot.to ?? slot.from + 900),
  Cl.uint(slot.revision ?? 0), Cl.uint(slot.amount)], sender);
const balance = (wallet: number): bigint => plain(chain.read(token, "get-balance", [who(wallet)]));
const send = (amount: number | bigint, from: number, to: number, sender = chain.wallet(from)) =>
  chain.call(token, "transfer", [Cl.uint(amount), who(from), who(to), Cl.none()], sender);
const idOf = (point: number, start: number) => sha256(Buffer.from("meterseal-mint"), NETWORK, be(point, 8), be(EXPORT, 8), be(start, 8));
const reverse = (point: number, start: number, amount: number, revision = 0, sender = chain.deployer) =>
  chain.call(token, "reverse", [Cl.buffer(idOf(point, start)), Cl.uint(revision), Cl.uint(amount)], sender);

beforeAll(async () => { chain = await world(); });

describe("SIP-010", () => {
  it("has a name, a symbol, three decimals, balances and a described address", () => {
    expect(plain(chain.read(token, "get-name"))).toBe("Meterseal Energy");
    expect(plain(chain.read(token, "get-symbol"))).toBe("MWH");
    expect(plain(chain.read(token, "get-decimals"))).toBe(3n);
    ok(chain.call(token, "set-token-uri", [Cl.stringUtf8("https://example.org/energy.json")]));
    expect(plain(chain.read(token, "get-token-uri"))).toBe("https://example.org/energy.json");
    refused(chain.call(token, "set-token-uri", [Cl.stringUtf8("x")], chain.wallet(1)), 300);
    refused(chain.call(token, "set-token-uri", [Cl.stringUtf8("")]), 315);
  });
  it("moves units with their memo, for their holder", () => {
    ok(mint({ point: 1, from: 900, amount: 1000 }));
    const answer = chain.call(token, "transfer", [Cl.uint(400), who(1), who(3), Cl.some(Cl.buffer(filled(1, 34)))], chain.wallet(1));
    expect(topics(answer)).toEqual(["energy-moved"]);
    expect([balance(1), balance(3)]).toEqual([600n, 400n]);
  });
  it("u300 to u304: not for others, not while paused, not nothing, not more, not to oneself", () => {
    refused(send(1, 1, 3, chain.wallet(3)), 300);
    refused(send(0, 1, 3), 302);
    refused(send(601, 1, 3), 303);
    refused(send((1n << 128n) - 1n, 1, 3), 303);
    refused(send(1, 1, 1), 304);
    chain.pause(token);
    refused(send(1, 1, 3), 301);
    chain.resume(token);
  });
});

describe("minting by slot", () => {
  it("has the id our Python gives the slot", () => {
    expect(plain(chain.read(token, "mint-id", [Cl.uint(7), Cl.uint(EXPORT), Cl.uint(1_790_000_100)]))).toBe(Buffer.from(idOf(7, 1_790_000_100)).toString("hex"));
    expect(plain(chain.read(token, "mint-id", [Cl.uint(1n << 64n), Cl.uint(0), Cl.uint(0)]))).toBeNull();
  });
  it("u305: pays a slot once, and each revision once, in order", () => {
    expect(topics(mint({ point: 2, from: 900, amount: 500 }))).toEqual(["energy-minted"]);
    refused(mint({ point: 2, from: 900, amount: 500 }), 305);
    refused(mint({ point: 2, from: 900, amount: 500, wallet: 2 }), 305);
    refused(mint({ point: 2, from: 900, amount: 5, revision: 2 }), 305);
    ok(mint({ point: 2, from: 900, amount: 5, revision: 1 }));
    refused(mint({ point: 2, from: 900, amount: 5, revision: 1 }), 305);
  });
  it("u306: goes forward in time, and ends before now", () => {
    ok(mint({ point: 3, from: 1800, amount: 1 }));
    refused(mint({ point: 3, from: 900, amount: 1 }), 306);
    refused(mint({ point: 3, from: 1801, amount: 1 }), 306);
    refused(mint({ point: 3, from: 2700, to: 2700, amount: 1 }), 306);
    refused(mint({ point: 3, from: 1800, to: 2701, revision: 1, amount: 1 }), 306);
    refused(mint({ point: 3, from: 2700, to: chain.now() + 86400, amount: 1 }), 306);
    expect(plain(chain.read(token, "get-register", [Cl.uint(3), Cl.uint(EXPORT)]))).toMatchObject({ path: 1n, through: 2700n });
  });
  it("u300 to u302, u308, u313: by the oracle, of something, for certified producers, in a known network", async () => {
    refused(mint({ point: 4, from: 900, amount: 1 }, chain.wallet(1)), 300);
    refused(mint({ point: 4, from: 900, amount: 0 }), 302);
    refused(mint({ point: 4, from: 900, amount: 1, wallet: 3 }), 308);
    refused(mint({ point: 4, from: 900, amount: 1, register: 1n << 64n }), 313);
    chain.pause(token);
    refused(mint({ point: 4, from: 900, amount: 1 }), 301);
    chain.resume(token);
    const middle = chain.deploy("token-middle", `(define-public (go) (contract-call? '${chain.contract(token)} mint '${chain.wallet(1)} u9 u9 u900 u1800 u0 u9))`);
    refused(chain.call(middle, "go"), 300);
  });
});

describe("reversal", () => {
  it("burns what is held, and what is not is repaid by the next mints", () => {
    ok(mint({ point: 5, from: 900, amount: 1000, wallet: 2 }));
    ok(send(700, 2, 4));
    expect(plain(ok(reverse(5, 900, 500)))).toBe(300n);
    expect(plain(chain.read(token, "get-debt", [who(2)]))).toBe(200n);
    expect(balance(4)).toBe(700n);
    expect(plain(ok(mint({ point: 5, from: 1800, amount: 150, wallet: 2 })))).toBe(0n);
    expect(plain(ok(mint({ point: 5, from: 2700, amount: 150, wallet: 2 })))).toBe(100n);
    expect(plain(chain.read(token, "get-debt", [who(2)]))).toBe(0n);
    expect(plain(chain.read(token, "get-issuance", [Cl.buffer(idOf(5, 900)), Cl.uint(0)]))).toMatchObject({ reversed: 500n });
  });
  it("u300 to u302, u309: by the oracle, of an issuance, at most all of it", () => {
    refused(reverse(5, 900, 1, 0, chain.wallet(2)), 300);
    refused(reverse(5, 900, 501), 302);
    refused(reverse(5, 900, 0), 302);
    refused(reverse(55, 900, 1), 309);
    refused(reverse(5, 900, 1, 9), 309);
    chain.pause(token);
    refused(reverse(5, 900, 1), 301);
    chain.resume(token);
  });
});

describe("retirement", () => {
  const retire = (wallet: number, amount: number, from = 0, to = 900) =>
    chain.call(token, "retire", [Cl.uint(amount), Cl.buffer(filled(2, 32)), Cl.uint(from), Cl.uint(to)], chain.wallet(wallet));
  it("burns the holder's own for a beneficiary and an interval", () => {
    expect(topics(retire(3, 100))).toEqual(["energy-retired"]);
    expect(plain(chain.read(token, "get-retired", [who(3)]))).toBe(100n);
    expect(balance(3)).toBe(300n);
  });
  it("u315: names the beneficiary by a hash", () => {
    for (const length of [0, 31]) refused(chain.call(token, "retire", [Cl.uint(1), Cl.buffer(filled(2, length)), Cl.uint(0), Cl.uint(1)], chain.wallet(3)), 315);
  });
  it("u301 to u303, u306: not paused, something, held, over some time that has passed", () => {
    refused(retire(3, 1, 0, chain.now() + 60), 306);
    refused(retire(3, 0), 302);
    refused(retire(3, 301), 303);
    refused(retire(3, 1, 900, 900), 306);
    chain.pause(token);
    refused(retire(3, 1), 301);
    chain.resume(token);
  });
});

describe("minting by epoch", () => {
  type Claim = { owner: number; point: number; from: number; to: number; wh: number };
  const all: Claim[] = [
    { owner: 1, point: 100, from: 900, to: 90_000, wh: 4000 }, { owner: 2, point: 101, from: 900, to: 90_000, wh: 5000 },
    { owner: 1, point: 100, from: 89_999, to: 99_000, wh: 1 }, { owner: 3, point: 103, from: 900, to: 1800, wh: 1 },
    { owner: 1, point: 1, from: 9_000, to: 99_000, wh: 1 }, { owner: 2, point: 101, from: 90_000, to: 99_000, wh: 2_000 },
    { owner: 1, point: 106, from: 900, to: 1800, wh: 0 },
  ];
  const leaf = (epoch: number, index: number, c: Claim) => {
    const value = Cl.tuple({ contract: Cl.principal(chain.contract(token)), epoch: Cl.uint(epoch), index: Cl.uint(index), owner: who(c.owner),
      "meter-point": Cl.uint(c.point), register: Cl.uint(EXPORT), from: Cl.uint(c.from), to: Cl.uint(c.to), wh: Cl.uint(c.wh) });
    return sha256(filled(0, 1), consensus(value));
  };
  const tree = (epoch = 1) => all.map((c, i) => leaf(epoch, i, c));
  const claim = (index: number, changes: Partial<Claim> = {}, at = index, epoch = 1, sender = chain.wallet(8)) => {
    const c = { ...all[index], ...changes };
    return chain.call(token, "claim", [Cl.uint(epoch), Cl.uint(at), who(c.owner), Cl.uint(c.point), Cl.uint(EXPORT), Cl.uint(c.from), Cl.uint(c.to),
      Cl.uint(c.wh), buffers(pathOf(index, tree()))], sender);
  };
  const post = (epoch: number, root = rootOf(tree()), size = all.length, total: number | bigint = 10_000, sender = chain.deployer) =>
    chain.call(token, "post-epoch", [Cl.uint(epoch), Cl.buffer(root), Cl.uint(size), Cl.uint(total)], sender);
  it("u300 to u302, u312: epochs are posted by the oracle, whole and in order", () => {
    refused(post(1, rootOf(tree()), 7, 10_000, chain.wallet(1)), 300);
    refused(post(2), 312);
    refused(post(1, filled(1, 31)), 312);
    refused(post(1, rootOf(tree()), 0), 302);
    refused(post(1, rootOf(tree()), 7, 0), 302);
    chain.pause(token);
    refused(post(1), 301);
    chain.resume(token);
    expect(topics(post(1))).toEqual(["epoch-posted"]);
    refused(post(1), 312);
  });
  it("pays each owner once, whoever brings the claim", () => {
    const before = balance(1);
    expect(topics(claim(0))).toEqual(["energy-claimed"]);
    expect(balance(1) - before).toBe(4000n);
    ok(claim(1));
    refused(claim(1), 311);
    expect(plain(chain.read(token, "get-epoch", [Cl.uint(1)]))).toMatchObject({ claimed: 9000n });
    expect(plain(chain.read(token, "get-claim", [Cl.uint(1), Cl.uint(1)]))).toBe(chain.wallet(2));
  });
  it("u302: nothing is 2^64 Wh", () => {
    refused(post(2, rootOf(tree()), 7, 1n << 64n), 302);
    refused(mint({ point: 9, from: 900, amount: 1n << 64n }), 302);
  });
  it("u309, u310: pays nothing that is not in the root", () => {
    refused(claim(0, {}, 0, 9), 309);
    for (const change of [{ owner: 2 }, { point: 101 }, { from: 0 }, { to: 90_001 }, { wh: 4001 }]) refused(claim(0, change), 310);
    refused(claim(0, {}, 1), 310);
  });
  it("u310: pays no more than the epoch's energy", () => {
    refused(claim(5), 310);
  });
  it("u301, u302, u306 to u308: below a watermark, by the other way, uncertified, nothing, or paused", () => {
    refused(claim(2), 306);
    refused(claim(3), 308);
    refused(claim(4), 307);
    refused(claim(6), 302);
    refused(mint({ point: 100, from: 90_000, amount: 1 }), 307);
    chain.pause(token);
    refused(claim(3), 301);
    chain.resume(token);
  });
});

describe("holds", () => {
  it("supply = minted - burned = sum of balances, whatever is done in whatever order", () => {
    let slot = 1;
    const amount = fc.integer({ min: 0, max: 3000 });
    const wallet = fc.constantFrom(1, 2, 3, 4);
    const act = fc.oneof(
      fc.record({ kind: fc.constant("mint"), wallet: fc.constantFrom(1, 2), amount, to: wallet }),
      fc.record({ kind: fc.constant("send"), wallet, amount, to: wallet }),
      fc.record({ kind: fc.constant("retire"), wallet, amount, to: wallet }),
      fc.record({ kind: fc.constant("reverse"), wallet, amount, to: wallet }));
    fc.assert(fc.property(fc.array(act, { maxLength: 12 }), (acts) => {
      for (const { kind, wallet: from, amount: wh, to } of acts) {
        if (kind === "mint") mint({ point: 500, from: 900 * ++slot, amount: wh, wallet: from });
        if (kind === "send") send(wh, from, to);
        if (kind === "retire") chain.call(token, "retire", [Cl.uint(wh), Cl.buffer(filled(1, 32)), Cl.uint(1), Cl.uint(2)], chain.wallet(from));
        if (kind === "reverse") reverse(500, 900 * slot, wh);
        const { minted, burned } = plain(chain.read(token, "get-totals"));
        const supply = plain(chain.read(token, "get-total-supply"));
        expect(supply).toBe(minted - burned);
        expect([1, 2, 3, 4].reduce((sum, index) => sum + balance(index), 0n)).toBe(supply);
      }
    }), { seed: 5, numRuns: 12 });
  });
});

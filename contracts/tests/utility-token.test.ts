import { Cl } from "@stacks/transactions";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { Chain, ok, plain, refused, topics } from "./support";

const TOKEN = "utility-token";
const MAX_SUPPLY = 10_000_000_000_000n;
let chain: Chain;
let rewarder: string, alice: string, bob: string;

beforeAll(async () => {
  chain = await Chain.wired();
  [rewarder, alice, bob] = [1, 2, 3].map((index) => chain.wallet(index));
  chain.grant("rewarder", rewarder);
  chain.grant("operator", rewarder);
});

const mint = (amount: bigint | number, to = alice, by = rewarder) =>
  chain.call(TOKEN, "mint", [Cl.uint(amount), Cl.principal(to)], by);
const move = (amount: bigint | number, from: string, to: string, by = from, memo: any = Cl.none()) =>
  chain.call(TOKEN, "transfer", [Cl.uint(amount), Cl.principal(from), Cl.principal(to), memo], by);
const burn = (amount: bigint | number, by: string) => chain.call(TOKEN, "burn", [Cl.uint(amount)], by);
const inside = (name: string, args: any[] = []) => plain(ok({ result: chain.read(TOKEN, name, args), events: [] }));
const balance = (who: string): bigint => inside("get-balance", [Cl.principal(who)]);
const supply = (): bigint => inside("get-total-supply");

describe("utility-token", () => {
  it("is a SIP-010 token of six decimals", () => {
    expect(inside("get-name")).toBe("Meterseal Utility");
    expect(inside("get-symbol")).toBe("MSU");
    expect(inside("get-decimals")).toBe(6n);
    ok(chain.call(TOKEN, "set-token-uri", [Cl.stringUtf8("https://example.org/utility.json")], rewarder));
    expect(Cl.prettyPrint(chain.read(TOKEN, "get-token-uri"))).toContain("utility.json");
  });
  it("is minted, moved with its memo and burned, and each says so once", () => {
    const before = supply();
    expect(topics(mint(1_000))).toEqual(["utility-minted"]);
    const moved = move(400, alice, bob, alice, Cl.some(Cl.bufferFromHex("cafe")));
    expect(topics(moved)).toEqual(["utility-moved"]);
    expect(topics(burn(100, bob))).toEqual(["utility-burned"]);
    expect(supply() - before).toBe(900n);
    expect(balance(bob)).toBe(300n);
  });
  it("u1450: nobody moves what is another's, mints or describes without the role", () => {
    refused(move(1, alice, bob, bob), 1450);
    refused(mint(1, alice, alice), 1450);
    refused(chain.call(TOKEN, "set-token-uri", [Cl.stringUtf8("x")], alice), 1450);
  });
  it("u1450: a middle contract called by a rewarder mints nothing", () => {
    const middle = chain.deploy("utility-middle", `
      (define-public (go) (contract-call? '${chain.contract(TOKEN)} mint u5 tx-sender))`, bob);
    refused(chain.call(middle, "go", [], rewarder), 1450);
  });
  it("u1450: a contract that was not called by the holder cannot move the holder's units", () => {
    const middle = chain.deploy("utility-thief", `
      (define-public (go) (contract-call? '${chain.contract(TOKEN)} transfer u1 '${alice} '${bob} none))`, bob);
    refused(chain.call(middle, "go", [], bob), 1450);
  });
  it("u1451: nothing is minted or moved while paused, and holders may still burn", () => {
    chain.pause(TOKEN);
    refused(mint(1), 1451);
    refused(move(1, alice, bob), 1451);
    ok(burn(1, alice));
    chain.resume(TOKEN);
  });
  it("u1452: zero is no amount", () => {
    refused(mint(0), 1452);
    refused(move(0, alice, bob), 1452);
    refused(burn(0, alice), 1452);
  });
  it("u1453: nobody moves or burns more than is there", () => {
    refused(move(balance(alice) + 1n, alice, bob), 1453);
    refused(burn((1n << 128n) - 1n, alice), 1453);
  });
  it("u1454: a transfer to oneself is refused", () => refused(move(1, alice, alice), 1454));
  it("u1455: the supply ends at its maximum", () => {
    refused(mint(MAX_SUPPLY), 1455);
    refused(mint((1n << 128n) - 1n), 1455);
  });
  it("u1456: a description has an address", () => {
    refused(chain.call(TOKEN, "set-token-uri", [Cl.stringUtf8("")], rewarder), 1456);
  });
  it("holds: the supply is what was minted less what was burned, and balances add up to it", () => {
    const who = [4, 5, 6].map((index) => chain.wallet(index));
    const model = new Map(who.map((one) => [one, balance(one)]));
    let made = supply();
    const step = fc.record({
      deed: fc.constantFrom("mint", "move", "burn"),
      amount: fc.bigInt(0n, 1_500n), from: fc.integer({ min: 0, max: 2 }), to: fc.integer({ min: 0, max: 2 }),
    });
    fc.assert(fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
      for (const { deed, amount, from, to } of steps) {
        const [a, b] = [who[from], who[to]], held = model.get(a)!;
        const answer = deed === "mint" ? mint(amount, a) : deed === "burn" ? burn(amount, a) : move(amount, a, b);
        const legal = amount > 0n && (deed === "mint" || (held >= amount && (deed === "burn" || a !== b)));
        expect(answer.result.type).toBe(legal ? "ok" : "err");
        if (!legal) continue;
        model.set(a, deed === "mint" ? held + amount : held - amount);
        if (deed === "move") model.set(b, model.get(b)! + amount);
        made += deed === "mint" ? amount : deed === "burn" ? -amount : 0n;
      }
      expect(supply()).toBe(made);
      for (const one of who) expect(balance(one)).toBe(model.get(one));
    }), { seed: 5, numRuns: 12 });
  });
});

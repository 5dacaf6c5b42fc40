// What a contract holds is what it owes, whatever is done in whatever order: random deeds of
// several people, and after each the sums again. Seeds are fixed; a failure names its deeds.
// (The tokens' supplies and the escrow have theirs beside their other tests.)
import fc from "fast-check";
import { Cl, type ClarityValue } from "@stacks/transactions";
import { beforeAll, describe, expect, it } from "vitest";
import { set } from "./street";
import { Chain, filled, ok, plain, wait } from "./support";
import { mint, world } from "./world";

let chain: Chain;
const stx = (room: string): bigint => chain.simnet.getAssetsMap().get("STX")?.get(chain.contract(room)) ?? 0n;
const read = (room: string, name: string, args: ClarityValue[] = []) => plain(chain.read(room, name, args));
const who = (wallet: number) => Cl.principal(chain.wallet(wallet));
const sum = (values: bigint[]) => values.reduce((all, one) => all + one, 0n);
/** How many deeds of each kind went through: a model that does nothing proves nothing. */
const done = new Map<string, number>();
function deed(room: string, name: string, args: ClarityValue[], wallet: number): void {
  const answer = chain.call(room, name, args, wallet ? chain.wallet(wallet) : chain.deployer);
  if (answer.result.type === "ok") done.set(name, (done.get(name) ?? 0) + 1);
}
const worked = (...names: string[]) => { for (const name of names) expect(done.get(name) ?? 0, name).toBeGreaterThan(1); };
const deeds = <T>(arbitrary: fc.Arbitrary<T>, each: (one: T) => void, runs: number, seed: number) =>
  fc.assert(fc.property(fc.array(arbitrary, { minLength: 8, maxLength: 24 }), (all) => all.forEach(each)), { seed, numRuns: runs, endOnFailure: true });

beforeAll(async () => {
  chain = await world();
  for (const [role, wallet] of [["court", 7], ["arbiter", 7], ["arbiter", 8]] as const) chain.grant(role, chain.wallet(wallet));
  chain.grant("rewarder", chain.deployer);
  for (const [name, value] of [["stake-cool-down", 1_200], ["dispute-voting", 2_400], ["appeal-window", 2_400], ["voting-period", 1_200]] as const) ok(set(chain, name, value));
  wait(chain, 600);
});

describe("conserved", () => {
  it("stakes: the contract holds what is staked and what is leaving, to the last unit", () => {
    const one = fc.record({ kind: fc.constantFrom("stake", "stake", "request-unstake", "unstake", "slash", "wait"),
      wallet: fc.constantFrom(1, 2, 3), amount: fc.integer({ min: 0, max: 3_000 }), to: fc.constantFrom(1, 4) });
    deeds(one, ({ kind, wallet, amount, to }) => {
      if (kind === "wait") wait(chain, 1_200);
      else if (kind === "slash") deed("reputation", kind, [who(wallet), Cl.uint(amount), who(to)], 7);
      else deed("reputation", kind, kind === "unstake" ? [] : [Cl.uint(amount)], wallet);
      const stakes = [1, 2, 3].map((index) => read("reputation", "get-stake", [who(index)]));
      const owed = sum(stakes.map((stake) => stake.staked + stake.leaving));
      expect([read("reputation", "get-total-staked"), stx("reputation")]).toEqual([owed, owed]);
    }, 12, 7);
    worked("stake", "request-unstake", "unstake", "slash");
  });
  it("bonds: the contract holds those of the disputes that are not final, and a final one owes nothing", () => {
    const trade = () => {
      const from = chain.now() + 90_000;
      const offer = plain(ok(chain.call("marketplace", "list-offer", [Cl.uint(200_000), Cl.uint(100), Cl.uint(from), Cl.uint(from + 900), Cl.none()], chain.wallet(1))));
      return plain(ok(chain.call("trade-escrow", "open-trade", [Cl.uint(offer), Cl.uint(100), Cl.uint(10n ** 9n), Cl.none()], chain.wallet(3))));
    };
    const one = fc.record({ kind: fc.constantFrom("open-dispute", "vote", "arbiters", "resolve", "appeal", "appeal", "finalise", "finalise", "wait"),
      pick: fc.nat(1), wallet: fc.constantFrom(1, 2, 3, 4, 7, 8), yes: fc.boolean(), bond: fc.integer({ min: 999_999, max: 1_500_000 }) });
    deeds(one, ({ kind, pick, wallet, yes, bond }) => {
      const count = read("dispute-resolution", "get-dispute-count");
      const number = Cl.uint(count > BigInt(pick) ? count - BigInt(pick) : 1n);
      if (kind === "wait") wait(chain, 1_200);
      if (kind === "open-dispute") deed("dispute-resolution", kind, [Cl.uint(1), Cl.uint(trade()), Cl.uint(50), Cl.buffer(filled(1, 32)), Cl.uint(bond)], yes ? 1 : 3);
      if (kind === "vote") deed("dispute-resolution", kind, [number, Cl.bool(yes)], wallet);
      if (kind === "arbiters" || kind === "appeal") {
        for (const arbiter of [7, 8]) deed("dispute-resolution", "vote", [number, Cl.bool(yes)], arbiter);
        wait(chain, 2_400);
        deed("dispute-resolution", "resolve", [number], 5);
      }
      if (kind === "appeal") for (const party of [1, 3]) deed("dispute-resolution", kind, [number, Cl.uint(bond)], party);
      if (kind === "resolve" || kind === "finalise") deed("dispute-resolution", kind, [number], 5);
      const all = Array.from({ length: Number(read("dispute-resolution", "get-dispute-count")) }, (_, i) => read("dispute-resolution", "get-dispute", [Cl.uint(i + 1)]));
      expect(stx("dispute-resolution")).toBe(sum(all.map((dispute) => dispute.bonds)));
      for (const dispute of all) expect(dispute.bonds > 0n).toBe(dispute.state !== 3n);
    }, 14, 8);
    worked("open-dispute", "vote", "resolve", "appeal", "finalise");
  });
  it("minted energy for sale: units held = units for sale = the reserve, and money held = what refunds are paid from", () => {
    for (const wallet of [1, 2]) mint(chain, wallet, 40_000);
    const one = fc.record({ kind: fc.constantFrom("add-energy-for-sale", "remove-energy-from-sale", "buy-energy-from-user", "buy-energy-from-user", "refund-energy", "fund-refunds", "withdraw-commission"),
      wallet: fc.constantFrom(1, 2, 3, 4), seller: fc.constantFrom(1, 2, 0), amount: fc.integer({ min: 0, max: 3_000 }) });
    const itself = () => Cl.principal(chain.contract("marketplace"));
    deeds(one, ({ kind, wallet, seller, amount }) => {
      if (kind === "buy-energy-from-user") deed("marketplace", kind, [seller ? who(seller) : itself(), Cl.uint(amount), Cl.uint(10n ** 12n)], wallet);
      else if (kind === "withdraw-commission") deed("marketplace", kind, [Cl.uint(amount), who(4)], 0);
      else deed("marketplace", kind, [Cl.uint(kind === "fund-refunds" ? amount * 10 : amount)], wallet);
      const forSale = sum([...[1, 2, 3, 4].map(who), itself()].map((seller) => read("marketplace", "get-energy-for-sale", [seller])));
      expect([read("energy-token", "get-balance", [itself()]), read("marketplace", "get-reserve")]).toEqual([forSale, forSale]);
      expect(stx("marketplace")).toBe(read("marketplace", "get-funds"));
    }, 12, 9);
    worked("add-energy-for-sale", "remove-energy-from-sale", "buy-energy-from-user", "refund-energy", "fund-refunds", "withdraw-commission");
  });
  it("votes: governance holds the tokens that are locked, and gives back all of them", () => {
    for (const wallet of [1, 2, 3]) ok(chain.call("utility-token", "mint", [Cl.uint(50_000), who(wallet)]));
    const one = fc.record({ kind: fc.constantFrom("propose", "vote", "vote", "vote", "unlock", "unlock", "withdraw-proposal", "wait"),
      pick: fc.nat(2), wallet: fc.constantFrom(1, 2, 3), weight: fc.integer({ min: 0, max: 900 }), mode: fc.constantFrom(1, 1, 2) });
    done.delete("vote");
    deeds(one, ({ kind, pick, wallet, weight, mode }) => {
      const count = read("governance", "get-proposal-count"), number = Cl.uint(count > BigInt(pick) ? count - BigInt(pick) : 1n);
      if (kind === "wait") wait(chain, 1_200);
      if (kind === "propose") deed("governance", kind, [Cl.uint(1), Cl.uint(mode), Cl.buffer(filled(1, 32)), Cl.stringAscii("x"), Cl.uint(1), Cl.none()], wallet);
      if (kind === "vote") deed("governance", kind, [number, Cl.bool(true), Cl.uint(weight)], wallet);
      if (kind === "unlock" || kind === "withdraw-proposal") deed("governance", kind, [number], wallet);
      const locked = read("governance", "get-locked");
      expect(read("utility-token", "get-balance", [Cl.principal(chain.contract("governance"))])).toBe(locked);
      expect(sum([1, 2, 3].map((index) => read("utility-token", "get-balance", [who(index)]))) + locked).toBe(read("utility-token", "get-total-supply"));
    }, 10, 10);
    worked("propose", "vote", "unlock", "withdraw-proposal");
    wait(chain, 2_400);
    for (let number = 1n; number <= read("governance", "get-proposal-count"); number++)
      for (const wallet of [1, 2, 3]) deed("governance", "unlock", [Cl.uint(number)], wallet);
    expect(read("governance", "get-locked")).toBe(0n);
  });
});

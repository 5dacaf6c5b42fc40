import { Cl } from "@stacks/transactions";
import { beforeAll, describe, expect, it } from "vitest";
import { DAY } from "./sealed";
import { Chain, ok, plain, refused, topics, wait } from "./support";
import { mint, world } from "./world";

let chain: Chain;
const room = "marketplace";
const who = (wallet: number) => Cl.principal(chain.wallet(wallet));
const call = (name: string, args: any[], wallet = 0) => chain.call(room, name, args, wallet ? chain.wallet(wallet) : chain.deployer);
const read = (name: string, args: any[] = []) => plain(chain.read(room, name, args));
const offer = (wallet = 1, price: number | bigint = 200_000, quantity = 5000, from = chain.now() + DAY, to = from + 3600) =>
  call("list-offer", [Cl.uint(price), Cl.uint(quantity), Cl.uint(from), Cl.uint(to), Cl.none()], wallet);
const stx = (address: string): bigint => chain.simnet.getAssetsMap().get("STX")?.get(address) ?? 0n;
const take = (number: number, quantity: number, buyer = 3, wallet = 8) => call("take-offer", [Cl.uint(number), Cl.uint(quantity), who(buyer)], wallet);

beforeAll(async () => {
  chain = await world();
  chain.grant("escrow", chain.wallet(8));
  mint(chain, 1, 50_000);
  mint(chain, 2, 50_000);
});

describe("offers", () => {
  it("are listed, browsed by page, updated and cancelled by their seller", () => {
    expect(topics(offer())).toEqual(["offer-listed"]);
    expect(read("get-offer-details", [Cl.uint(0)])).toMatchObject({ seller: chain.wallet(1), quantity: 5000n, open: true });
    ok(call("update-offer", [Cl.uint(0), Cl.uint(250_000), Cl.uint(4000)], 1));
    expect(read("get-offer-details", [Cl.uint(0)])).toMatchObject({ "price-micro-per-kwh": 250_000n, quantity: 4000n });
    for (let i = 0; i < 11; i++) ok(offer(2));
    expect(read("get-offer-count")).toBe(12n);
    expect(read("browse-offers", [Cl.uint(0)])).toHaveLength(10);
    expect(read("browse-offers", [Cl.uint(10)])).toHaveLength(2);
    ok(call("cancel-offer", [Cl.uint(11)], 2));
    expect(read("get-offer-details", [Cl.uint(11)])).toMatchObject({ open: false });
  });
  it("u502 to u505: come from certified producers, at a price, of something, in time", () => {
    refused(offer(3), 502);
    for (const price of [0, 999, 1_000_001_000n, (1n << 128n) - 1n]) refused(offer(1, price), 503);
    refused(offer(1, 1000, 0), 504);
    refused(offer(1, 1000, 1, chain.now() - 60), 505);
    refused(offer(1, 1000, 1, chain.now() + DAY, chain.now() + DAY), 505);
  });
  it("u500, u503 to u506: are changed by nobody else, validly, and while open", () => {
    refused(call("update-offer", [Cl.uint(0), Cl.uint(1000), Cl.uint(1)], 2), 500);
    refused(call("update-offer", [Cl.uint(0), Cl.uint(1), Cl.uint(1)], 1), 503);
    refused(call("update-offer", [Cl.uint(0), Cl.uint(1000), Cl.uint(0)], 1), 504);
    refused(call("update-offer", [Cl.uint(11), Cl.uint(1000), Cl.uint(1)], 2), 506);
    refused(call("cancel-offer", [Cl.uint(0)], 2), 500);
    refused(call("cancel-offer", [Cl.uint(11)], 2), 506);
    refused(call("cancel-offer", [Cl.uint(99)], 2), 506);
    ok(offer(1, 1000, 1, chain.now() + 300));
    const late = Number(read("get-offer-count")) - 1;
    wait(chain, 600);
    refused(call("update-offer", [Cl.uint(late), Cl.uint(1000), Cl.uint(1)], 1), 505);
    refused(take(late, 1), 505);
  });
  it("are taken and given back by the escrow", () => {
    expect(topics(take(0, 1500))).toEqual(["offer-taken"]);
    expect(read("get-offer-details", [Cl.uint(0)])).toMatchObject({ quantity: 2500n });
    expect(topics(call("return-offer", [Cl.uint(0), Cl.uint(1500)], 8))).toEqual(["offer-returned"]);
    expect(read("get-offer-details", [Cl.uint(0)])).toMatchObject({ quantity: 4000n });
  });
  it("u500, u504, u506 to u508: not by others, not too much, not by the seller, not for strangers", () => {
    refused(take(0, 1, 3, 3), 500);
    refused(take(0, 0), 504);
    refused(take(0, 4001), 504);
    refused(take(11, 1), 506);
    refused(take(0, 1, 1), 507);
    refused(take(0, 1, 5), 508);
    refused(call("return-offer", [Cl.uint(0), Cl.uint(1)], 3), 500);
    refused(call("return-offer", [Cl.uint(99), Cl.uint(1)], 8), 506);
    refused(call("return-offer", [Cl.uint(0), Cl.uint((1n << 40n) + 1n)], 8), 504);
  });
  it("u501: wait while paused, except to be withdrawn", () => {
    ok(offer(1));
    const last = Number(read("get-offer-count")) - 1;
    chain.pause(room);
    refused(offer(), 501);
    refused(call("update-offer", [Cl.uint(0), Cl.uint(1000), Cl.uint(1)], 1), 501);
    refused(take(0, 1), 501);
    ok(call("cancel-offer", [Cl.uint(last)], 1));
    chain.resume(room);
  });
});

describe("minted energy", () => {
  const buy = (seller: string, amount: number, most = 10n ** 12n, wallet = 3) =>
    call("buy-energy-from-user", [Cl.principal(seller), Cl.uint(amount), Cl.uint(most)], wallet);
  const energy = (address: string): bigint => plain(chain.read("energy-token", "get-balance", [Cl.principal(address)]));
  const consistent = () => expect(energy(chain.contract(room))).toBe(read("get-reserve"));
  it("waits here, is sold for STX with commission, and what is left goes back", () => {
    ok(call("add-energy-for-sale", [Cl.uint(10_000)], 1));
    consistent();
    const [seller, buyer] = [stx(chain.wallet(1)), stx(chain.wallet(3))];
    expect(read("get-cost", [Cl.uint(4000)])).toBe(400_000n);
    expect(plain(ok(buy(chain.wallet(1), 4000)))).toBe(408_000n);
    expect(stx(chain.wallet(1)) - seller).toBe(400_000n);
    expect(buyer - stx(chain.wallet(3))).toBe(408_000n);
    expect(energy(chain.wallet(3))).toBe(4000n);
    expect(read("get-funds")).toBe(8_000n);
    ok(call("remove-energy-from-sale", [Cl.uint(1000)], 1));
    expect(read("get-energy-for-sale", [who(1)])).toBe(5000n);
    consistent();
  });
  it("u501, u502, u504, u509, u511: is put up by certified producers who hold it, within the limits", () => {
    refused(call("add-energy-for-sale", [Cl.uint(1)], 3), 502);
    refused(call("add-energy-for-sale", [Cl.uint(0)], 1), 504);
    refused(call("add-energy-for-sale", [Cl.uint(60_000)], 1), 511);
    ok(call("set-user-limit", [Cl.uint(6000)]));
    refused(call("add-energy-for-sale", [Cl.uint(1001)], 1), 509);
    ok(call("set-user-limit", [Cl.uint(100_000)]));
    ok(call("set-reserve-limit", [Cl.uint(6000)]));
    refused(call("add-energy-for-sale", [Cl.uint(1001)], 2), 509);
    ok(call("set-reserve-limit", [Cl.uint(1_000_000)]));
    chain.pause(room);
    refused(call("add-energy-for-sale", [Cl.uint(1)], 1), 501);
    chain.resume(room);
    consistent();
  });
  it("u504, u511: comes back as far as it is there, also while paused, but not while its token is", () => {
    refused(call("remove-energy-from-sale", [Cl.uint(0)], 1), 504);
    refused(call("remove-energy-from-sale", [Cl.uint(5001)], 1), 504);
    chain.pause("energy-token");
    refused(call("remove-energy-from-sale", [Cl.uint(1)], 1), 511);
    chain.resume("energy-token");
    chain.pause(room);
    ok(call("remove-energy-from-sale", [Cl.uint(1)], 1));
    chain.resume(room);
    consistent();
  });
  it("u501, u503, u504, u507, u508, u511: is bought by verified others, as much as there is, at their price", () => {
    refused(buy(chain.wallet(1), 1000, 101_999n), 503);
    refused(buy(chain.wallet(1), 0), 504);
    refused(buy(chain.wallet(1), 5000), 504);
    refused(buy(chain.wallet(1), 1, 10n ** 12n, 1), 507);
    refused(buy(chain.wallet(1), 1, 10n ** 12n, 5), 508);
    ok(call("set-energy-price", [Cl.uint(1_000_000_000)]));
    const rich = stx(chain.wallet(4));
    ok(chain.simnet.transferSTX(rich - 1000n, chain.wallet(8), chain.wallet(4)) as any);
    refused(buy(chain.wallet(1), 1000, 10n ** 12n, 4), 511);
    ok(call("set-energy-price", [Cl.uint(100_000)]));
    chain.pause(room);
    refused(buy(chain.wallet(1), 1), 501);
    chain.resume(room);
  });
  it("u511: is not bought with the money of whom a middle contract was called by", () => {
    const middle = chain.deploy("market-middle", `(define-public (go) (contract-call? '${chain.contract(room)} buy-energy-from-user '${chain.wallet(1)} u1000 u1000000))`);
    refused(chain.call(middle, "go", [], chain.wallet(3)), 508);
  });
  it("is refunded at the refund rate out of commissions, and for sale again by the house", () => {
    refused(call("refund-energy", [Cl.uint(2000)], 3), 513);
    ok(call("fund-refunds", [Cl.uint(1_000_000)], 2));
    const before = stx(chain.wallet(3));
    expect(plain(ok(call("refund-energy", [Cl.uint(1000)], 3)))).toBe(90_000n);
    expect(stx(chain.wallet(3)) - before).toBe(90_000n);
    expect(read("get-energy-bought", [who(3)])).toBe(3000n);
    consistent();
    const funds = read("get-funds");
    ok(buy(chain.contract(room), 1000, 10n ** 12n, 2));
    expect(read("get-funds") - funds).toBe(102_000n);
    consistent();
    expect(stx(chain.contract(room))).toBe(read("get-funds"));
  });
  it("u501, u504, u511, u512: is refunded to who bought it, and holds it still", () => {
    refused(call("refund-energy", [Cl.uint(0)], 3), 504);
    refused(call("refund-energy", [Cl.uint(3001)], 3), 512);
    ok(chain.call("energy-token", "transfer", [Cl.uint(3000), who(3), who(4), Cl.none()], chain.wallet(3)));
    refused(call("refund-energy", [Cl.uint(1)], 3), 511);
    chain.pause(room);
    refused(call("refund-energy", [Cl.uint(1)], 3), 501);
    chain.resume(room);
  });
  it("u500, u504, u511, u513: commissions go out by the admin, as far as they are there", () => {
    refused(call("fund-refunds", [Cl.uint(0)], 2), 504);
    refused(call("fund-refunds", [Cl.uint(1n << 64n)], 2), 504);
    refused(call("fund-refunds", [Cl.uint(10n ** 18n)], 2), 511);
    refused(call("withdraw-commission", [Cl.uint(1), who(1)], 1), 500);
    refused(call("withdraw-commission", [Cl.uint(0), who(1)]), 504);
    refused(call("withdraw-commission", [Cl.uint(read("get-funds") + 1n), who(1)]), 513);
    refused(call("withdraw-commission", [Cl.uint(1), Cl.principal(chain.contract(room))]), 511);
    ok(call("withdraw-commission", [Cl.uint(read("get-funds")), who(1)]));
    expect(stx(chain.contract(room))).toBe(0n);
    ok(buy(chain.wallet(1), 1000));
    refused(call("refund-energy", [Cl.uint(1000)], 3), 513);
  });
});

describe("settings", () => {
  it("are the operator's and governance's, within bounds", () => {
    const settings: [string, string, number, number][] = [
      ["set-energy-price", "get-energy-price", 120_000, 503], ["set-commission-rate", "get-commission-rate", 300, 510],
      ["set-refund-rate", "get-refund-rate", 8000, 510], ["set-reserve-limit", "get-reserve-limit", 900_000, 509], ["set-user-limit", "get-user-limit", 90_000, 504]];
    const wrong: Record<string, number> = { "set-energy-price": 1, "set-commission-rate": 2001, "set-refund-rate": 10_001, "set-reserve-limit": 1, "set-user-limit": 0 };
    for (const [set, get, value, code] of settings) {
      refused(call(set, [Cl.uint(value)], 1), 500);
      refused(call(set, [Cl.uint(wrong[set])]), code);
      ok(call(set, [Cl.uint(value)]));
      expect(read(get)).toBe(BigInt(value));
    }
  });
});

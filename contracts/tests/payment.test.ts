import { Cl, type ClarityValue } from "@stacks/transactions";
import { beforeAll, describe, expect, it } from "vitest";
import { DAY } from "./sealed";
import { Log, Meter, anchor, request, set, street } from "./street";
import { Chain, filled, ok, plain, refused, topics, wait } from "./support";

const STX = Cl.none();
const COIN = `
(define-fungible-token coin)
(define-public (transfer (amount uint) (sender principal) (recipient principal) (memo (optional (buff 34))))
  (begin (asserts! (is-eq sender tx-sender) (err u1)) (ft-transfer? coin amount sender recipient)))
(define-public (mint (amount uint) (to principal)) (ft-mint? coin amount to))
(define-read-only (get-balance (who principal)) (ok (ft-get-balance coin who)))`;
let chain: Chain, log: Log, meter: Meter;
let owner: string, provider: string, friend: string, court: string, coin: string, other: string;
let begins: number, next = 0;

const coinArg = (of = coin) => Cl.some(Cl.principal(of));
const pay = (id: number, amount: bigint | number, asset: ClarityValue = STX, by = owner) =>
  chain.call("payment", "pay-bill", [Cl.uint(id), Cl.uint(amount), asset], by);
const quote = (id: number, asset: ClarityValue, price: number, expires: number, by = provider) =>
  chain.call("payment", "quote-bill", [Cl.uint(id), asset, Cl.uint(price), Cl.uint(expires)], by);
const quoted = (id: number, most: number, asset: ClarityValue, by = owner) =>
  chain.call("payment", "pay-quoted", [Cl.uint(id), Cl.uint(most), asset], by);
const refund = (id: number, asset: ClarityValue = STX, by = provider) =>
  chain.call("payment", "refund-excess", [Cl.uint(id), asset], by);
const allow = (of: string, on: boolean, by = chain.deployer) => chain.call("payment", "allow-asset", [Cl.principal(of), Cl.bool(on)], by);
const left = (id: number): bigint => plain(chain.read("payment", "get-outstanding", [Cl.uint(id)]));
const earned = (id: number): bigint => plain(chain.read("payment", "get-reward", [Cl.uint(id)]));
const stx = (who: string): bigint => chain.simnet.getAssetsMap().get("STX")!.get(who)!;
const arrears = () => Cl.prettyPrint(chain.read("payment", "get-arrears", [Cl.principal(owner), Cl.uint(0)]));
const correct = (id: number, amount: number) => ok(chain.call("billing", "correct-bill", [Cl.uint(id), Cl.uint(1), Cl.uint(amount)], court));
const hold = (id: number, held: boolean) => ok(chain.call("billing", "hold-bill", [Cl.uint(id), Cl.bool(held)], court));
const tariffs: Record<string, Uint8Array> = {};
const told: any[] = [];

/** A bill of 1,000,000 over the next day, answered by its number. */
function bill(tariff = tariffs.stx): number {
  const made = chain.call("billing", "calculate-bills", [Cl.list([request(tariff, meter, [told[next++]], 1_000_000n)])], owner);
  return Number((plain(ok(made)) as bigint[])[0]);
}

beforeAll(async () => {
  ({ chain, log } = await street());
  [owner, provider, friend, court] = [1, 2, 3, 4].map((index) => chain.wallet(index));
  chain.call("roles", "grant", [Cl.stringAscii("rewarder"), Cl.principal(chain.contract("payment"))]);
  chain.grant("court", court);
  coin = chain.deploy("coin", COIN);
  other = chain.deploy("other-coin", COIN);
  ok(chain.call(coin, "mint", [Cl.uint(50_000_000), Cl.principal(owner)]));
  ok(chain.call("user-registry", "register-provider", [Cl.buffer(filled(5, 32))], provider));
  ok(chain.call("user-registry", "verify-user", [Cl.principal(provider), Cl.bool(true)]));
  meter = await Meter.bound(chain, log, 0x41, owner);
  begins = (Math.floor(chain.now() / DAY) + 1) * DAY;
  for (const [name, asset] of [["stx", STX], ["coin", coinArg()]] as [string, ClarityValue][]) {
    const posted = chain.call("billing", "post-tariff", [Cl.uint(0),
      Cl.list([Cl.tuple({ upto: Cl.uint(281474976710656n), price: Cl.uint(1_000_000) })]), Cl.uint(0), asset, Cl.uint(5 * DAY), Cl.uint(begins)], provider);
    tariffs[name] = Buffer.from((ok(posted) as any).value, "hex");
  }
  ok(set(chain, "correction-window", 600));
  wait(chain, 600);
  for (let i = 0; i < 16; i++) told.push(meter.day(begins + i * DAY, 1_000n));
  ok(anchor(chain, log));
  for (const day of told) ok(meter.submit(day));
  wait(chain, 1_200);
});

describe("payment", () => {
  it("in STX and in parts reaches the provider, and paying in time earns utility tokens once", () => {
    const id = bill(), before = stx(provider);
    expect(plain(ok(pay(id, 400_000)))).toBe(600_000n);
    expect(earned(id)).toBe(0n);
    const rest = pay(id, 600_000, STX, friend);
    expect(topics(rest)).toEqual(["bill-paid", "utility-minted", "payment-rewarded"]);
    expect(stx(provider) - before).toBe(1_000_000n);
    expect(earned(id)).toBe(10_000n);
    expect(Cl.prettyPrint(chain.read("utility-token", "get-balance", [Cl.principal(owner)]))).toBe("(ok u10000)");
    expect(left(id)).toBe(0n);
  });
  it("in an allow-listed token reaches the provider; u1404 for any other asset", () => {
    const id = bill(tariffs.coin);
    refused(pay(id, 1_000_000, coinArg()), 1404);
    ok(allow(coin, true));
    refused(pay(id, 1_000_000, STX), 1404);
    refused(pay(id, 1_000_000, coinArg(other)), 1404);
    ok(pay(id, 1_000_000, coinArg()));
    expect(Cl.prettyPrint(chain.read(coin, "get-balance", [Cl.principal(provider)]))).toBe("(ok u1000000)");
    expect(earned(id)).toBe(10_000n);
  });
  it("u1400: assets are the admin's to allow", () => refused(allow(other, true, provider), 1400));
  it("u1402: there must be a bill", () => {
    refused(pay(999, 1), 1402);
    refused(quote(999, coinArg(), 1, 9_999_999_999), 1402);
    refused(quoted(999, 1, coinArg()), 1402);
    refused(refund(999), 1402);
  });
  it("u1405: zero, and more than is asked, is no amount", () => {
    const id = bill();
    for (const amount of [0, 1_000_001, (1n << 128n) - 1n]) refused(pay(id, amount), 1405);
    ok(pay(id, 1_000_000));
    refused(pay(id, 1), 1405);
    refused(quote(id, coinArg(), 5, 9_999_999_999), 1405);
    refused(refund(id), 1405);
  });
  it("u1406: money that is not there is not moved, and nothing is credited", () => {
    const id = bill(tariffs.coin);
    refused(pay(id, 1_000, coinArg(), friend), 1406);
    expect(left(id)).toBe(1_000_000n);
    const mine = bill();
    refused(pay(mine, 1_000, STX, provider), 1406);
  });
  it("u1406: a middle contract that a payer calls cannot spend the payer's STX", () => {
    const id = bill(), middle = chain.deploy("payment-middle", `
      (define-public (go (id uint)) (contract-call? '${chain.contract("payment")} pay-bill id u5 none))`, friend);
    refused(chain.call(middle, "go", [Cl.uint(id)], owner), 1406);
  });
  it("u1404: a token that only claims to transfer pays nothing until somebody allows it", () => {
    const trap = chain.deploy("trap-coin", `
      (define-constant payment '${chain.contract("payment")})
      (define-public (transfer (amount uint) (sender principal) (recipient principal) (memo (optional (buff 34)))) (ok true))
      (define-read-only (get-balance (who principal)) (ok u0))`);
    const id = bill();
    refused(pay(id, 1_000_000, coinArg(trap)), 1404);
    expect(left(id)).toBe(1_000_000n);
  });
  it("u1403: a held bill takes no money, and its time to pay is prolonged by what it was held", () => {
    const id = bill(), due = () => BigInt((chain.read("billing", "get-bill", [Cl.uint(id)]) as any).value.value["due-at"].value), before = due();
    hold(id, true);
    refused(pay(id, 1), 1403);
    refused(quote(id, coinArg(), 1, 9_999_999_999), 1403);
    refused(quoted(id, 1, coinArg()), 1403);
    wait(chain, 3 * 3_600);
    hold(id, false);
    expect(due() - before).toBeGreaterThanOrEqual(3n * 3_600n);
    ok(pay(id, 1_000_000));
  });
  it("u1401: nothing is paid or quoted while paused; excess still goes back", () => {
    const id = bill();
    ok(pay(id, 900_000));
    correct(id, 700_000);
    expect(plain(chain.read("payment", "get-excess", [Cl.uint(id)]))).toBe(200_000n);
    chain.pause("payment");
    refused(pay(id, 1), 1401);
    refused(quote(id, coinArg(), 1, 9_999_999_999), 1401);
    refused(quoted(id, 1, coinArg()), 1401);
    refused(refund(id, STX, friend), 1400);
    refused(refund(id, coinArg()), 1404);
    const before = stx(owner);
    expect(plain(ok(refund(id)))).toBe(200_000n);
    expect(stx(owner) - before).toBe(200_000n);
    refused(refund(id), 1405);
    chain.resume("payment");
    expect(left(id)).toBe(0n);
  });
  it("u1406: a provider who cannot give back is told so", () => {
    const id = bill(tariffs.coin);
    ok(pay(id, 900_000, coinArg()));
    correct(id, 100_000);
    ok(chain.call(coin, "transfer", [Cl.uint(1_900_000), Cl.principal(provider), Cl.principal(friend), Cl.none()], provider));
    refused(refund(id, coinArg()), 1406);
  });
  it("at a quote, another asset pays the whole rest; u1400, u1404, u1405, u1407", () => {
    const id = bill(), soon = chain.now() + 7_200;
    refused(quoted(id, 9, coinArg()), 1407);
    refused(quote(id, coinArg(), 250_000, soon, owner), 1400);
    refused(quote(id, STX, 250_000, soon), 1404);
    refused(quote(id, coinArg(other), 250_000, soon), 1404);
    refused(quote(id, coinArg(), 0, soon), 1405);
    expect(topics(quote(id, coinArg(), 250_000, soon))).toEqual(["bill-quoted"]);
    refused(quoted(id, 249_999, coinArg()), 1405);
    ok(pay(id, 1));
    refused(quoted(id, 250_000, coinArg()), 1407);
    ok(quote(id, coinArg(), 250_000, soon));
    refused(quoted(id, 250_000, coinArg(), provider), 1406);
    expect(topics(quoted(id, 250_000, coinArg()))).toEqual(["bill-paid-at-quote", "utility-minted", "payment-rewarded"]);
    expect(left(id)).toBe(0n);
    const late = bill();
    ok(quote(late, coinArg(), 250_000, chain.now()));
    wait(chain, 600);
    refused(quoted(late, 250_000, coinArg()), 1407);
  });
  it("a reward has a rate and an end, and its failing stops no payment", () => {
    const reward = (amount: bigint): bigint => plain(chain.read("payment", "reward-of", [Cl.uint(amount)]));
    expect(reward(1n << 60n)).toBe(100_000_000n);
    ok(set(chain, "reward-rate", 10_000));
    wait(chain, 600);
    expect(reward(1_000_000n)).toBe(100_000n);
    const id = bill();
    chain.pause("utility-token");
    ok(pay(id, 1_000_000));
    chain.resume("utility-token");
    expect(earned(id)).toBe(0n);
  });
  it("late payers are in arrears, pay all the same and earn nothing", () => {
    const id = bill();
    expect(arrears()).toContain("overdue: u0");
    wait(chain, 6 * DAY);
    expect(arrears()).not.toContain("overdue: u0");
    ok(pay(id, 1_000_000));
    expect(earned(id)).toBe(0n);
  });
});

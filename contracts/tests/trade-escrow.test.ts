import fc from "fast-check";
import { type ClarityValue, Cl } from "@stacks/transactions";
import { beforeAll, describe, expect, it } from "vitest";
import { DAY } from "./sealed";
import { Chain, filled, ok, plain, refused, topics, wait } from "./support";
import { world } from "./world";

let chain: Chain;
let coin: string;
const room = "trade-escrow";
const none = Cl.none();
const call = (name: string, args: ClarityValue[], wallet = 0) => chain.call(room, name, args, wallet ? chain.wallet(wallet) : chain.deployer);
const trade = (number: number) => plain(chain.read(room, "get-trade", [Cl.uint(number)]));
const stx = (address: string): bigint => chain.simnet.getAssetsMap().get("STX")?.get(address) ?? 0n;
const held = (asset: ClarityValue = none): bigint => plain(chain.read(room, "get-held", [asset]));
const paying = () => Cl.some(Cl.principal(coin));
const TOP = 10n ** 15n;
/** A stablecoin of the test's own, which everybody may mint. */
const COIN = `
(define-fungible-token coin)
(define-public (transfer (amount uint) (sender principal) (recipient principal) (memo (optional (buff 34))))
  (begin (asserts! (or (is-eq sender tx-sender) (is-eq sender contract-caller)) (err u1)) (ft-transfer? coin amount sender recipient)))
(define-read-only (get-balance (who principal)) (ok (ft-get-balance coin who)))
(define-public (mint (amount uint) (to principal)) (ft-mint? coin amount to))`;

/** List an offer that begins in an hour, by wallet 1, and give its number. */
function offer(price = 200_000, quantity = 10_000, asset: ClarityValue = none): number {
  const from = chain.now() + 3600;
  return Number(plain(ok(chain.call("marketplace", "list-offer",
    [Cl.uint(price), Cl.uint(quantity), Cl.uint(from), Cl.uint(from + 3600), asset], chain.wallet(1)))));
}
const open = (of: number, quantity: number | bigint, asset: ClarityValue = none, most = TOP, wallet = 3) =>
  call("open-trade", [Cl.uint(of), Cl.uint(quantity), Cl.uint(most), asset], wallet);
const opened = (quantity = 5000, asset: ClarityValue = none): number => Number(plain(ok(open(offer(200_000, 10_000, asset), quantity, asset))));
const confirm = (number: number, delivered: number) =>
  ok(chain.call("energy-oracle", "confirm-delivery", [Cl.uint(number), Cl.uint(delivered), Cl.buffer(filled(1, 32))]));
const settle = (number: number, delivered: number | bigint, asset: ClarityValue = none, wallet = 8) =>
  call("settle", [Cl.uint(number), Cl.uint(delivered), asset], wallet);
const cancel = (number: number, wallet: number, asset: ClarityValue = none) => call("cancel", [Cl.uint(number), asset], wallet);
const expire = (number: number, asset: ClarityValue = none) => call("expire", [Cl.uint(number), asset], 8);

beforeAll(async () => {
  chain = await world();
  chain.grant("court", chain.wallet(7));
  coin = chain.deploy("coin", COIN);
  for (const wallet of [3, 4]) ok(chain.call(coin, "mint", [Cl.uint(10n ** 12n), Cl.principal(chain.wallet(wallet))]));
  ok(call("allow-asset", [Cl.principal(coin), Cl.bool(true)]));
  ok(call("set-treasury", [Cl.principal(chain.wallet(6))]));
  ok(chain.call("parameters", "set-parameter", [Cl.stringAscii("trade-fee"), Cl.uint(100), Cl.uint(chain.now() + 60)]));
  wait(chain, 600);
});

describe("a trade in STX", () => {
  it("pays the seller pro rata, the treasury its fee, the buyer the rest", () => {
    const number = opened(5000);
    expect(trade(number)).toMatchObject({ amount: 1_000_000n, state: 1n, "fee-rate": 100n });
    expect(held()).toBe(1_000_000n);
    confirm(number, 4000);
    const [seller, buyer, fee] = [1, 3, 6].map((index) => stx(chain.wallet(index)));
    const answer = settle(number, 4000);
    expect(plain(ok(answer))).toBe(800_000n);
    expect(topics(answer)).toEqual(["trade-settled"]);
    expect([1, 3, 6].map((index) => stx(chain.wallet(index)))).toEqual([seller + 792_000n, buyer + 200_000n, fee + 8_000n]);
    expect(held()).toBe(0n);
    expect(trade(number)).toMatchObject({ state: 2n, delivered: 4000n });
  });
  it("pays for no more than was ordered, and for nothing when nothing came", () => {
    const more = opened(5000);
    confirm(more, 9000);
    expect(plain(ok(settle(more, 9000)))).toBe(1_000_000n);
    const nothing = opened(5000);
    confirm(nothing, 0);
    const before = stx(chain.wallet(3));
    expect(plain(ok(settle(nothing, 0)))).toBe(0n);
    expect(stx(chain.wallet(3)) - before).toBe(1_000_000n);
  });
  it("is released in full by the buyer before anybody measured", () => {
    const number = opened(1000);
    refused(settle(number, 999, none, 3), 608);
    refused(settle(number, 1000, none, 1), 608);
    ok(settle(number, 1000, none, 3));
  });
  it("goes back whole when the buyer cancels in time or the seller does, and the offer gets its energy back", () => {
    const of = offer();
    const number = Number(plain(ok(open(of, 3000))));
    const before = stx(chain.wallet(3));
    expect(topics(cancel(number, 3))).toContain("trade-cancelled");
    expect(stx(chain.wallet(3)) - before).toBe(600_000n);
    expect(plain(chain.read("marketplace", "get-offer-details", [Cl.uint(of)]))).toMatchObject({ quantity: 10_000n });
    const late = opened();
    wait(chain, 3 * 3600);
    refused(cancel(late, 3), 609);
    ok(cancel(late, 1));
    expect(trade(late)).toMatchObject({ state: 3n, "closed-by": chain.wallet(1) });
  });
  it("is never charged a fee of more than a tenth, whatever was voted", () => {
    const fee = (value: number) => {
      ok(chain.call("parameters", "set-parameter", [Cl.stringAscii("trade-fee"), Cl.uint(value), Cl.uint(chain.now() + 60)]));
      wait(chain, 600);
    };
    fee(9_999);
    expect(trade(opened(5000))).toMatchObject({ "fee-rate": 1000n });
    fee(100);
    expect(trade(opened(5000))).toMatchObject({ "fee-rate": 100n });
  });
  it("expires when nobody says what came, a week after its window", () => {
    const number = opened();
    refused(expire(number), 610);
    wait(chain, 8 * DAY);
    chain.pause(room);
    expect(topics(expire(number))).toEqual(["trade-expired"]);
    chain.resume(room);
    const said = opened();
    confirm(said, 1);
    wait(chain, 8 * DAY);
    refused(expire(said), 610);
    refused(cancel(said, 1), 609);
    ok(settle(said, 1));
  });
});

describe("a trade in a stablecoin", () => {
  const balance = (wallet: number): bigint => plain(chain.read(coin, "get-balance", [Cl.principal(chain.wallet(wallet))]));
  it("moves that coin alone, through every end a trade has", () => {
    const [seller, buyer, fee] = [1, 3, 6].map(balance);
    const settled = opened(5000, paying());
    expect(held(paying())).toBe(1_000_000n);
    confirm(settled, 2500);
    ok(settle(settled, 2500, paying()));
    expect([1, 3, 6].map(balance)).toEqual([seller + 495_000n, buyer - 500_000n, fee + 5_000n]);
    ok(cancel(opened(5000, paying()), 3, paying()));
    const expired = opened(5000, paying());
    wait(chain, 8 * DAY);
    ok(expire(expired, paying()));
    expect(balance(3)).toBe(buyer - 500_000n);
    expect(held(paying())).toBe(0n);
  });
  it("u605: takes the coin of the offer, when it is allowed, and ends in the same", () => {
    refused(open(offer(), 1000, paying()), 605);
    refused(open(offer(200_000, 10_000, paying()), 1000), 605);
    const other = chain.deploy("other-coin", COIN);
    refused(open(offer(200_000, 10_000, Cl.some(Cl.principal(other))), 1000, Cl.some(Cl.principal(other))), 605);
    const number = opened(1000, paying());
    confirm(number, 1000);
    for (const wrong of [none, Cl.some(Cl.principal(other))]) {
      refused(settle(number, 1000, wrong), 605);
      refused(cancel(number, 3, wrong), 605);
      refused(expire(number, wrong), 605);
    }
    // A coin struck from the list still pays out what it holds.
    ok(call("allow-asset", [Cl.principal(coin), Cl.bool(false)]));
    refused(open(offer(200_000, 10_000, paying()), 1000, paying()), 605);
    ok(settle(number, 1000, paying()));
    ok(call("allow-asset", [Cl.principal(coin), Cl.bool(true)]));
  });
  it("u611: fails whole when the coin cannot be paid, or pays out more than it may", () => {
    refused(open(offer(200_000, 10_000, paying()), 1000, paying(), TOP, 2), 611);
    const greedy = chain.deploy("greedy", `
(define-fungible-token g)
(define-data-var on bool false)
(define-public (arm) (ok (var-set on true)))
(define-public (transfer (amount uint) (sender principal) (recipient principal) (memo (optional (buff 34))))
  (if (var-get on) (ft-transfer? g (+ amount u1) sender recipient) (ft-transfer? g amount sender recipient)))
(define-read-only (get-balance (who principal)) (ok (ft-get-balance g who)))
(define-public (mint (amount uint) (to principal)) (ft-mint? g amount to))`);
    const asset = Cl.some(Cl.principal(greedy));
    ok(call("allow-asset", [Cl.principal(greedy), Cl.bool(true)]));
    for (const to of [chain.wallet(3), chain.contract(room)]) ok(chain.call(greedy, "mint", [Cl.uint(2_000_000), Cl.principal(to)]));
    const numbers = [opened(1000, asset), opened(1000, asset)];
    confirm(numbers[0], 1000);
    wait(chain, 9 * DAY);
    ok(chain.call(greedy, "arm"));
    refused(settle(numbers[0], 1000, asset), 611);
    refused(expire(numbers[1], asset), 611);
    refused(cancel(numbers[1], 1, asset), 611);
    expect(trade(numbers[0])).toMatchObject({ state: 1n });
  });
  // Clarity stops only the same function from being entered twice; a coin that is paid
  // may call the others, and has to find the trade closed already.
  it("is closed already when the coin it pays calls back", () => {
    const evil = chain.deploy("evil", `
(define-fungible-token e)
(define-data-var trade uint u0)
(define-public (aim (number uint)) (ok (var-set trade number)))
(define-public (transfer (amount uint) (sender principal) (recipient principal) (memo (optional (buff 34))))
  (begin
    (print {topic: "called-back", expire: (contract-call? '${chain.contract(room)} expire (var-get trade) none), cancel: (contract-call? '${chain.contract(room)} cancel (var-get trade) none)})
    (ft-transfer? e amount sender recipient)))
(define-read-only (get-balance (who principal)) (ok (ft-get-balance e who)))
(define-public (mint (amount uint) (to principal)) (ft-mint? e amount to))`);
    const asset = Cl.some(Cl.principal(evil));
    ok(call("allow-asset", [Cl.principal(evil), Cl.bool(true)]));
    ok(chain.call(evil, "mint", [Cl.uint(10n ** 9n), Cl.principal(chain.wallet(3))]));
    const number = opened(1000, asset);
    ok(chain.call(evil, "aim", [Cl.uint(number)]));
    const answer = settle(number, 1000, asset, 3);
    ok(answer);
    const prints = answer.events.filter((event) => event.event === "print_event").map((event) => plain(event.data.value));
    const backs = prints.filter((print) => print.topic === "called-back");
    expect(backs.length).toBeGreaterThan(0);
    for (const back of backs) expect([back.expire, back.cancel]).toEqual([603n, 603n]);
  });
  it("aborts whole when the coin it pays enters the same function", () => {
    const loop = chain.deploy("loop", `
(define-fungible-token l)
(define-public (transfer (amount uint) (sender principal) (recipient principal) (memo (optional (buff 34))))
  (begin
    (if (is-eq sender '${chain.contract(room)}) (is-ok (contract-call? '${chain.contract(room)} settle u1 u1 none)) true)
    (ft-transfer? l amount sender recipient)))
(define-read-only (get-balance (who principal)) (ok (ft-get-balance l who)))
(define-public (mint (amount uint) (to principal)) (ft-mint? l amount to))`);
    const asset = Cl.some(Cl.principal(loop));
    ok(call("allow-asset", [Cl.principal(loop), Cl.bool(true)]));
    ok(chain.call(loop, "mint", [Cl.uint(10n ** 9n), Cl.principal(chain.wallet(3))]));
    const number = opened(1000, asset);
    expect(() => settle(number, 1000, asset, 3)).toThrow();
    expect(trade(number)).toMatchObject({ state: 1n });
  });
});

describe("refusals", () => {
  it("u606, u607: offers that do not allow the trade, and prices above what was agreed", () => {
    const of = offer();
    refused(open(99_999, 1), 606);
    refused(open(of, 10_001), 606);
    refused(open(of, 0), 606);
    refused(open(of, 1, none, TOP, 1), 606);
    refused(open(of, 1, none, TOP, 5), 606);
    refused(open(of, (1n << 128n) - 1n), 606);
    refused(open(of, 1000, none, 199_999n), 607);
    expect(plain(chain.read("marketplace", "get-offer-details", [Cl.uint(of)]))).toMatchObject({ quantity: 10_000n });
    refused(open(offer(1_000_000_000, 10 ** 9), 10 ** 9, none, 10n ** 30n), 611);
  });
  it("u601: opening and settling wait while paused", () => {
    const number = opened();
    confirm(number, 5000);
    chain.pause(room);
    refused(open(offer(), 1000), 601);
    refused(settle(number, 5000), 601);
    chain.resume(room);
    ok(settle(number, 5000));
  });
  it("u602, u603: unknown and closed trades stay as they are", () => {
    const number = opened();
    ok(cancel(number, 3));
    refused(settle(99_999, 1), 602);
    refused(cancel(99_999, 3), 602);
    refused(expire(99_999), 602);
    refused(settle(number, 5000), 603);
    refused(cancel(number, 3), 603);
    refused(expire(number), 603);
    for (const name of ["freeze-trade", "thaw-trade"]) refused(call(name, [Cl.uint(99_999)], 7), 602);
    refused(call("decide-trade", [Cl.uint(99_999), Cl.uint(1)], 7), 602);
    refused(call("freeze-trade", [Cl.uint(number)], 7), 603);
  });
  it("u608: settles by what was confirmed, after the time for objections", () => {
    const number = opened();
    refused(settle(number, 5000), 608);
    confirm(number, 4000);
    refused(settle(number, 5000), 608);
    ok(chain.call("parameters", "set-parameter", [Cl.stringAscii("objection-window"), Cl.uint(DAY), Cl.uint(chain.now() + 60)]));
    wait(chain, 600);
    refused(settle(number, 4000), 608);
    wait(chain, DAY);
    ok(settle(number, 4000));
    ok(chain.call("parameters", "set-parameter", [Cl.stringAscii("objection-window"), Cl.uint(0), Cl.uint(chain.now() + 60)]));
    wait(chain, 600);
  });
  it("u600: strangers cancel, freeze, decide, allow and appoint nothing, whoever calls through whom", () => {
    const number = opened();
    refused(cancel(number, 4), 600);
    for (const name of ["freeze-trade", "thaw-trade"]) refused(call(name, [Cl.uint(number)], 3), 600);
    refused(call("decide-trade", [Cl.uint(number), Cl.uint(1)], 3), 600);
    refused(call("allow-asset", [Cl.principal(coin), Cl.bool(true)], 3), 600);
    refused(call("set-treasury", [Cl.principal(coin)], 3), 600);
    refused(call("set-treasury", [Cl.principal(chain.contract(room))]), 611);
    const middle = chain.deploy("escrow-middle", `(define-public (go) (contract-call? '${chain.contract(room)} cancel u${number} none))`);
    refused(chain.call(middle, "go", [], chain.wallet(3)), 600);
    ok(cancel(number, 3));
  });
});

describe("disputes", () => {
  it("u604: a frozen trade moves nothing until it is decided, and the decision goes before the oracle", () => {
    const number = opened();
    confirm(number, 5000);
    expect(topics(call("freeze-trade", [Cl.uint(number)], 7))).toEqual(["trade-frozen"]);
    refused(call("freeze-trade", [Cl.uint(number)], 7), 604);
    refused(settle(number, 5000), 604);
    refused(settle(number, 5000, none, 3), 604);
    refused(cancel(number, 1), 604);
    refused(expire(number), 604);
    expect(topics(call("decide-trade", [Cl.uint(number), Cl.uint(1000)], 7))).toEqual(["trade-decided"]);
    expect(plain(chain.read(room, "get-decision", [Cl.uint(number)]))).toBe(1000n);
    refused(settle(number, 5000), 608);
    refused(settle(number, 5000, none, 3), 608);
    expect(plain(ok(settle(number, 1000)))).toBe(200_000n);
  });
  it("u612: only a frozen trade is thawed or decided, and a thawed one goes on", () => {
    const number = opened();
    refused(call("thaw-trade", [Cl.uint(number)], 7), 612);
    refused(call("decide-trade", [Cl.uint(number), Cl.uint(1)], 7), 612);
    ok(call("freeze-trade", [Cl.uint(number)], 7));
    expect(topics(call("thaw-trade", [Cl.uint(number)], 7))).toEqual(["trade-thawed"]);
    ok(cancel(number, 3));
  });
});

describe("holds", () => {
  it("the escrow has exactly what its open trades were paid, whatever is done in whatever order", () => {
    const mine: number[] = [];
    let of = offer(201_000, 10 ** 7);
    const start = stx(chain.contract(room)) - held();
    expect(start).toBe(0n);
    const act = fc.record({ kind: fc.constantFrom("open", "confirm", "settle", "cancel", "freeze", "thaw", "decide"), pick: fc.nat(20), wh: fc.integer({ min: 0, max: 4000 }) });
    fc.assert(fc.property(fc.array(act, { maxLength: 12 }), (acts) => {
      for (const { kind, pick, wh } of acts) {
        const number = mine[pick % Math.max(1, mine.length)] ?? 0;
        if (kind === "open") {
          const answer = open(of, wh);
          if (answer.result.type === "ok") mine.push(Number(plain(answer.result)));
          else if (wh > 0) of = offer(201_000, 10 ** 7);
        }
        if (kind === "confirm") chain.call("energy-oracle", "confirm-delivery", [Cl.uint(number), Cl.uint(wh), Cl.buffer(filled(1, 32))]);
        if (kind === "settle") settle(number, plain(chain.read("trade-escrow", "get-decision", [Cl.uint(number)])) ?? plain(chain.read("energy-oracle", "get-delivery", [Cl.uint(number)]))?.delivered ?? wh);
        if (kind === "cancel") cancel(number, pick % 2 ? 1 : 3);
        if (kind === "freeze" || kind === "thaw") call(`${kind}-trade`, [Cl.uint(number)], 7);
        if (kind === "decide") call("decide-trade", [Cl.uint(number), Cl.uint(wh)], 7);
      }
      const count = Number(plain(chain.read(room, "get-trade-count")));
      let inTrades = 0n;
      for (let number = 1; number <= count; number++) {
        const found = trade(number);
        if (found.state === 1n && found.asset === null) inTrades += found.amount;
      }
      expect(held()).toBe(inTrades);
      expect(stx(chain.contract(room))).toBe(inTrades);
    }), { seed: 6, numRuns: 10 });
  });
});

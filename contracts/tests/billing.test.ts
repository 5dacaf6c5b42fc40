import { Cl, type ClarityValue } from "@stacks/transactions";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { be, commit, scalar } from "./curve";
import { DAY, IMPORT } from "./sealed";
import { Log, Meter, anchor, request, set, street, type Told } from "./street";
import { Chain, filled, ok, plain, refused, topics, wait } from "./support";

const UNLIMITED = 281_474_976_710_656n;
const STX = Cl.none();
let chain: Chain, log: Log, meter: Meter, month: Told[];
let owner: string, provider: string, stranger: string;
let flat: Uint8Array, begins: number;

const blocks = (...rows: [bigint | number, bigint | number][]) =>
  Cl.list(rows.map(([upto, price]) => Cl.tuple({ upto: Cl.uint(upto), price: Cl.uint(price) })));
const post = (kind: number, list: ClarityValue, daily: bigint | number = 0, from = begins, due = 30 * DAY, by = provider) =>
  chain.call("billing", "post-tariff", [Cl.uint(kind), list, Cl.uint(daily), STX, Cl.uint(due), Cl.uint(from)], by);
const hash = (answer: any): Uint8Array => Buffer.from((ok(answer) as any).value, "hex");
const bill = (asked: ClarityValue[], by = owner) => chain.call("billing", "calculate-bills", [Cl.list(asked)], by);
const charge = (tariff: Uint8Array, usage: bigint | number, days: number): bigint =>
  (chain.read("billing", "get-charge", [Cl.buffer(tariff), Cl.uint(usage), Cl.uint(days)]) as any).value.value;
const grant = (until: number, by = owner) =>
  chain.call("billing", "let-provider", [Cl.buffer(meter.id), Cl.principal(provider), Cl.uint(until)], by);
const total = (told: Told[]) => told.reduce((sum, day) => sum + day.v, 0n);

beforeAll(async () => {
  ({ chain, log } = await street());
  [owner, provider, stranger] = [chain.wallet(1), chain.wallet(2), chain.wallet(3)];
  ok(chain.call("user-registry", "register-provider", [Cl.buffer(filled(5, 32))], provider));
  ok(chain.call("user-registry", "verify-user", [Cl.principal(provider), Cl.bool(true)]));
  meter = await Meter.bound(chain, log, 0x41, owner);
  // The meter's days begin after its tariffs, on the grid of midnights.
  begins = (Math.floor(chain.now() / DAY) + 2) * DAY;
  flat = hash(post(0, blocks([UNLIMITED, 250_000]), 1_000));
  month = Array.from({ length: 30 }, (_, i) => meter.day(begins + i * DAY, BigInt(i % 7 === 0 ? 0 : 3_000 + 17 * i)));
  ok(anchor(chain, log));
  for (const told of month) ok(meter.submit(told));
});

describe("billing: tariffs", () => {
  it("are posted under the hash of their content", () => {
    const tariff = chain.read("billing", "get-tariff", [Cl.buffer(flat)]) as any;
    expect(chain.read("billing", "tariff-hash", [tariff.value])).toEqual(Cl.buffer(flat));
  });
  it("price flat, block and lifeline usage, rounded down once", () => {
    const block = hash(post(1, blocks([10_000, 100_000], [50_000, 250_001], [UNLIMITED, 400_000]), 7));
    const lifeline = hash(post(2, blocks([10_000, 100_000], [50_000, 250_000], [UNLIMITED, 400_000])));
    expect(charge(flat, 3, 1)).toBe(750n + 1_000n);
    expect(charge(block, 10_000, 0)).toBe(1_000_000n);
    expect(charge(block, 10_001, 30)).toBe(1_000_250n + 210n);
    expect(charge(block, 60_000, 0)).toBe(1_000_000n + 10_000_040n + 4_000_000n);
    expect(charge(lifeline, 10_000, 0)).toBe(1_000_000n);
    expect(charge(lifeline, 10_001, 0)).toBe(2_500_250n);
    expect(charge(lifeline, 60_000, 0)).toBe(12_500_000n + 4_000_000n);
    expect(chain.read("billing", "get-charge", [Cl.buffer(flat), Cl.uint(UNLIMITED), Cl.uint(1)]).type).toBe("none");
    expect(chain.read("billing", "get-charge", [Cl.buffer(flat), Cl.uint(1), Cl.uint(32)]).type).toBe("none");
    expect(charge(flat, UNLIMITED - 1n, 31)).toBe(((UNLIMITED - 1n) * 250n) + 31_000n);
  });
  it("a law: block charges are those of every Wh by itself", () => {
    const rows: [number, number][] = [[3, 5_000], [9, 0], [20, 7_000]];
    const tariff = hash(post(1, blocks(...rows, [UNLIMITED, 11_000])));
    const price = (wh: number) => (rows.find(([upto]) => wh < upto) ?? [0, 11_000])[1];
    fc.assert(fc.property(fc.integer({ min: 0, max: 40 }), (usage) => {
      const sum = Array.from({ length: usage }, (_, wh) => price(wh)).reduce((a, b) => a + b, 0);
      expect(charge(tariff, usage, 0)).toBe(BigInt(Math.floor(sum / 1_000)));
    }), { seed: 5, numRuns: 40 });
  });
  it("u1301: cannot be posted while paused, nor anything billed", () => {
    chain.pause("billing");
    refused(post(0, blocks([UNLIMITED, 1])), 1301);
    refused(bill([request(flat, meter, month, 0n)]), 1301);
    refused(chain.call("billing", "post-bill-hash", [Cl.buffer(filled(1, 32))], provider), 1301);
    ok(grant(0));
    chain.resume("billing");
  });
  it("u1302: are a verified provider's alone", () => {
    refused(post(0, blocks([UNLIMITED, 1]), 0, begins, DAY, stranger), 1302);
    refused(post(0, blocks([UNLIMITED, 1]), 0, begins, DAY, owner), 1302);
  });
  it("u1303: are posted once", () => refused(post(0, blocks([UNLIMITED, 250_000]), 1_000), 1303));
  it("u1304: have terms that make sense", () => {
    const one = blocks([UNLIMITED, 1]), two = blocks([5, 1], [UNLIMITED, 2]);
    refused(post(3, two), 1304);
    refused(post(0, two), 1304);
    refused(post(1, one), 1304);
    refused(post(2, one), 1304);
    refused(post(0, blocks()), 1304);
    refused(post(0, blocks([UNLIMITED - 1n, 1])), 1304);
    refused(post(1, blocks([5, 1], [5, 1], [UNLIMITED, 1])), 1304);
    refused(post(1, blocks([0, 1], [UNLIMITED, 1])), 1304);
    refused(post(1, blocks([UNLIMITED, 1], [UNLIMITED, 1])), 1304);
    refused(post(0, one, UNLIMITED), 1304);
    refused(post(0, one, 0, begins, DAY - 1), 1304);
    refused(post(0, one, 0, begins, 90 * DAY + 1), 1304);
    refused(post(0, one, 0, chain.now() - 3_600), 1304);
  });
  it("u1305: cost at most what governance allows, and 32 bits at most", () => {
    refused(post(0, blocks([UNLIMITED, 1n << 32n])), 1305);
    ok(set(chain, "max-price", 300_000));
    wait(chain, 600);
    refused(post(0, blocks([UNLIMITED, 300_001])), 1305);
    ok(post(0, blocks([UNLIMITED, 300_000])));
  });
});

describe("billing: bills", () => {
  it("u1308: a day does not count before its window has passed", () => {
    refused(bill([request(flat, meter, month, 0n)]), 1308);
    wait(chain, 259_200);
  });
  it("u1310: a bill above tariff(verified usage) cannot be stored", () => {
    const most = charge(flat, total(month), 30);
    refused(bill([request(flat, meter, month, most + 1n)]), 1310);
    refused(bill([request(flat, meter, month, (1n << 128n) - 1n)]), 1310);
  });
  it("u1100: a usage that the commitments do not open to is refused, higher or lower", () => {
    for (const usage of [total(month) + 1n, total(month) - 1n, 1n])
      refused(bill([request(flat, meter, month, 0n, { usage: Cl.uint(usage) })]), 1100);
    refused(bill([request(flat, meter, month, 0n, { usage: Cl.uint(0) })]), 1101);
  });
  it("u1102, u1103, u1106: wrong points, sums and scalars are refused, and so is a bill of no days", () => {
    const asked = request(flat, meter, month, 0n) as any;
    const days = asked.value.days.value, spoiled = days.map((day: any, i: number) =>
      i === 4 ? Cl.tuple({ ...day.value, l: Cl.buffer(be(1n)) }) : day);
    refused(bill([request(flat, meter, month, 0n, { days: Cl.list(spoiled) })]), 1103);
    // Two more keeps the parity of y, so this still compresses to the day's commitment.
    const y = BigInt("0x" + days[2].value.p.value.slice(-64)) + 2n;
    const off = days.map((day: any, i: number) => (i === 2
      ? Cl.tuple({ ...day.value, p: Cl.bufferFromHex(day.value.p.value.slice(0, 64) + y.toString(16).padStart(64, "0")) })
      : day));
    refused(bill([request(flat, meter, month, 0n, { days: Cl.list(off) })]), 1102);
    refused(bill([request(flat, meter, month, 0n, { z: Cl.buffer(filled(255, 32)) })]), 1106);
    refused(bill([request(flat, meter, month, 0n, { days: Cl.list([]) })]), 1308);
  });
  it("u1308: days are the meter's own, in order, without a gap, to the period's end", () => {
    const swapped = [month[1], month[0], ...month.slice(2)];
    refused(bill([request(flat, meter, swapped, 0n)]), 1308);
    refused(bill([request(flat, meter, [month[0], ...month.slice(2)], 0n)]), 1308);
    refused(bill([request(flat, meter, [month[0], month[0]], 0n, { to: Cl.uint(begins + 2 * DAY) })]), 1308);
    refused(bill([request(flat, meter, month, 0n, { to: Cl.uint(begins + 31 * DAY) })]), 1308);
    refused(bill([request(flat, meter, month.slice(1), 0n, { from: Cl.uint(begins) })]), 1308);
    refused(bill([request(flat, meter, month, 0n, { register: Cl.uint(IMPORT + 1n) })]), 1308);
    const forged = { ...month[3], point: commit(1n, scalar()) };
    refused(bill([request(flat, meter, [...month.slice(0, 3), forged, ...month.slice(4)], 0n)]), 1308);
    const negated = { ...month[3], point: month[3].point.negate() };
    refused(bill([request(flat, meter, [...month.slice(0, 3), negated, ...month.slice(4)], 0n)]), 1308);
  });
  it("u1307: a period is not empty and does not begin before its tariff", () => {
    const later = hash(post(0, blocks([UNLIMITED, 9]), 0, begins + 90 * DAY));
    refused(bill([request(later, meter, month, 0n)]), 1307);
    refused(bill([request(flat, meter, month, 0n, { to: Cl.uint(begins) })]), 1307);
    refused(bill([request(flat, meter, month, 0n, { from: Cl.uint(0) })]), 1307);
  });
  it("u1303, u1306, u1314: tariff, meter and a bill must be there", () => {
    refused(bill([request(filled(9, 32), meter, month, 0n)]), 1303);
    refused(bill([request(flat, meter, month, 0n, { meter: Cl.buffer(filled(9, 16)) })]), 1306);
    refused(bill([]), 1314);
  });
  it("u1300: nobody opens another's usage: neither strangers nor a provider whom the owner did not let", () => {
    const asked = [request(flat, meter, month, 0n)];
    refused(bill(asked, stranger), 1300);
    refused(bill(asked, provider), 1300);
    ok(grant(chain.now() - 1));
    refused(bill(asked, provider), 1300);
    refused(grant(chain.now() + DAY, stranger), 1300);
  });
  it("u1300: a middle contract that the owner calls opens nothing in the owner's name", () => {
    const middle = chain.deploy("billing-middle", `
      (define-public (go (m (buff 16)) (p principal)) (contract-call? '${chain.contract("billing")} let-provider m p u99999999999))`, stranger);
    refused(chain.call(middle, "go", [Cl.buffer(meter.id), Cl.principal(stranger)], owner), 1300);
  });
  it("u1306: an unknown meter has no owner to let anybody", () => {
    refused(chain.call("billing", "let-provider", [Cl.buffer(filled(9, 16)), Cl.principal(provider), Cl.uint(1)], owner), 1306);
  });
  it("u1302: a provider who lost its standing bills nobody", () => {
    const verify = (yes: boolean) => ok(chain.call("user-registry", "verify-user", [Cl.principal(provider), Cl.bool(yes)]));
    verify(false);
    refused(bill([request(flat, meter, month, 0n)]), 1302);
    refused(chain.call("billing", "post-bill-hash", [Cl.buffer(filled(1, 32))], provider), 1302);
    verify(true);
  });
  it("a month of 30 daily commitments becomes a bill, by the provider whom the owner let", () => {
    ok(grant(chain.now() + 30 * DAY));
    const most = charge(flat, total(month), 30);
    const answer = bill([request(flat, meter, month, most)], provider);
    expect(plain(ok(answer))).toEqual([1n]);
    expect(topics(answer)).toEqual(["bill-issued"]);
    // Under half a per cent of a block, whichever limit is nearest: 200 homes' months a block.
    const costs = chain.cost("billing", "calculate-bills, one month of 30 days", answer);
    expect(costs.runtime).toBeLessThan(5_000_000_000 / 200);
    expect(costs.readCount).toBeLessThan(15_000 / 200);
    expect(costs.readLength).toBeLessThan(100_000_000 / 200);
    expect(costs.writeLength).toBeLessThan(15_000_000 / 200);
    const mine = chain.read("billing", "get-user-bill", [Cl.principal(owner), Cl.uint(0)]);
    expect(Cl.prettyPrint(mine)).toContain(`usage: u${total(month)}`);
    expect(Cl.prettyPrint(mine)).toContain(`amount: u${most}`);
    expect(mine).toEqual(chain.read("billing", "get-bill", [Cl.uint(1)]));
    expect(chain.read("billing", "get-user-bill", [Cl.principal(owner), Cl.uint(1)]).type).toBe("none");
    expect(plain(chain.read("billing", "get-bill-count"))).toBe(1n);
    expect(plain(chain.read("billing", "get-user-bill-count", [Cl.principal(owner)]))).toBe(1n);
  });
  it("u1307: no day is billed twice, not even in another window", () => {
    refused(bill([request(flat, meter, month, 0n)]), 1307);
    refused(bill([request(flat, meter, month.slice(29), 0n)]), 1307);
  });
  it("several bills are made together or not at all", () => {
    const next = [30, 31, 32].map((i) => meter.day(begins + i * DAY, BigInt(i)));
    ok(anchor(chain, log));
    for (const told of next) ok(meter.submit(told));
    wait(chain, 259_200);
    const asked = next.map((told) => request(flat, meter, [told], 1n));
    refused(bill([asked[0], asked[1], request(flat, meter, [next[2]], 1n << 60n)]), 1310);
    expect(plain(ok(bill(asked)))).toHaveLength(3);
  });
  it("u1309: a commitment to more than any meter counts is billed by no tariff", () => {
    const endless = meter.day(begins + 40 * DAY, UNLIMITED);
    ok(anchor(chain, log));
    ok(meter.submit(endless));
    wait(chain, 259_200);
    refused(bill([request(flat, meter, [endless], 0n)]), 1309);
  });
});

describe("billing: corrections and hashes", () => {
  it("the court holds, lets go and lowers a bill; u1300, u1310 to u1312", () => {
    const court = chain.wallet(7), hold = (id: number, held: boolean, by = court) =>
      chain.call("billing", "hold-bill", [Cl.uint(id), Cl.bool(held)], by);
    const correct = (id: number, amount: bigint, by = court) =>
      chain.call("billing", "correct-bill", [Cl.uint(id), Cl.uint(1), Cl.uint(amount)], by);
    refused(hold(1, true), 1300);
    refused(correct(1, 1n, provider), 1300);
    chain.grant("court", court);
    expect(topics(hold(1, true))).toEqual(["bill-held"]);
    refused(hold(1, true), 1312);
    const due = () => BigInt((chain.read("billing", "get-bill", [Cl.uint(1)]) as any).value.value["due-at"].value), before = due();
    wait(chain, 3_600);
    const { events } = hold(1, false);
    expect(due()).toBeGreaterThanOrEqual(before + 3_600n);
    expect(Cl.prettyPrint(events[0].data.value!)).toContain(`due-at: u${due()}`);
    refused(hold(99, true), 1311);
    refused(correct(99, 1n), 1311);
    const amount = (chain.read("billing", "get-bill", [Cl.uint(1)]) as any).value.value.amount.value;
    refused(correct(1, amount), 1310);
    refused(correct(1, BigInt(amount) + 1n), 1310);
    expect(topics(correct(1, BigInt(amount) - 1n))).toEqual(["bill-corrected"]);
  });
  it("a bill kept elsewhere leaves its hash, once; u1302, u1313", () => {
    const hashed = (value: Uint8Array, by = provider) => chain.call("billing", "post-bill-hash", [Cl.buffer(value)], by);
    expect(topics(hashed(filled(3, 32)))).toEqual(["bill-hash"]);
    refused(hashed(filled(3, 32)), 1313);
    refused(hashed(filled(3, 31)), 1313);
    refused(hashed(filled(4, 32), owner), 1302);
    expect(chain.read("billing", "get-bill-hash", [Cl.principal(provider), Cl.buffer(filled(3, 32))]).type).toBe("some");
  });
});

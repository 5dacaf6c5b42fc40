import { Cl, type ClarityValue } from "@stacks/transactions";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { opening } from "./curve";
import { DAY, EXPORT, IMPORT, buffers, headerValue, pathOf, recordLeaf, recordValue, rootOf, type Reading } from "./sealed";
import { Log, Meter, anchor, request, set, type Told } from "./street";
import { Chain, filled, ok, plain, refused, topics, wait } from "./support";
import { mint, world } from "./world";

const ROOM = "dispute-resolution";
const [TRADE, BILL] = [1, 2];
const HASH = filled(7, 32);
const LATER = 259_200;
const none = Cl.none();
let chain: Chain, log: Log, panel: Meter, home: Meter, tariff: Uint8Array, begins: number;
let seller: string, buyer: string, stranger: string, arbiters: string[], provider: string, owner: string;
let told: Told[] = [];

const call = (name: string, args: ClarityValue[], by: string) => chain.call(ROOM, name, args, by);
const open = (kind: number, subject: number, asked: number | bigint, by: string, bond: number | bigint = 1_000_000, hash = HASH) =>
  call("open-dispute", [Cl.uint(kind), Cl.uint(subject), Cl.uint(asked), Cl.buffer(hash), Cl.uint(bond)], by);
const vote = (id: number, grants: boolean, by: string) => call("vote", [Cl.uint(id), Cl.bool(grants)], by);
const resolve = (id: number) => call("resolve", [Cl.uint(id)], stranger);
const appeal = (id: number, by: string, bond = 1_000_000) => call("appeal", [Cl.uint(id), Cl.uint(bond)], by);
const finalise = (id: number) => call("finalise", [Cl.uint(id)], stranger);
const stx = (who: string): bigint => chain.simnet.getAssetsMap().get("STX")!.get(who) ?? 0n;
const number = (answer: any) => Number(plain(ok(answer)));
const dispute = (id: number) => Cl.prettyPrint(chain.read(ROOM, "get-dispute", [Cl.uint(id)]));

/** An open trade of `quantity` Wh in a window of one hour. */
function trade(quantity = 5_000): { id: number; from: number } {
  mint(chain, 1, quantity);
  const from = Math.ceil((chain.now() + 2_400) / 3_600) * 3_600;
  const offer = number(chain.call("marketplace", "list-offer", [Cl.uint(200_000), Cl.uint(quantity), Cl.uint(from), Cl.uint(from + 3_600), none], seller));
  const id = number(chain.call("trade-escrow", "open-trade", [Cl.uint(offer), Cl.uint(quantity), Cl.uint(1n << 60n), none], buyer));
  return { id, from };
}

type Evidence = { told: Told; readings: { record: Reading; salt: Uint8Array; path: Uint8Array[] }[] };
/** A seal of the four quarter hours from `from` on, logged. */
function sealed(from: number, deltas: number[], revision = 0, change: object = {}): Evidence {
  const records = deltas.map((delta, i) => ({ start: from + i * 900, delta, value: 10_000 + delta, quality: 14, revision }));
  const salts = records.map((_, i) => filled(i + 1, 16)), leaves = records.map((record, i) => recordLeaf(salts[i], record));
  const seal = panel.day(from, 0n, { register: EXPORT, count: deltas.length, mode: 0, bits: 0, sum: filled(0, 33), root: rootOf(leaves), ...change });
  return { told: seal, readings: records.map((record, i) => ({ record, salt: salts[i], path: pathOf(i, leaves) })) };
}
const readingArgs = (readings: Evidence["readings"]) => Cl.list(readings.map(({ record, salt, path }) =>
  Cl.tuple({ record: recordValue(record), salt: Cl.buffer(salt), path: buffers(path) })));
const place = (seal: Told): ClarityValue[] => [Cl.uint(seal.index), buffers(log.path(seal.index)), Cl.buffer(log.root())];
const byReading = (id: number, { told: seal, readings }: Evidence, changed = readings) => call("decide-by-reading",
  [Cl.uint(id), headerValue(seal.header), Cl.buffer(seal.signature), readingArgs(changed), ...place(seal)], stranger);
const openingValue = (v: bigint, z: bigint) => { const { z: proof, a } = opening(v, z); return Cl.tuple({ v: Cl.uint(v), z: Cl.buffer(proof), a: Cl.buffer(a) }); };
const byOpening = (id: number, seal: Told, old: Told, now = openingValue(seal.v, seal.z), before = openingValue(old.v, old.z)) => call("decide-by-opening",
  [Cl.uint(id), headerValue(seal.header), Cl.buffer(seal.signature), ...place(seal), before, now], stranger);

/** A bill of 7,000,000 over the next two days of 3,000 and 4,000 Wh. */
function bill(): { id: number; days: Told[] } {
  const days = told.splice(0, 2);
  const made = chain.call("billing", "calculate-bills", [Cl.list([request(tariff, home, days, 7_000_000n)])], owner);
  return { id: Number((plain(ok(made)) as bigint[])[0]), days };
}

beforeAll(async () => {
  chain = await world();
  log = new Log();
  [seller, buyer, stranger, owner, provider] = [1, 3, 5, 4, 6].map((index) => chain.wallet(index));
  arbiters = [7, 8].map((index) => chain.wallet(index));
  for (const [role, who] of [["court", chain.contract(ROOM)], ["arbiter", arbiters[0]], ["arbiter", arbiters[1]]])
    chain.call("roles", "grant", [Cl.stringAscii(role), Cl.principal(who)]);
  panel = await Meter.bound(chain, log, 0x61, seller);
  home = await Meter.bound(chain, log, 0x62, owner);
  ok(chain.call("user-registry", "register-provider", [Cl.buffer(filled(5, 32))], provider));
  ok(chain.call("user-registry", "verify-user", [Cl.principal(provider), Cl.bool(true)]));
  ok(set(chain, "correction-window", 600));
  begins = (Math.floor(chain.now() / DAY) + 1) * DAY;
  tariff = Buffer.from((ok(chain.call("billing", "post-tariff", [Cl.uint(0),
    Cl.list([Cl.tuple({ upto: Cl.uint(281474976710656n), price: Cl.uint(1_000_000) })]), Cl.uint(0), none, Cl.uint(5 * DAY), Cl.uint(begins)], provider)) as any).value, "hex");
  wait(chain, 600);
  for (let i = 0; i < 16; i++) told.push(home.day(begins + i * DAY, i % 2 ? 4_000n : 3_000n));
  ok(anchor(chain, log));
  for (const day of told) ok(home.submit(day));
  wait(chain, 1_200);
});

describe("disputes about trades, decided by readings", () => {
  it("the contract reads what the seller's meter sealed, decides, and the escrow settles so", () => {
    const { id, from } = trade(), evidence = sealed(from, [500, 600, 700, 800]);
    ok(anchor(chain, log));
    wait(chain, 600);
    const opened = open(TRADE, id, 3_000, buyer), held = stx(chain.contract(ROOM));
    expect(topics(opened)).toEqual(["dispute-opened", "trade-frozen"]);
    const mine = number(opened);
    refused(chain.call("trade-escrow", "settle", [Cl.uint(id), Cl.uint(5_000), none], buyer), 604);
    expect(plain(ok(byReading(mine, evidence)))).toBe(2_600n);
    refused(finalise(mine), 808);
    refused(appeal(mine, seller), 805);
    refused(byReading(mine, evidence), 810);
    wait(chain, LATER);
    const before = stx(buyer);
    expect(topics(finalise(mine))).toEqual(["dispute-final", "trade-decided"]);
    expect(stx(buyer) - before).toBe(1_000_000n);
    expect(stx(chain.contract(ROOM))).toBe(held - 1_000_000n);
    ok(chain.call("trade-escrow", "settle", [Cl.uint(id), Cl.uint(2_600), none], stranger));
    refused(finalise(mine), 805);
    refused(byReading(mine, evidence), 805);
  });
  it("a seller's claim is granted when more came than it says, and no more than ordered is counted", () => {
    const { id, from } = trade(), evidence = sealed(from, [2_000, 2_000, 2_000, 2_000]);
    ok(anchor(chain, log));
    wait(chain, 600);
    const mine = number(open(TRADE, id, 4_000, seller));
    expect(plain(ok(byReading(mine, evidence)))).toBe(5_000n);
    expect(dispute(mine)).toContain("grants: true");
    const wrong = trade(), little = sealed(wrong.from, [1, 1, 1, 1]);
    ok(anchor(chain, log));
    wait(chain, 600);
    const other = number(open(TRADE, wrong.id, 4_000, seller));
    expect(plain(ok(byReading(other, little)))).toBe(4n);
    expect(dispute(other)).toContain("grants: false");
  });
  it("a higher revision goes before a lower one, and what the meter said twice decides nothing", () => {
    const { id, from } = trade(), low = sealed(from, [100, 100, 100, 100]), high = sealed(from, [200, 200, 200, 200], 1);
    ok(anchor(chain, log));
    wait(chain, 600);
    const mine = number(open(TRADE, id, 100, buyer));
    ok(byReading(mine, low));
    expect(plain(ok(byReading(mine, high)))).toBe(800n);
    refused(byReading(mine, low), 810);
    const twin = panel.seal(from, 0n, { ...high.told.header, root: filled(3, 32) });
    ok(chain.call("meter-data", "show-equivocation", [headerValue(high.told.header), Cl.buffer(high.told.signature), headerValue(twin.header), Cl.buffer(twin.signature)], stranger));
    wait(chain, LATER);
    const sent = finalise(mine);
    expect(topics(sent)).toEqual(["dispute-to-members"]);
    expect(dispute(mine)).toContain("round: u2");
  });
  it("u809: readings are of this seller, register and whole window, anchored before the dispute", async () => {
    const { id, from } = trade(), good = sealed(from, [1, 2, 3, 4]), part = sealed(from, [1, 2, 3]);
    const foreign = sealed(from, [1, 2, 3, 4], 0, { register: IMPORT });
    const other = await Meter.bound(chain, log, 0x63, chain.wallet(2)), stolen = { ...good, told: other.seal(from, 0n, { ...good.told.header, meter: other.id, seq: 1 }) };
    ok(anchor(chain, log));
    wait(chain, 600);
    const mine = number(open(TRADE, id, 3, buyer));
    for (const bad of [part, foreign, stolen]) refused(byReading(mine, bad), 809);
    refused(byReading(mine, good, []), 809);
    refused(byReading(mine, good, good.readings.slice(1)), 809);
    refused(byReading(mine, good, [good.readings[1], good.readings[0], ...good.readings.slice(2)]), 809);
    const forge = (change: Partial<Reading>) => good.readings.map((one, i) => (i === 2 ? { ...one, record: { ...one.record, ...change } } : one));
    for (const change of [{ delta: 4 }, { value: 1 }, { quality: 8 }, { revision: 1 }, { start: from }, { delta: (1n << 127n) }])
      refused(byReading(mine, good, forge(change)), 809);
    refused(byReading(mine, good, good.readings.map((one) => ({ ...one, salt: filled(9, 16) }))), 809);
    const late = sealed(from, [5, 5, 5, 5], 2);
    ok(anchor(chain, log));
    refused(byReading(mine, late), 809);
    refused(byReading(mine, { ...good, told: { ...good.told, index: good.told.index + 1 } }), 409);
    refused(byReading(mine, { ...good, told: { ...good.told, signature: filled(1, 65) } }), 405);
    const signed = (change: object) => ({ ...good, told: panel.seal(from, 0n, { ...good.told.header, ...change }) });
    refused(byReading(mine, signed({ meter: filled(0x77, 16) })), 404);
    refused(byReading(mine, signed({ network: filled(0x12, 32) })), 406);
    refused(byReading(999, good), 802);
  });
});

describe("disputes about bills, decided by openings", () => {
  it("a day told again lowers the bill to the tariff of the corrected usage", () => {
    const { id, days } = bill(), again = home.day(days[0].header.first, 1_000n), better = home.day(days[0].header.first, 0n);
    ok(anchor(chain, log));
    wait(chain, 600);
    const mine = number(open(BILL, id, 6_000_000, owner));
    refused(chain.call("payment", "pay-bill", [Cl.uint(id), Cl.uint(1), none], owner), 1403);
    expect(plain(ok(byOpening(mine, again, days[0])))).toBe(5_000_000n);
    expect(plain(ok(byOpening(mine, better, days[0])))).toBe(4_000_000n);
    refused(byOpening(mine, again, days[0]), 810);
    wait(chain, LATER);
    const before = stx(owner);
    expect(topics(finalise(mine))).toEqual(["dispute-final", "bill-held", "bill-corrected"]);
    expect(stx(owner) - before).toBe(1_000_000n);
    expect(Cl.prettyPrint(chain.read("billing", "get-bill", [Cl.uint(id)]))).toContain("amount: u4000000");
  });
  it("a claim that the openings disprove costs its bond", () => {
    const { id, days } = bill(), more = home.day(days[1].header.first, 4_500n);
    ok(anchor(chain, log));
    wait(chain, 600);
    const mine = number(open(BILL, id, 1, owner)), before = stx(provider);
    expect(plain(ok(byOpening(mine, more, days[1])))).toBe(7_500_000n);
    wait(chain, LATER);
    ok(finalise(mine));
    expect(stx(provider) - before).toBe(1_000_000n);
    expect(Cl.prettyPrint(chain.read("billing", "get-bill", [Cl.uint(id)]))).toContain("amount: u7000000");
  });
  it("u809, u810, u1100, u1101, u1106: headers and openings are the bill's own", () => {
    const { id, days } = bill(), good = home.day(days[0].header.first, 10n), outside = home.day(begins + 15 * DAY, 10n);
    const short = home.seal(days[0].header.first, 10n, { count: 48 }), opened = home.seal(days[0].header.first, 10n, { mode: 0 });
    ok(anchor(chain, log));
    wait(chain, 600);
    const mine = number(open(BILL, id, 1, owner));
    for (const bad of [outside, short, opened]) refused(byOpening(mine, bad, days[0]), 809);
    refused(byOpening(mine, days[0], days[0]), 810);
    refused(byOpening(mine, good, days[0], openingValue(9n, good.z)), 1100);
    refused(byOpening(mine, good, days[0], undefined, openingValue(1n, days[0].z)), 1100);
    refused(byOpening(mine, good, days[0], openingValue(0n, good.z)), 1101);
    refused(byOpening(mine, good, days[0], Cl.tuple({ v: Cl.uint(10), z: Cl.buffer(filled(255, 32)), a: Cl.bufferFromHex("") })), 1106);
    const late = home.day(days[0].header.first, 10n);
    ok(anchor(chain, log));
    refused(byOpening(mine, late, days[0]), 809);
    refused(byOpening(mine, home.seal(days[0].header.first, 1n, { seq: 0 }), days[0]), 404);
    refused(byOpening(mine, { ...good, signature: filled(1, 65) }, days[0]), 405);
    refused(byOpening(mine, home.seal(days[0].header.first, 1n, { network: filled(0x12, 32) }), days[0]), 406);
    refused(byOpening(mine, { ...good, index: good.index + 1 }, days[0]), 409);
    refused(byOpening(999, good, days[0]), 802);
    refused(byReading(mine, { told: good, readings: [] }), 805);
    refused(byOpening(number(open(TRADE, trade().id, 1, buyer)), good, days[0]), 805);
  });
});

describe("disputes decided by people", () => {
  let id: number, mine: number;
  beforeEach(() => {
    id = trade().id;
    mine = number(open(TRADE, id, 1_000, buyer));
  });
  it("arbiters grant a claim, nobody appeals, and the trade settles as asked", () => {
    expect(topics(vote(mine, true, arbiters[0]))).toEqual(["dispute-vote"]);
    ok(vote(mine, true, arbiters[1]));
    refused(vote(mine, true, arbiters[0]), 806);
    refused(resolve(mine), 808);
    wait(chain, LATER);
    refused(vote(mine, false, arbiters[0]), 807);
    ok(resolve(mine));
    refused(resolve(mine), 805);
    refused(vote(mine, false, arbiters[0]), 805);
    wait(chain, LATER);
    ok(finalise(mine));
    expect(Cl.prettyPrint(chain.read("trade-escrow", "get-decision", [Cl.uint(id)]))).toBe("(some u1000)");
  });
  it("a tie grants nothing, the loser appeals with a bond, and the members decide", () => {
    ok(vote(mine, true, arbiters[0]));
    ok(vote(mine, false, arbiters[1]));
    refused(appeal(mine, buyer), 805);
    wait(chain, LATER);
    ok(resolve(mine));
    refused(appeal(mine, seller), 800);
    refused(appeal(mine, buyer, 999_999), 811);
    expect(topics(appeal(mine, buyer))).toEqual(["dispute-to-members"]);
    refused(vote(mine, true, arbiters[0]), 800);
    ok(vote(mine, true, owner));
    ok(vote(mine, true, provider));
    ok(vote(mine, false, chain.wallet(2)));
    wait(chain, LATER);
    ok(resolve(mine));
    refused(appeal(mine, seller), 805);
    wait(chain, LATER);
    const before = stx(buyer);
    ok(finalise(mine));
    expect(stx(buyer) - before).toBe(2_000_000n);
  });
  it("without arbiters the members vote, and without members the claim falls and the trade thaws", () => {
    wait(chain, LATER);
    expect(topics(resolve(mine))).toEqual(["dispute-to-members"]);
    ok(vote(mine, true, owner));
    wait(chain, LATER);
    ok(resolve(mine));
    wait(chain, LATER);
    const before = stx(seller);
    expect(topics(finalise(mine))).toEqual(["dispute-final", "trade-thawed"]);
    expect(stx(seller) - before).toBe(1_000_000n);
  });
  it("u800: parties and strangers have no vote", () => {
    for (const who of [buyer, seller, stranger]) refused(vote(mine, true, who), 800);
  });
  it("u802: there must be a dispute", () => {
    refused(vote(999, true, arbiters[0]), 802);
    refused(resolve(999), 802);
    refused(appeal(999, buyer), 802);
    refused(finalise(999), 802);
  });
  it("u805: an open dispute is not carried out", () => refused(finalise(mine), 805));
  it("u807: an appeal has its window", () => {
    ok(vote(mine, true, arbiters[0]));
    ok(vote(mine, true, arbiters[1]));
    wait(chain, LATER);
    ok(resolve(mine));
    wait(chain, LATER);
    refused(appeal(mine, seller), 807);
  });
  it("u801: nothing moves while paused", () => {
    const evidence = sealed(chain.now(), [1]);
    chain.pause(ROOM);
    refused(open(TRADE, trade().id, 1, buyer), 801);
    for (const answer of [vote(mine, true, arbiters[0]), resolve(mine), appeal(mine, buyer), finalise(mine), byReading(mine, evidence), byOpening(mine, told[0], told[0])])
      refused(answer, 801);
    chain.resume(ROOM);
  });
});

describe("opening a dispute", () => {
  it("u800: is for parties: strangers, providers and middle contracts open none", () => {
    const { id } = trade();
    refused(open(TRADE, id, 1, stranger), 800);
    refused(open(BILL, 1, 1, provider), 800);
    const middle = chain.deploy("dispute-middle", `
      (define-public (go (id uint)) (contract-call? '${chain.contract(ROOM)} open-dispute u1 id u1 0x${"07".repeat(32)} u1000000))`, stranger);
    refused(chain.call(middle, "go", [Cl.uint(id)], buyer), 800);
  });
  it("u802, u804: names a trade or bill and a claim that can be granted", () => {
    const { id } = trade();
    refused(open(TRADE, 999, 1, buyer), 802);
    refused(open(BILL, 999, 1, owner), 802);
    refused(open(3, 1, 1, owner), 804);
    refused(open(TRADE, id, 5_001, buyer), 804);
    refused(open(TRADE, id, (1n << 128n) - 1n, buyer), 804);
    refused(open(BILL, 1, 7_000_000, owner), 804);
    refused(open(TRADE, id, 1, buyer, 1_000_000, filled(1, 31)), 804);
  });
  it("u803: is possible once", () => {
    const { id } = trade();
    ok(open(TRADE, id, 1, buyer));
    refused(open(TRADE, id, 1, buyer), 803);
    refused(open(TRADE, id, 1, seller), 803);
  });
  it("u603: of a trade that is over is refused, and no bond is kept", () => {
    const { id } = trade(), before = stx(buyer);
    ok(chain.call("trade-escrow", "settle", [Cl.uint(id), Cl.uint(5_000), none], buyer));
    refused(open(TRADE, id, 1, buyer), 603);
    expect(stx(buyer)).toBe(before);
  });
  it("u604, u1312: of what another court holds is refused", () => {
    const { id } = trade(), held = bill().id;
    chain.grant("court", stranger);
    ok(chain.call("trade-escrow", "freeze-trade", [Cl.uint(id)], stranger));
    ok(chain.call("billing", "hold-bill", [Cl.uint(held), Cl.bool(true)], stranger));
    refused(open(TRADE, id, 1, buyer), 604);
    refused(open(BILL, held, 1, owner), 1312);
  });
  it("u811: costs a bond the claimant has", () => {
    const { id } = trade();
    refused(open(TRADE, id, 1, buyer, 999_999), 811);
    refused(open(TRADE, id, 1, buyer, 1n << 100n), 811);
  });
  it("u807: of a bill ends when it is due", () => {
    const { id } = bill();
    wait(chain, 6 * DAY);
    refused(open(BILL, id, 1, owner), 807);
  });
  it("holds: the contract has exactly the bonds of the disputes that are not final", () => {
    const count = Number(plain(chain.read(ROOM, "get-dispute-count")));
    const bonds = Array.from({ length: count }, (_, i) => (chain.read(ROOM, "get-dispute", [Cl.uint(i + 1)]) as any).value.value)
      .map((one) => BigInt(one.bonds.value));
    expect(count).toBeGreaterThan(15);
    expect(bonds.filter((bond) => bond === 0n).length).toBeGreaterThan(3);
    expect(bonds.reduce((sum, bond) => sum + bond, 0n)).toBe(stx(chain.contract(ROOM)));
  });
});

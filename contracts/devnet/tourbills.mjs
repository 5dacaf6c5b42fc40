// The tour's chapters about private usage: a month of 30 committed days, a bill computed
// from their opened sum, its payment and reward, and a community's total.
import { Cl, signStructuredData } from "@stacks/transactions";
import { IMPORT, anchor, owner, proofOf } from "./tourenergy.mjs";
import { hash, plain, u } from "./walk.mjs";

const DAY = 86_400;
const DAYS = 30;
const SLOTS = 96;
const STX = Cl.none();
const UNLIMITED = 281_474_976_710_656n;
/** Micro-STX a kWh up to and beyond the first 100 kWh, and a day. */
const TARIFF = { first: 100_000, low: 500_000, high: 1_000_000, daily: 10_000 };
const K = 20;
const CELL = "street/small";
const DOMAIN = Cl.tuple({ "chain-id": u(0x80000000), name: Cl.stringAscii("meterseal"), version: Cl.stringAscii("1.0.0") });
const midnight = (time) => Math.ceil(time / DAY) * DAY;
/** What a house uses in the quarter hours of a day, Wh. */
const usage = (day, house = 0) => Array.from({ length: SLOTS }, (_, slot) => 20 + ((slot * 7 + day * 13 + house * 5) % 160));
const charge = (wh) => Math.floor((Math.min(wh, TARIFF.first) * TARIFF.low + Math.max(0, wh - TARIFF.first) * TARIFF.high) / 1000) + DAYS * TARIFF.daily;

export async function month(scene) {
  const { walk, devices, admin, provider, home, keys } = scene;
  walk.chapter("A month: 30 committed days, sealed by Python, each checked on chain and none of them readable");
  await walk.call(admin, "parameters.set-parameter", [Cl.stringAscii("correction-window"), u(600), u(await walk.now() + 60)], { note: "ten minutes, for the tour" });
  const begin = midnight(await walk.now() + 2 * 3_600);
  const blocks = Cl.list([[TARIFF.first, TARIFF.low], [UNLIMITED, TARIFF.high]].map(([upto, price]) => Cl.tuple({ upto: u(upto), price: u(price) })));
  const { value } = await walk.call(provider, "billing.post-tariff", [u(1), blocks, u(TARIFF.daily), STX, u(14 * DAY), u(begin)], { note: "two blocks and a daily charge" });
  await walk.until(begin + DAYS * DAY, "thirty days are metered");
  const days = [];
  for (let n = 0; n < DAYS; n++) days.push(await devices.ask("day", { meter: "house", register: "import", first: begin + n * DAY, values: usage(n) }));
  await anchor(scene);
  for (const day of days) {
    const { header, signature, place } = await proofOf(scene, day, keys.house.key);
    await walk.call(home, "meter-data.submit-usage-proof", [header, signature, ...place]);
  }
  const { header, signature, place } = await proofOf(scene, days[3], keys.house.key);
  await walk.call(home, "meter-data.submit-usage-proof", [header, signature, ...place], { refused: 1004, note: "a header replayed" });
  scene.month = { begin, days, tariff: plain(value) };
}

export async function bills(scene) {
  const { walk, devices, home, provider, keys, month: { begin, days, tariff } } = scene;
  walk.chapter("The bill is computed from the opened sum of the month; paying it in time is rewarded");
  await walk.later(1_200, "the window to correct a day");
  const opened = await devices.ask("open", { indexes: days.map(({ index }) => index) }), amount = charge(opened.usage);
  const hexes = (fields) => Cl.tuple(Object.fromEntries(Object.entries(fields).map(([name, hex]) => [name, Cl.bufferFromHex(hex)])));
  const asked = (change = {}) => Cl.list([Cl.tuple({
    tariff: Cl.bufferFromHex(tariff), meter: keys.house.meter, register: u(IMPORT), from: u(begin), to: u(begin + DAYS * DAY),
    days: Cl.list(opened.steps.map(hexes)), usage: u(opened.usage), z: Cl.bufferFromHex(opened.z), a: Cl.bufferFromHex(""), amount: u(amount), ...change,
  })]);
  walk.say(`the month's sum opens to ${opened.usage} Wh; the tariff makes ${amount} micro-STX of that`);
  await walk.call(provider, "billing.calculate-bills", [asked()], { refused: 1300, note: "the owner did not let the provider open it" });
  await walk.call(home, "billing.let-provider", [keys.house.meter, owner(provider), u(await walk.now() + DAY)]);
  await walk.call(provider, "billing.calculate-bills", [asked({ amount: u(amount + 1) })], { refused: 1310, note: "one micro-STX above tariff x verified usage" });
  await walk.call(provider, "billing.calculate-bills", [asked({ usage: u(opened.usage + 1) })], { refused: 1100, note: "another usage does not open the sum" });
  const bill = plain((await walk.call(provider, "billing.calculate-bills", [asked()], { note: "30 commitments added on chain" })).value)[0];
  await walk.call(home, "payment.pay-bill", [u(bill), u(amount - 1_000), STX], { moves: [walk.sends(home, amount - 1_000)], note: "in parts" });
  await walk.see("payment.get-arrears", [owner(home), u(0)], (found) => found.owed === 1_000n, "what is left");
  const { events } = await walk.call(home, "payment.pay-bill", [u(bill), u(1_000), STX], { moves: [walk.sends(home, 1_000)] });
  if (!events.some((event) => event.contract_log?.value.repr.includes("payment-rewarded"))) throw new Error("no reward was told");
  await walk.see("utility-token.get-balance", [owner(home)], BigInt(Math.floor(amount / 100)), "utility tokens earned by paying in time");
  await walk.call(provider, "billing.post-bill-hash", [hash("a salted bill kept elsewhere")]);
}

/** The total's signature by a trustee, as any Stacks wallet makes it. */
const signedBy = (trustee, message) => Cl.bufferFromHex(signStructuredData({ message, domain: DOMAIN, privateKey: trustee.key }));

export async function community(scene) {
  const { walk, devices, admin, home, trustees, networkId } = scene;
  walk.chapter("A community's total, told without telling of any household");
  const begin = midnight(await walk.now()) - DAY, day = begin / DAY, indexes = [];
  await walk.later(DAY, "a day that ended everywhere");
  for (let house = 0; house < K; house++)
    indexes.push((await devices.ask("day", { meter: `house ${house}`, register: "import", first: begin, values: usage(day, house) })).index);
  const found = await devices.ask("cell", { cell: CELL, day, indexes });
  const place = [Cl.bufferFromHex(networkId), Cl.stringAscii(CELL), u(day)], set = Cl.bufferFromHex(found.set);
  await walk.call(admin, "usage-aggregation.post-set", [...place, set, u(K - 1)], { refused: 1203, note: "fewer than k" });
  await walk.call(admin, "usage-aggregation.post-set", [...place, set, u(K)]);
  const told = (wh) => Cl.tuple({ network: place[0], cell: place[1], day: u(day), set, size: u(K), usage: u(wh) });
  const [one, two] = trustees.map((trustee) => signedBy(trustee, told(found.usage)));
  await walk.call(home, "usage-aggregation.post-total", [...place, u(found.usage), one, one], { refused: 1208, note: "one trustee twice" });
  await walk.call(home, "usage-aggregation.post-total", [...place, u(found.usage + 1), one, two], { refused: 1208, note: "not what they signed" });
  await walk.call(home, "usage-aggregation.post-total", [...place, u(found.usage), one, two], { note: "two of three trustees" });
  await walk.see("usage-aggregation.verify-sum", [...place, Cl.bufferFromHex(found.sum), Cl.bufferFromHex(found.z), Cl.bufferFromHex("")], true, `${K} commitments of Python add up to ${found.usage} Wh`);
  await walk.see("usage-aggregation.get-settlement-usage", [...place, u(1)], (total) => total.usage === BigInt(found.usage) && total.fewest === BigInt(K), "what the community settles by");
}

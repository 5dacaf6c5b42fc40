// The tour's chapters about trading: offers, escrowed trades, a dispute that the contract
// decides by a meter-signed reading, reputation and stakes.
import { Cl } from "@stacks/transactions";
import { WH, anchor, owner, proofOf, readingsOf } from "./tourenergy.mjs";
import { hash, plain, u } from "./walk.mjs";

const HOUR = 3_600;
const DAY = 86_400;
const STX = Cl.none();
/** Millionths of an STX a kWh. */
const PRICE = 200_000;
const priced = (wh) => (wh * PRICE) / 1000;

export async function market({ walk, admin, seller, buyer }) {
  walk.chapter("Minted energy changes hands at the community's price");
  const fund = "marketplace";
  await walk.call(seller, "marketplace.add-energy-for-sale", [u(5_000)], { moves: [walk.sends(seller, 5_000, WH)] });
  await walk.call(seller, "marketplace.remove-energy-from-sale", [u(1_000)], { moves: [walk.sends(fund, 1_000, WH)] });
  await walk.call(buyer, "marketplace.buy-energy-from-user", [owner(seller), u(2_000), u(204_000)], { broken: true, note: "Deny mode: the buyer's wallet allowed nothing to move" });
  await walk.call(buyer, "marketplace.buy-energy-from-user", [owner(seller), u(2_000), u(204_000)], { moves: [walk.sends(buyer, 204_000), walk.sends(fund, 2_000, WH)], note: "price and 2 % commission" });
  await walk.call(admin, "marketplace.fund-refunds", [u(100_000)], { moves: [walk.sends(admin, 100_000)] });
  await walk.call(buyer, "marketplace.refund-energy", [u(1_000)], { moves: [walk.sends(buyer, 1_000, WH), walk.sends(fund, 90_000)] });
  await walk.call(buyer, "marketplace.refund-energy", [u(1_001)], { refused: 512, note: "more than was bought" });
}

async function offer(scene) {
  const { walk, seller } = scene, now = await walk.now(), from = Math.ceil((now + 2 * HOUR) / HOUR) * HOUR;
  const listed = (price, wh) => [u(price), u(wh), u(from), u(from + HOUR)];
  const { value } = await walk.call(seller, "marketplace.list-offer", [...listed(PRICE / 2, 20_000), STX]);
  const number = plain(value);
  await walk.call(seller, "marketplace.update-offer", [u(number), u(PRICE), u(25_000)]);
  const other = await walk.call(seller, "marketplace.list-offer", [...listed(PRICE, 1_000), STX]);
  await walk.call(seller, "marketplace.cancel-offer", [u(plain(other.value))]);
  await walk.see("marketplace.get-offer-details", [u(number)], (found) => found.quantity === 25_000n && found.open, "25,000 Wh in one hour to come");
  return { number, from };
}

export async function escrow(scene) {
  const { walk, admin, seller, buyer, home, oracle } = scene, holder = "trade-escrow";
  walk.chapter("Offers and trades: the buyer's money waits in escrow");
  const { number, from } = await offer(scene);
  await walk.call(admin, "parameters.set-parameter", [Cl.stringAscii("trade-fee"), u(100), u(await walk.now() + 60)], { note: "1 %, from a minute on" });
  await walk.later(100, "the fee holds");
  const open = async (wh, note) => plain((await walk.call(buyer, "trade-escrow.open-trade", [u(number), u(wh), u(priced(wh)), STX], { moves: [walk.sends(buyer, priced(wh))], note })).value);
  const delivered = await open(5_000, "will be delivered in part"), regretted = await open(1_000, "will be cancelled");
  const forgotten = await open(2_000, "nobody will say what became of it"), disputed = await open(5_000, "will be disputed"), released = await open(500, "the buyer will release it");
  await walk.call(seller, "trade-escrow.open-trade", [u(number), u(1_000), u(priced(1_000)), STX], { refused: 606, note: "not with oneself" });
  await walk.call(buyer, "trade-escrow.cancel", [u(regretted), STX], { moves: [walk.sends(holder, priced(1_000))] });
  await walk.call(buyer, "trade-escrow.settle", [u(released), u(500), STX], { moves: [walk.sends(holder, priced(500))], note: "early, in full" });
  await walk.until(from + HOUR, "the hour is metered");
  scene.evidence = await scene.devices.ask("seal", { meter: "panel", register: "export", first: from, deltas: [500, 600, 700, 800], revision: 0 });
  await anchor(scene);
  await walk.call(oracle, "energy-oracle.confirm-delivery", [u(delivered), u(4_000), hash("readings of the hour")]);
  await walk.call(home, "trade-escrow.settle", [u(delivered), u(5_000), STX], { refused: 608, note: "not what was confirmed" });
  await walk.call(home, "trade-escrow.settle", [u(delivered), u(4_000), STX], { moves: [walk.sends(holder, priced(5_000))], note: "pro rata, fee and rest" });
  await walk.see("trade-escrow.get-held", [STX], BigInt(priced(7_000)), "what open trades hold");
  scene.trades = { delivered, regretted, forgotten, disputed, released, until: from + HOUR };
}

const COIN = `;; A coin anybody can make: worth nothing, for the tour.
(define-fungible-token coin)
(define-public (transfer (amount uint) (sender principal) (recipient principal) (memo (optional (buff 34))))
  (begin (asserts! (or (is-eq sender contract-caller) (is-eq sender tx-sender)) (err u1)) (ft-transfer? coin amount sender recipient)))
(define-public (mint (amount uint) (to principal)) (ft-mint? coin amount to))
(define-read-only (get-balance (who principal)) (ok (ft-get-balance coin who)))`;
const TOKEN = ["tour-coin", "coin"];

export async function stablecoin({ walk, admin, seller, buyer }) {
  walk.chapter("A trade in an allow-listed token");
  await walk.deploy(admin, TOKEN[0], COIN);
  const coin = Cl.principal(walk.contract(TOKEN[0])), asset = Cl.some(coin), from = Math.ceil((await walk.now() + HOUR) / HOUR) * HOUR;
  await walk.call(buyer, "tour-coin.mint", [u(1_000_000), owner(buyer)]);
  const { value } = await walk.call(seller, "marketplace.list-offer", [u(PRICE), u(2_000), u(from), u(from + HOUR), asset]);
  const asked = [u(plain(value)), u(2_000), u(priced(2_000)), asset];
  await walk.call(buyer, "trade-escrow.open-trade", asked, { refused: 605, note: "not on the list" });
  await walk.call(admin, "trade-escrow.allow-asset", [coin, Cl.bool(true)]);
  const trade = plain((await walk.call(buyer, "trade-escrow.open-trade", asked, { moves: [walk.sends(buyer, priced(2_000), TOKEN)] })).value);
  await walk.call(buyer, "trade-escrow.settle", [u(trade), u(2_000), asset], { moves: [walk.sends("trade-escrow", priced(2_000), TOKEN)], note: "released" });
  await walk.see("tour-coin.get-balance", [owner(seller)], BigInt(priced(2_000) * 0.99), "the seller has the coins, less 1 %");
}

export async function court(scene) {
  const { walk, buyer, seller, home, evidence, trades, keys } = scene, room = "dispute-resolution";
  walk.chapter("A dispute is decided by the contract, from what the seller's meter signed");
  const { value } = await walk.call(buyer, `${room}.open-dispute`, [u(1), u(trades.disputed), u(3_000), hash("the buyer's note"), u(1_000_000)], { moves: [walk.sends(buyer, 1_000_000)], note: "at most 3,000 of 5,000 Wh came" });
  const number = u(plain(value));
  await walk.call(buyer, "trade-escrow.settle", [u(trades.disputed), u(5_000), STX], { refused: 604, note: "frozen" });
  const { header, signature, place } = await proofOf(scene, evidence, keys.panel.key);
  const readings = Cl.list(readingsOf(evidence).map((one) => Cl.tuple(one)));
  const forged = Cl.list(readingsOf(evidence).map((one, index) => Cl.tuple(index ? one : { ...one, record: Cl.tuple({ ...one.record.value, delta: u(5_000) }) })));
  await walk.call(seller, `${room}.decide-by-reading`, [number, header, signature, forged, ...place], { refused: 809, note: "a forged reading" });
  await walk.call(home, `${room}.decide-by-reading`, [number, header, signature, readings, ...place], { note: "2,600 Wh, says the meter" });
  await walk.call(home, `${room}.finalise`, [number], { refused: 808, note: "the window to show better is open" });
  await walk.later(3 * DAY, "the appeal window");
  await walk.call(home, `${room}.finalise`, [number], { moves: [walk.sends(room, 1_000_000)] });
  await walk.call(home, "trade-escrow.settle", [u(trades.disputed), u(2_600), STX], { moves: [walk.sends("trade-escrow", priced(5_000))] });
}

export async function reputation(scene) {
  const { walk, admin, seller, buyer, home, arbiter, trades } = scene, bank = "reputation";
  walk.chapter("Trades are counted and rated; a stake is slashed and paid back; a trade expires");
  for (const trade of [trades.released, trades.delivered, trades.regretted]) await walk.call(home, "reputation.record-trade", [u(trade)]);
  await walk.call(home, "reputation.record-trade", [u(trades.delivered)], { refused: 703, note: "counted once" });
  await walk.call(buyer, "reputation.rate", [u(trades.delivered), u(4), hash("a bit less than promised")]);
  await walk.call(seller, "reputation.rate", [u(trades.delivered), u(5), hash("paid at once")]);
  await walk.call(home, "reputation.rate", [u(trades.delivered), u(1), hash("envy")], { refused: 704, note: "no party" });
  await walk.call(seller, "reputation.stake", [u(100_000_000)], { moves: [walk.sends(seller, 100_000_000)] });
  await walk.call(admin, "roles.grant", [Cl.stringAscii("court"), owner(arbiter)]);
  await walk.call(arbiter, "reputation.slash", [owner(seller), u(10_000_000), owner(buyer)], { moves: [walk.sends(bank, 10_000_000)] });
  await walk.call(admin, "roles.revoke", [Cl.stringAscii("court"), owner(arbiter)]);
  await walk.call(seller, "reputation.request-unstake", [u(90_000_000)]);
  await walk.call(seller, "reputation.unstake", [], { refused: 707, note: "cooling down" });
  await walk.until(Math.max(await walk.now(), trades.until) + 8 * DAY, "a cool-down of a week, and nobody spoke of the forgotten trade");
  await walk.call(seller, "reputation.unstake", [], { moves: [walk.sends(bank, 90_000_000)] });
  await walk.call(home, "trade-escrow.expire", [u(trades.forgotten), STX], { moves: [walk.sends("trade-escrow", priced(2_000))] });
  await walk.see("trade-escrow.get-held", [STX], 0n, "nothing is held any more");
}

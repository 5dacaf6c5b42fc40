// A chain on which a little of everything is there, and one account may do nearly all.
import { Cl, type ClarityValue } from "@stacks/transactions";
import { DAY, EXPORT } from "./sealed";
import { Log, Meter, anchor, request, set, submission } from "./street";
import { Chain, filled, ok, plain, wait } from "./support";
import { bind, mint, world } from "./world";

const COIN = `
(define-fungible-token coin)
(define-public (transfer (amount uint) (sender principal) (recipient principal) (memo (optional (buff 34))))
  (begin (asserts! (is-eq sender tx-sender) (err u1)) (ft-transfer? coin amount sender recipient)))
(define-read-only (get-balance (who principal)) (ok (ft-get-balance coin who)))`;
const HASH = Cl.buffer(filled(5, 32));
const MANY = Cl.uint(10n ** 15n);

export type Everything = { chain: Chain; coin: string; evidence: ClarityValue[]; provider: string };

/** Whoever deployed holds every role, is a certified producer, a buyer and a staker; wallet 1
 * sells to it, wallet 4 has a meter with a bill by wallet 6, and a signed day to bring. */
export async function everything(): Promise<Everything> {
  const chain = await world();
  const [own, seller, home, provider] = [chain.deployer, ...[1, 4, 6].map((index) => chain.wallet(index))];
  for (const role of ["escrow", "court", "rewarder", "recorder", "arbiter"]) chain.grant(role, own);
  const register = (part: string, who: string) => {
    ok(chain.call("user-registry", `register-${part}`, [HASH], who));
    ok(chain.call("user-registry", "verify-user", [Cl.principal(who), Cl.bool(true)]));
  };
  register("producer", own);
  register("provider", provider);
  ok(chain.call("producer-certification", "authorise-certifier", [Cl.principal(seller), Cl.uint(3)]));
  ok(chain.call("producer-certification", "apply-for-certification", [Cl.uint(5000), Cl.stringAscii("solar")]));
  ok(chain.call("producer-certification", "certify-producer", [Cl.principal(own)], seller));
  bind(chain, 1);
  const coin = chain.deploy("coin", COIN);
  trades(chain, own, seller);
  return { chain, coin, evidence: await bills(chain, home, provider), provider };
}

function trades(chain: Chain, own: string, seller: string): void {
  mint(chain, 1, 50_000);
  ok(chain.call("energy-token", "transfer", [Cl.uint(20_000), Cl.principal(seller), Cl.principal(own), Cl.none()], seller));
  ok(chain.call("marketplace", "add-energy-for-sale", [Cl.uint(10_000)], seller));
  ok(chain.call("marketplace", "buy-energy-from-user", [Cl.principal(seller), Cl.uint(500), MANY]));
  ok(chain.call("marketplace", "add-energy-for-sale", [Cl.uint(10_000)]));
  for (const who of [own, seller]) ok(chain.call("reputation", "stake", [Cl.uint(5_000)], who));
  ok(chain.call("utility-token", "mint", [Cl.uint(5_000), Cl.principal(own)]));
  const from = chain.now() + 30 * DAY;
  for (let i = 0; i < 3; i++)
    ok(chain.call("marketplace", "list-offer", [Cl.uint(200_000), Cl.uint(10_000), Cl.uint(from), Cl.uint(from + 900), Cl.none()], seller));
  for (let i = 0; i < 3; i++) ok(chain.call("trade-escrow", "open-trade", [Cl.uint(1), Cl.uint(100), MANY, Cl.none()]));
  ok(chain.call("dispute-resolution", "open-dispute", [Cl.uint(1), Cl.uint(1), Cl.uint(50), HASH, Cl.uint(2_000_000)]));
  ok(chain.call("energy-oracle", "confirm-delivery", [Cl.uint(2), Cl.uint(80), HASH]));
  ok(chain.call("governance", "propose", [Cl.uint(1), Cl.uint(1), HASH, Cl.stringAscii("x"), Cl.uint(1), Cl.none()]));
  ok(chain.call("governance", "vote", [Cl.uint(1), Cl.bool(true), Cl.uint(5)]));
  const issuance = Cl.buffer(Buffer.from(plain(chain.read("energy-token", "mint-id", [Cl.uint(9), Cl.uint(EXPORT), Cl.uint(900)])), "hex"));
  ok(chain.call("energy-token", "mint", [Cl.principal(seller), ...[9n, EXPORT, 900n, 1800n, 0n, 100n].map((number) => Cl.uint(number))]));
  ok(chain.call("energy-token", "reverse", [issuance, Cl.uint(0), Cl.uint(10)]));
}

/** Two billed days of a home, and the arguments that bring its third. */
async function bills(chain: Chain, home: string, provider: string): Promise<ClarityValue[]> {
  const log = new Log(), meter = await Meter.bound(chain, log, 0x62, home);
  ok(set(chain, "correction-window", 600));
  const begins = (Math.floor(chain.now() / DAY) + 1) * DAY;
  const terms = [Cl.uint(0), Cl.list([Cl.tuple({ upto: Cl.uint(281474976710656n), price: Cl.uint(1_000_000) })]), Cl.uint(0), Cl.none(), Cl.uint(30 * DAY), Cl.uint(begins)];
  const tariff = Buffer.from(plain(ok(chain.call("billing", "post-tariff", terms, provider))), "hex");
  wait(chain, 600);
  const days = [0, 1, 2].map((i) => meter.day(begins + i * DAY, 1_000n));
  ok(anchor(chain, log));
  for (const day of days.slice(0, 2)) ok(meter.submit(day));
  wait(chain, 1_200);
  for (const day of days.slice(0, 2)) ok(chain.call("billing", "calculate-bills", [Cl.list([request(tariff, meter, [day], 1_000_000n)])], home));
  return submission(days[2], log);
}

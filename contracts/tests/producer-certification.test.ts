import { Cl } from "@stacks/transactions";
import { beforeAll, describe, expect, it } from "vitest";
import { Chain, filled, ok, plain, refused, topics } from "./support";
import { world } from "./world";

let chain: Chain;
const room = "producer-certification";
const apply = (wallet: number, capacity = 5000, source = "solar") =>
  chain.call(room, "apply-for-certification", [Cl.uint(capacity), Cl.stringAscii(source)], chain.wallet(wallet));
const who = (wallet: number) => Cl.principal(chain.wallet(wallet));
const record = (wallet: number, energy: number, from: number, to: number, sender = chain.deployer) =>
  chain.call(room, "record-production", [who(wallet), Cl.uint(energy), Cl.uint(from), Cl.uint(to)], sender);
const producer = (wallet: number) => plain(chain.read(room, "get-producer", [who(wallet)]));

beforeAll(async () => {
  chain = await world();
  for (const wallet of [6, 7]) {
    ok(chain.call("user-registry", "register-producer", [Cl.buffer(filled(1, 32))], chain.wallet(wallet)));
    ok(chain.call("user-registry", "verify-user", [who(wallet), Cl.bool(true)]));
  }
});

describe("applications", () => {
  it("pay the fee, are certified, and leave a trail", () => {
    const before = plain(chain.read(room, "get-fees-held"));
    const answer = apply(6);
    expect(topics(answer)).toEqual(["certification-applied"]);
    expect(plain(chain.read(room, "get-fees-held")) - before).toBe(1_000_000n);
    ok(chain.call(room, "certify-producer", [who(6)]));
    expect(plain(chain.read(room, "is-certified", [who(6)]))).toBe(true);
    const size = Number(plain(chain.read(room, "get-trail-size")));
    expect(plain(chain.read(room, "get-trail-entry", [Cl.uint(size - 1)]))).toMatchObject({ action: "certified", producer: chain.wallet(6) });
  });
  it("u202 to u204, u211: come from verified producers, in range, named, once", () => {
    refused(apply(3), 202);
    refused(apply(7, 99), 203);
    refused(apply(7, 10_000_001), 203);
    refused(apply(7, 5000, ""), 211);
    refused(apply(6), 204);
  });
  it("u213: and with the fee in hand", () => {
    ok(chain.call(room, "set-certification-fee", [Cl.uint(10n ** 15n)]));
    refused(apply(7), 213);
    ok(chain.call(room, "set-certification-fee", [Cl.uint(0)]));
    expect(plain(chain.read(room, "get-certification-fee"))).toBe(0n);
    ok(apply(7));
    refused(apply(7), 204);
  });
  it("u206, u208, u214: are decided by a certifier of the level, not by oneself", () => {
    const certify = (sender: string) => chain.call(room, "certify-producer", [who(7)], sender);
    refused(certify(chain.wallet(8)), 208);
    ok(chain.call(room, "authorise-certifier", [who(7), Cl.uint(3)]));
    refused(certify(chain.wallet(7)), 214);
    ok(chain.call(room, "authorise-certifier", [who(8), Cl.uint(1)]));
    refused(chain.call(room, "revoke-certification", [who(7), Cl.stringAscii("no")], chain.wallet(8)), 206);
    ok(certify(chain.wallet(8)));
    refused(certify(chain.wallet(8)), 205);
    refused(chain.call(room, "certify-producer", [who(3)]), 205);
  });
  it("u206: a certifier of level 1 stops at 10 kW, one of level 2 does not", () => {
    ok(chain.call(room, "revoke-certification", [who(7), Cl.stringAscii("larger plant")]));
    ok(apply(7, 10_001));
    refused(chain.call(room, "certify-producer", [who(7)], chain.wallet(8)), 206);
    ok(chain.call(room, "authorise-certifier", [who(8), Cl.uint(2)]));
    expect(plain(chain.read(room, "get-certifier-level", [who(8)]))).toBe(2n);
    ok(chain.call(room, "certify-producer", [who(7)], chain.wallet(8)));
  });
  it("u207, u211: are revoked once, with a reason, also while paused", () => {
    refused(chain.call(room, "revoke-certification", [who(7), Cl.stringAscii("")]), 211);
    refused(chain.call(room, "revoke-certification", [who(3), Cl.stringAscii("x")]), 207);
    refused(chain.call(room, "revoke-certification", [who(7), Cl.stringAscii("x")], chain.wallet(2)), 208);
    chain.pause(room);
    ok(chain.call(room, "revoke-certification", [who(7), Cl.stringAscii("meter tampered")]));
    chain.resume(room);
    refused(chain.call(room, "revoke-certification", [who(7), Cl.stringAscii("again")]), 207);
    expect(plain(chain.read(room, "is-certified", [who(7)]))).toBe(false);
  });
  it("u201: wait while paused", () => {
    ok(apply(7));
    chain.pause(room);
    refused(apply(2), 201);
    refused(chain.call(room, "certify-producer", [who(7)]), 201);
    refused(record(6, 1, 1, 2), 201);
    chain.resume(room);
  });
});

describe("production", () => {
  it("is recorded in order, at most 110 % of capacity, by the oracle", () => {
    // 5 kW x 1 h x 1.1 = 5,500 Wh.
    expect(topics(record(6, 5500, 3600, 7200))).toEqual(["production-recorded"]);
    expect(producer(6)).toMatchObject({ produced: 5500n, through: 7200n });
    refused(record(6, 5501, 7200, 10800), 209);
    refused(record(6, 1, 7199, 10800), 209);
    refused(record(6, 1, 7200, 7200), 209);
    refused(record(6, 1, 7200, chain.now() + 10 * 86400), 209);
  });
  it("u200, u207: by nobody else, for nobody uncertified", () => {
    refused(record(6, 1, 7200, 7201, chain.wallet(6)), 200);
    refused(record(3, 1, 1, 2), 207);
    refused(record(7, 1, 1, 2), 207);
  });
});

describe("settings", () => {
  it("u200: are the admin's, whoever calls through whom", () => {
    const calls: [string, any[]][] = [
      ["authorise-certifier", [who(1), Cl.uint(1)]], ["deauthorise-certifier", [who(8)]], ["set-certification-fee", [Cl.uint(1)]],
      ["set-minimum-production", [Cl.uint(1)]], ["set-maximum-production", [Cl.uint(1)]], ["withdraw-fees", [Cl.uint(1), who(1)]]];
    for (const [name, args] of calls) refused(chain.call(room, name, args, chain.wallet(1)), 200);
    const middle = chain.deploy("certification-middle", `(define-public (go) (contract-call? '${chain.contract(room)} authorise-certifier '${chain.wallet(1)} u3))`);
    refused(chain.call(middle, "go"), 200);
  });
  it("u208: levels are 1 to 3, and only a certifier loses one", () => {
    for (const level of [0, 4]) refused(chain.call(room, "authorise-certifier", [who(1), Cl.uint(level)]), 208);
    ok(chain.call(room, "deauthorise-certifier", [who(8)]));
    refused(chain.call(room, "deauthorise-certifier", [who(8)]), 208);
  });
  it("u210: the minimum stays above zero and below the maximum, capacities and fees below all there is", () => {
    for (const [name, value] of [["set-minimum-production", 0n], ["set-maximum-production", 10n ** 12n + 1n], ["set-certification-fee", 10n ** 15n + 1n]] as const)
      for (const wrong of [value, ...(value ? [(1n << 128n) - 1n] : [])]) refused(chain.call(room, name, [Cl.uint(wrong)]), 210);
    refused(chain.call(room, "set-minimum-production", [Cl.uint(10_000_001)]), 210);
    refused(chain.call(room, "set-maximum-production", [Cl.uint(99)]), 210);
    ok(chain.call(room, "set-minimum-production", [Cl.uint(200)]));
    ok(chain.call(room, "set-maximum-production", [Cl.uint(300)]));
    expect([plain(chain.read(room, "get-minimum-production")), plain(chain.read(room, "get-maximum-production"))]).toEqual([200n, 300n]);
  });
  it("u212, u213: fees are paid out once, to somebody else", () => {
    const held = plain(chain.read(room, "get-fees-held"));
    refused(chain.call(room, "withdraw-fees", [Cl.uint(held + 1n), who(8)]), 212);
    refused(chain.call(room, "withdraw-fees", [Cl.uint(0), who(8)]), 212);
    refused(chain.call(room, "withdraw-fees", [Cl.uint(1), Cl.principal(chain.contract(room))]), 213);
    ok(chain.call(room, "withdraw-fees", [Cl.uint(held), who(8)]));
    expect(plain(chain.read(room, "get-fees-held"))).toBe(0n);
  });
});

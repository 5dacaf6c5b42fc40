import { Cl } from "@stacks/transactions";
import { beforeAll, describe, expect, it } from "vitest";
import { highS } from "./curve";
import { Chain, filled, ok, plain, refused, topics } from "./support";
import { bind, binding, meterOf, publicOf, rotation, world } from "./world";

let chain: Chain;
const registry = "user-registry";
const profile = Cl.buffer(filled(6, 32));
const meter = (index: number) => Cl.buffer(meterOf(index));
const asked = (index: number, from = 1) => [meter(index), Cl.buffer(publicOf(index)), Cl.bool(false), Cl.uint(from)];

beforeAll(async () => { chain = await world(); });

describe("users", () => {
  it("register as producer, consumer or provider, and are known", () => {
    expect(topics(chain.call(registry, "register-provider", [profile], chain.wallet(6)))).toEqual(["user-registered"]);
    expect(plain(chain.read(registry, "get-user", [Cl.principal(chain.wallet(6))]))).toMatchObject({ part: 3n, verified: false });
    expect(plain(chain.read(registry, "get-user", [Cl.principal(chain.wallet(1))])).part).toBe(1n);
    expect(plain(chain.read(registry, "get-user", [Cl.principal(chain.wallet(3))])).part).toBe(2n);
    expect(plain(chain.read(registry, "get-user-count"))).toBe(6n);
  });
  it("u102: register once, whatever the part", () => {
    for (const part of ["register-producer", "register-consumer", "register-provider"])
      refused(chain.call(registry, part, [profile], chain.wallet(1)), 102);
  });
  it("u113: a profile hash has 32 bytes", () => {
    for (const part of ["register-producer", "register-consumer", "register-provider"])
      refused(chain.call(registry, part, [Cl.buffer(filled(1, 31))], chain.wallet(7)), 113);
    refused(chain.call(registry, "set-profile", [Cl.buffer(filled(1, 31))], chain.wallet(1)), 113);
  });
  it("lose their verification with a new profile, and get it from the registrar", () => {
    ok(chain.call(registry, "set-profile", [profile], chain.wallet(4)));
    expect(plain(chain.read(registry, "is-verified", [Cl.principal(chain.wallet(4))]))).toBe(false);
    ok(chain.call(registry, "verify-user", [Cl.principal(chain.wallet(4)), Cl.bool(true)]));
    expect(plain(chain.read(registry, "is-verified", [Cl.principal(chain.wallet(4))]))).toBe(true);
    expect(plain(chain.read(registry, "get-profile", [Cl.principal(chain.wallet(4))]))).toBe("06".repeat(32));
  });
  it("u100, u103: only the registrar verifies, and only users", () => {
    refused(chain.call(registry, "verify-user", [Cl.principal(chain.wallet(4)), Cl.bool(true)], chain.wallet(4)), 100);
    refused(chain.call(registry, "verify-user", [Cl.principal(chain.wallet(8)), Cl.bool(true)]), 103);
    refused(chain.call(registry, "set-profile", [profile], chain.wallet(8)), 103);
  });
  it("u100: a contract the registrar calls is no registrar", () => {
    const middle = chain.deploy("registry-middle", `(define-public (go) (contract-call? '${chain.contract(registry)} verify-user '${chain.wallet(5)} true))`);
    refused(chain.call(middle, "go"), 100);
  });
  it("u100, u111, u113: the network's id is set once, by the admin", async () => {
    refused(chain.call(registry, "set-network", [Cl.buffer(filled(1, 32))]), 111);
    refused(chain.call(registry, "set-network", [Cl.buffer(filled(1, 32))], chain.wallet(1)), 100);
    const fresh = await Chain.bare();
    refused(fresh.call(registry, "set-network", [Cl.buffer(filled(1, 31))]), 113);
    ok(fresh.call(registry, "set-network", [Cl.buffer(filled(1, 32))]));
  });
});

describe("meters", () => {
  it("are bound by registrar, owner and seal key together", () => {
    bind(chain, 1);
    expect(plain(chain.read(registry, "get-meter", [meter(1)]))).toMatchObject({ owner: chain.wallet(1), epoch: 0n });
    expect(plain(chain.read(registry, "get-key-at", [meter(1), Cl.uint(1)])).key).toBe(Buffer.from(publicOf(1)).toString("hex"));
  });
  it("u103, u106, u109, u113: a request names a free meter, a key and a first seq", () => {
    refused(chain.call(registry, "request-meter", asked(20), chain.wallet(8)), 103);
    refused(chain.call(registry, "request-meter", asked(1), chain.wallet(2)), 106);
    refused(chain.call(registry, "request-meter", asked(20, 0), chain.wallet(2)), 109);
    refused(chain.call(registry, "request-meter", [Cl.buffer(filled(1, 15)), ...asked(20).slice(1)], chain.wallet(2)), 113);
    refused(chain.call(registry, "request-meter", [meter(20), Cl.buffer(filled(2, 32)), Cl.bool(false), Cl.uint(1)], chain.wallet(2)), 113);
  });
  it("u100, u106 to u108, u112: a binding without one of the three is refused", () => {
    const two = chain.wallet(2);
    refused(chain.call(registry, "bind-meter", [meter(21), Cl.principal(two), Cl.buffer(binding(two, 21, 21))]), 107);
    ok(chain.call(registry, "request-meter", asked(21), two));
    refused(chain.call(registry, "bind-meter", [meter(21), Cl.principal(two), Cl.buffer(binding(two, 21, 21))], two), 100);
    refused(chain.call(registry, "bind-meter", [meter(21), Cl.principal(two), Cl.buffer(binding(two, 21, 22))]), 108);
    refused(chain.call(registry, "bind-meter", [meter(21), Cl.principal(two), Cl.buffer(binding(chain.wallet(1), 21, 21))]), 108);
    refused(chain.call(registry, "bind-meter", [meter(21), Cl.principal(two), Cl.buffer(highS(binding(two, 21, 21)))]), 108);
    ok(chain.call(registry, "request-meter", asked(21), chain.wallet(5)));
    refused(chain.call(registry, "bind-meter", [meter(21), Cl.principal(chain.wallet(5)), Cl.buffer(binding(chain.wallet(5), 21, 21))]), 112);
    ok(chain.call(registry, "request-meter", asked(21), chain.wallet(1)));
    ok(chain.call(registry, "bind-meter", [meter(21), Cl.principal(two), Cl.buffer(binding(two, 21, 21))]));
    refused(chain.call(registry, "bind-meter", [meter(21), Cl.principal(chain.wallet(1)), Cl.buffer(binding(chain.wallet(1), 21, 21))]), 106);
  });
  it("u111: nothing is bound before the network is known", async () => {
    const fresh = await Chain.wired();
    ok(fresh.call(registry, "register-producer", [profile], fresh.wallet(1)));
    ok(fresh.call(registry, "request-meter", asked(1), fresh.wallet(1)));
    refused(fresh.call(registry, "bind-meter", [meter(1), Cl.principal(fresh.wallet(1)), Cl.buffer(filled(0, 65))]), 111);
    expect(plain(fresh.read(registry, "rotation-hash", [meter(1), Cl.buffer(publicOf(2)), Cl.uint(2)]))).toBeNull();
  });
});

describe("keys", () => {
  const rotate = (index: number, next: number, from: number, old = index, by = next, sender = chain.wallet(1)) =>
    chain.call(registry, "rotate-meter-key", [meter(index), Cl.buffer(publicOf(next)), Cl.bool(false), Cl.uint(from),
      Cl.buffer(rotation(index, next, from, old)), Cl.buffer(rotation(index, next, from, by))], sender);
  it("rotate by both keys, also while paused, and each seq keeps its key", () => {
    bind(chain, 2);
    chain.pause(registry);
    ok(rotate(2, 40, 10));
    chain.resume(registry);
    const at = (seq: number) => plain(chain.read(registry, "get-key-at", [meter(2), Cl.uint(seq)]))?.key;
    expect(at(0)).toBeUndefined();
    expect(at(9)).toBe(Buffer.from(publicOf(2)).toString("hex"));
    expect(at(10)).toBe(Buffer.from(publicOf(40)).toString("hex"));
    expect(plain(chain.read(registry, "get-key", [meter(2), Cl.uint(1)]))["from-seq"]).toBe(10n);
  });
  it("u100, u105, u108, u109, u113: a rotation by fewer, earlier or of nothing is refused", () => {
    refused(rotate(2, 41, 20, 40, 41, chain.wallet(3)), 100);
    refused(rotate(99, 41, 20), 105);
    refused(rotate(2, 41, 20, 41, 41), 108);
    refused(rotate(2, 41, 20, 40, 40), 108);
    refused(rotate(2, 41, 10, 40), 109);
    refused(chain.call(registry, "rotate-meter-key", [meter(2), Cl.buffer(filled(2, 32)), Cl.bool(false), Cl.uint(30),
      Cl.buffer(filled(0, 65)), Cl.buffer(filled(0, 65))], chain.wallet(1)), 113);
  });
  it("are revoked from a seq after what is anchored, once, and headers before stand", () => {
    bind(chain, 3);
    refused(chain.call(registry, "revoke-meter", [meter(3), Cl.uint(5), Cl.uint(6)], chain.wallet(4)), 100);
    refused(chain.call(registry, "revoke-meter", [meter(98), Cl.uint(5), Cl.uint(6)]), 105);
    refused(chain.call(registry, "revoke-meter", [meter(3), Cl.uint(5), Cl.uint(5)]), 109);
    chain.pause(registry);
    ok(chain.call(registry, "revoke-meter", [meter(3), Cl.uint(5), Cl.uint(6)], chain.wallet(1)));
    chain.resume(registry);
    refused(chain.call(registry, "revoke-meter", [meter(3), Cl.uint(5), Cl.uint(7)]), 110);
    refused(rotate(3, 42, 8), 110);
    expect(plain(chain.read(registry, "get-key-at", [meter(3), Cl.uint(6)]))).toBeNull();
    expect(plain(chain.read(registry, "get-key-at", [meter(3), Cl.uint(5)]))).not.toBeNull();
  });
  it("lost are replaced by owner and registrar, and minting waits 72 hours", () => {
    const replace = (by: number, sender = chain.deployer) => chain.call(registry, "replace-meter-key", [meter(3), Cl.buffer(rotation(3, 43, 9, by))], sender);
    const request = (index: number, from: number, key = publicOf(43), sender = chain.wallet(1)) =>
      chain.call(registry, "request-new-key", [meter(index), Cl.buffer(key), Cl.bool(false), Cl.uint(from)], sender);
    refused(replace(43), 107);
    refused(request(97, 9), 105);
    refused(request(3, 9, publicOf(43), chain.wallet(2)), 100);
    refused(request(3, 0), 109);
    refused(request(3, 9, filled(2, 32)), 113);
    ok(request(3, 5));
    refused(replace(43), 109);
    ok(request(3, 9));
    refused(replace(43, chain.wallet(1)), 100);
    refused(replace(44), 108);
    refused(chain.call(registry, "replace-meter-key", [meter(97), Cl.buffer(filled(0, 65))]), 105);
    ok(replace(43));
    const bound = plain(chain.read(registry, "get-meter", [meter(3)]));
    expect(Number(bound["mints-from"])).toBeGreaterThan(chain.now() + 72 * 3600 - 3600);
    const at = (seq: number) => plain(chain.read(registry, "get-key-at", [meter(3), Cl.uint(seq)]));
    expect(at(9)).not.toBeNull();
    // The lost key stays revoked between its end and the new key's first seq.
    expect(at(8)).toBeNull();
    expect(at(5)).not.toBeNull();
  });
  it("u101: while paused nobody registers, asks or is bound", () => {
    chain.pause(registry);
    refused(chain.call(registry, "register-producer", [profile], chain.wallet(8)), 101);
    refused(chain.call(registry, "register-consumer", [profile], chain.wallet(8)), 101);
    refused(chain.call(registry, "register-provider", [profile], chain.wallet(8)), 101);
    refused(chain.call(registry, "set-profile", [profile], chain.wallet(1)), 101);
    refused(chain.call(registry, "request-meter", asked(30), chain.wallet(1)), 101);
    chain.resume(registry);
    ok(chain.call(registry, "request-meter", asked(30), chain.wallet(1)));
    chain.pause(registry);
    refused(chain.call(registry, "bind-meter", [meter(30), Cl.principal(chain.wallet(1)), Cl.buffer(binding(chain.wallet(1), 30, 30))]), 101);
    chain.resume(registry);
  });
});

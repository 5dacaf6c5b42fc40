// A meter whose key changed: what waits, what stands, and what nobody unmakes by it.
import { Cl, type ClarityValue } from "@stacks/transactions";
import { beforeAll, describe, expect, it } from "vitest";
import { EXPORT, DAY, NETWORK, buffers, consensus, digest, pathOf, rootOf } from "./sealed";
import { sha256 } from "./curve";
import { Log, Meter, START, anchor, publicKey, sign, submission, type Told } from "./street";
import { Chain, filled, ok, plain, refused, wait } from "./support";
import { bind, meterOf, publicOf, rotation, world } from "./world";

const HOURS_72 = 259_200n;
let chain: Chain;
const registry = "user-registry";
const meter = (index: number) => Cl.buffer(meterOf(index));

/** The owner lost the key of meter `index`; the registrar puts key `next` in its place. */
function replace(index: number, next: number, from: number, wallet = 1): bigint {
  ok(chain.call(registry, "request-new-key", [meter(index), Cl.buffer(publicOf(next)), Cl.bool(false), Cl.uint(from)], chain.wallet(wallet)));
  ok(chain.call(registry, "replace-meter-key", [meter(index), Cl.buffer(rotation(index, next, from, next))]));
  return plain(chain.read(registry, "get-mints-from", [Cl.principal(chain.wallet(wallet))]));
}

let point = 7_000;
const mint = (wallet: number) => chain.call("energy-token", "mint",
  [Cl.principal(chain.wallet(wallet)), Cl.uint(++point), Cl.uint(EXPORT), Cl.uint(900), Cl.uint(1800), Cl.uint(0), Cl.uint(5)]);

describe("72 hours without new energy after a key was replaced", () => {
  let from: bigint;
  /** Claims of one epoch, for wallets 1 and 2. */
  const owners = [1, 2];
  const leaf = (index: number) => sha256(filled(0, 1), consensus(Cl.tuple({
    contract: Cl.principal(chain.contract("energy-token")), epoch: Cl.uint(1), index: Cl.uint(index), owner: Cl.principal(chain.wallet(owners[index])),
    "meter-point": Cl.uint(9_000 + index), register: Cl.uint(EXPORT), from: Cl.uint(900), to: Cl.uint(1800), wh: Cl.uint(70) })));
  const claim = (index: number) => chain.call("energy-token", "claim", [Cl.uint(1), Cl.uint(index), Cl.principal(chain.wallet(owners[index])), Cl.uint(9_000 + index),
    Cl.uint(EXPORT), Cl.uint(900), Cl.uint(1800), Cl.uint(70), buffers(pathOf(index, [leaf(0), leaf(1)]))], chain.wallet(8));

  beforeAll(async () => {
    chain = await world();
    bind(chain, 1);
    bind(chain, 2, 2);
    ok(chain.call("energy-token", "post-epoch", [Cl.uint(1), Cl.buffer(rootOf([leaf(0), leaf(1)])), Cl.uint(2), Cl.uint(140)]));
    ok(mint(1));
    const told = BigInt(chain.now());
    from = replace(1, 41, 9);
    expect(from - told).toBeGreaterThanOrEqual(HOURS_72);
    expect(from - told).toBeLessThan(HOURS_72 + 60n);
  });
  it("u314: neither a mint nor a claim pays the owner, from the first second on", () => {
    refused(mint(1), 314);
    refused(claim(0), 314);
  });
  it("others are paid meanwhile", () => {
    ok(mint(2));
    ok(claim(1));
  });
  it("a key that follows by both signatures makes nobody wait, and ends no wait", () => {
    const rotate = (index: number, old: number, next: number, wallet: number, seq: number) => ok(chain.call(registry, "rotate-meter-key",
      [meter(index), Cl.buffer(publicOf(next)), Cl.bool(false), Cl.uint(seq), Cl.buffer(rotation(index, next, seq, old)), Cl.buffer(rotation(index, next, seq, next))], chain.wallet(wallet)));
    rotate(2, 2, 52, 2, 5);
    ok(mint(2));
    rotate(1, 41, 51, 1, 11);
    refused(mint(1), 314);
  });
  it("the oracle tells of each header from when its meter mints", () => {
    const bound = plain(chain.read(registry, "get-meter", [meter(1)]));
    expect(bound["mints-from"]).toBe(from);
    const log = new Log(), one = new Meter(chain, log, meterOf(1), publicKeySecret(51), chain.wallet(1));
    const told = one.seal(START, 0n, { register: EXPORT, seq: 12, mode: 0, bits: 0, sum: filled(0, 33) });
    const [header, signature] = submission(told, log);
    expect(plain(chain.read("energy-oracle", "verify-header", [header, signature]))).toMatchObject({ owner: chain.wallet(1), "mints-from": from });
  });
  it("the last second of the 72 hours still refuses, the next one pays", () => {
    wait(chain, Number(from) - chain.now() - 600);
    const answers: [bigint, boolean][] = [];
    while (answers.at(-1)?.[1] !== true) {
      const paid = mint(1).result.type === "ok";
      // The block of the call is the last one by now.
      answers.push([BigInt(chain.now()), paid]);
      expect(answers.length).toBeLessThan(200);
    }
    for (const [at, paid] of answers) expect(paid, `${at} against ${from}`).toBe(at >= from);
    expect(answers.length).toBeGreaterThan(3);
    ok(claim(0));
  });
});

const publicKeySecret = (index: number): Uint8Array => Uint8Array.from(Buffer.from(index.toString(16).padStart(64, "0"), "hex"));

describe("what was anchored before a key changed", () => {
  let log: Log, home: Meter, early: ClarityValue[], stolen: Told;
  const anchored = (evidence: ClarityValue[]) => chain.read("energy-oracle", "verify-anchored-header", evidence);
  beforeAll(async () => {
    chain = await world();
    log = new Log();
    home = await Meter.bound(chain, log, 0x71, chain.wallet(4));
    const first = home.day(START, 5n);
    ok(anchor(chain, log));
    // Under the root that was anchored then: a later one holds it too, and proves no time.
    early = submission(first, log);
    wait(chain, 600);
  });
  it("stands though its owner revokes the key from before it, and nothing later does", () => {
    ok(chain.call(registry, "revoke-meter", [Cl.buffer(home.id), Cl.uint(0), Cl.uint(1)], home.owner));
    expect(plain(chain.read(registry, "get-key-at", [Cl.buffer(home.id), Cl.uint(1)]))).toBeNull();
    expect((anchored(early) as any).type).toBe("ok");
    ok(chain.call("meter-data", "submit-usage-proof", early));
    stolen = home.seal(START + DAY, 9n);
    ok(anchor(chain, log));
    refused(home.submit(stolen), 404);
  });
  it("stands though a replaced key begins before it, and the new key speaks for what comes", () => {
    const secret = filled(0x72, 32);
    const message = (key: Uint8Array, from: number) => digest(Cl.tuple({ key: Cl.buffer(key), meter: Cl.buffer(home.id), network: Cl.buffer(NETWORK), "valid-from": Cl.uint(from) }));
    ok(chain.call(registry, "request-new-key", [Cl.buffer(home.id), Cl.buffer(publicKey(secret)), Cl.bool(false), Cl.uint(2)], home.owner));
    ok(chain.call(registry, "replace-meter-key", [Cl.buffer(home.id), Cl.buffer(sign(message(publicKey(secret), 2), secret))]));
    const next = home.seal(START + DAY, 6n, {}, secret);
    ok(anchor(chain, log));
    expect((anchored(early) as any).type).toBe("ok");
    ok(home.submit(next));
    refused(chain.call("meter-data", "submit-usage-proof", submission(stolen, log)), 405);
    home.seq = 2;
    home.prev = next.hash;
  });
  it("stands though both keys sign a rotation from before it", async () => {
    const other = await Meter.bound(chain, log, 0x73, chain.wallet(3)), secret = filled(0x74, 32), from = 2;
    other.day(START, 5n);
    const second = other.day(START + DAY, 7n);
    ok(anchor(chain, log));
    const evidence = submission(second, log);
    wait(chain, 600);
    const hash = digest(Cl.tuple({ key: Cl.buffer(publicKey(secret)), meter: Cl.buffer(other.id), network: Cl.buffer(NETWORK), "valid-from": Cl.uint(from) }));
    ok(chain.call(registry, "rotate-meter-key", [Cl.buffer(other.id), Cl.buffer(publicKey(secret)), Cl.bool(false), Cl.uint(from),
      Cl.buffer(sign(hash, other.key)), Cl.buffer(sign(hash, secret))], other.owner));
    const forged = other.seal(START + DAY, 1n, { seq: 2 });
    ok(anchor(chain, log));
    expect((anchored(evidence) as any).type).toBe("ok");
    expect(Cl.prettyPrint(anchored(submission(forged, log)))).toBe("(err u405)");
    expect(plain(chain.read("energy-oracle", "verify-header", evidence.slice(0, 2)))).toBe(405n);
  });
  it("a key as of a time is the one told by then, and none above 2^62", () => {
    const key = (seq: number | bigint, at: number | bigint) => plain(chain.read(registry, "get-key-as-of", [Cl.buffer(home.id), Cl.uint(seq), Cl.uint(at)]));
    const most = (1n << 128n) - 1n;
    expect(key(1, 0).key).not.toBe(key(2, most).key);
    expect(key(2, most).key).toBe(Buffer.from(publicKey(filled(0x72, 32))).toString("hex"));
    expect(key(1, most)).toBeNull();
    for (const seq of [0, 1n << 62n, most]) expect(key(seq, 0)).toBeNull();
    expect(plain(chain.read(registry, "get-key-as-of", [Cl.buffer(filled(9, 16)), Cl.uint(1), Cl.uint(0)]))).toBeNull();
  });
});

import { Cl } from "@stacks/transactions";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { be, highS, join, sha256 } from "./curve";
import { DAY, IMPORT, NETWORK, buffers, digest, headerValue, logLeaf, type Header } from "./sealed";
import { Log, Meter, START, anchor, publicKey, set, street, submission, type Told } from "./street";
import { Chain, bytes, filled, ok, refused, topics, wait } from "./support";

const vector = (name: string) => JSON.parse(readFileSync(new URL(`../../proto/vectors/${name}.json`, import.meta.url), "utf8"));
let chain: Chain, log: Log, meter: Meter;
let owner: string, relayer: string;

beforeAll(async () => {
  ({ chain, log } = await street());
  [owner, relayer] = [chain.wallet(1), chain.wallet(2)];
  meter = await Meter.bound(chain, log, 0x41, owner);
});

const show = (a: Told, b: Told) => chain.call("meter-data", "show-equivocation",
  [headerValue(a.header), Cl.buffer(a.signature), headerValue(b.header), Cl.buffer(b.signature)], relayer);
const day = (told: Told) => chain.read("meter-data", "get-day", [Cl.buffer(meter.id), Cl.uint(IMPORT), Cl.uint(told.header.first)]);
const counted = (told: Told) =>
  chain.read("meter-data", "get-counted-day", [Cl.buffer(meter.id), Cl.uint(IMPORT), Cl.uint(told.header.first)]).type !== "none";

describe("meter-data", () => {
  let first: Told, second: Told;
  it("keeps a day for whoever brings its signed and anchored header", () => {
    [first, second] = [meter.day(START, 4_000n), meter.day(START + DAY, 5_000n)];
    ok(anchor(chain, log));
    const answer = meter.submit(first, relayer);
    expect(Cl.prettyPrint(ok(answer))).toBe("0x" + Buffer.from(first.hash).toString("hex"));
    expect(topics(answer)).toEqual(["usage-proof"]);
    expect(Cl.prettyPrint(day(first))).toContain(Buffer.from(first.header.sum).toString("hex"));
    ok(meter.submit(second));
    const head = chain.read("meter-data", "get-head", [Cl.buffer(meter.id), Cl.uint(IMPORT)]);
    expect(Cl.prettyPrint(head)).toContain("seq: u2");
  });
  it("u1004: a header brought before, or an older one, is refused", () => {
    refused(meter.submit(second), 1004);
    refused(meter.submit(first), 1004);
  });
  it("u1005: the next seq names the last header; a gap in seq is legal", () => {
    const stray = meter.seal(START + 2 * DAY, 1n, { prev: filled(9, 32) });
    const gap = meter.seal(START + 2 * DAY, 7n, { seq: 9, prev: filled(9, 32) });
    ok(anchor(chain, log));
    refused(meter.submit(stray), 1005);
    ok(meter.submit(gap));
    [meter.seq, meter.prev] = [9, gap.hash];
  });
  it("u1000: nothing is kept while paused", () => {
    const next = meter.seal(START + 3 * DAY, 1n);
    ok(anchor(chain, log));
    chain.pause("meter-data");
    refused(meter.submit(next), 1000);
    refused(show(next, next), 1000);
    chain.resume("meter-data");
  });
  it("u1001: only committed seals of 16 or 32 bits are taken", () => {
    for (const change of [{ mode: 0 }, { mode: 2 }, { bits: 0 }, { bits: 20 }, { bits: 64 }])
      refused(meter.submit(meter.seal(START + 3 * DAY, 1n, change)), 1001);
  });
  it("u1002: steps, counts and starts are those of a day", () => {
    const huge = 2 ** 48;
    for (const change of [{ step: 0 }, { step: 600 }, { step: 86_400, count: 1 }, { count: 0 }, { count: 101 }, { step: 1800, count: 51 },
      { step: 3600, count: 26 }, { first: START + 1 }, { first: huge - (huge % 900) + 900 }])
      refused(meter.submit(meter.seal(START + 3 * DAY, 1n, change)), 1002);
  });
  it("u1002: numbers of 128 bits overflow nothing", () => {
    const told = meter.seal(START + 3 * DAY, 1n), most = Cl.uint((1n << 128n) - 1n);
    for (const name of ["first", "step", "count"]) {
      const args = submission(told, log);
      (args[0] as any).value[name] = most;
      refused(chain.call("meter-data", "submit-usage-proof", args, owner), 1002);
    }
  });
  it("u1003: a sum is a point: neither infinity nor off the curve nor short", () => {
    for (const sum of [new Uint8Array(33), join(Uint8Array.of(2), be(5n)), filled(2, 32), join(Uint8Array.of(4), first.header.sum.slice(1))])
      refused(meter.submit(meter.seal(START + 3 * DAY, 1n, { sum })), 1003);
  });
  it("u404: an unknown meter, and a seq before its key, have no key", () => {
    const stranger = meter.seal(START + 3 * DAY, 1n, { meter: filled(0x77, 16) });
    const zero = meter.seal(START + 3 * DAY, 1n, { seq: 0 });
    ok(anchor(chain, log));
    refused(meter.submit(stranger), 404);
    refused(meter.submit(zero), 404);
  });
  it("u405: a swapped meter, a foreign key, a high s and each altered byte of a signature are refused", async () => {
    const other = await Meter.bound(chain, log, 0x42, chain.wallet(3));
    const swapped = meter.seal(START + 3 * DAY, 1n, { meter: other.id });
    const foreign = meter.seal(START + 3 * DAY, 1n, {}, other.key);
    const good = meter.seal(START + 3 * DAY, 1n);
    ok(anchor(chain, log));
    refused(meter.submit(swapped), 405);
    refused(meter.submit(foreign), 405);
    refused(meter.submit({ ...good, signature: highS(good.signature) }), 405);
    for (let i = 0; i < 65; i++) {
      const forged = Uint8Array.from(good.signature);
      forged[i] ^= 1;
      refused(meter.submit({ ...good, signature: forged }), 405);
    }
    refused(meter.submit({ ...good, signature: good.signature.slice(0, 64) }), 405);
  });
  it("u406: a header of another network is refused", () => {
    const told = meter.seal(START + 3 * DAY, 1n, { network: filled(0x12, 32) });
    ok(anchor(chain, log));
    refused(meter.submit(told), 406);
  });
  it("u409: forged inclusion: each byte of the path, a wrong index, an unanchored root", () => {
    const good = meter.seal(START + 3 * DAY, 1n);
    ok(anchor(chain, log));
    const [header, signature, index, , root] = submission(good, log);
    const submit = (...args: any[]) => chain.call("meter-data", "submit-usage-proof", args, owner);
    const path = log.path(good.index);
    for (let i = 0; i < path.length * 32; i++) {
      const forged = path.map((one) => Uint8Array.from(one));
      forged[Math.floor(i / 32)][i % 32] ^= 1;
      refused(submit(header, signature, index, buffers(forged), root), 409);
    }
    const whole = buffers(path);
    refused(submit(header, signature, Cl.uint(good.index - 1), whole, root), 409);
    refused(submit(header, signature, Cl.uint(2n ** 127n), whole, root), 409);
    refused(submit(header, signature, index, buffers(path.slice(1)), root), 409);
    refused(submit(header, signature, index, whole, Cl.buffer(sha256(log.root()))), 409);
    refused(meter.submit(meter.seal(START + 3 * DAY, 2n)), 409);
  });
  it("u1006: a day overlaps no other", () => {
    const half = meter.seal(START + 2 * DAY + 43_200, 1n, { count: 48 }), longer = meter.seal(START + 2 * DAY, 1n, { count: 97 });
    const shifted = meter.seal(START + 2 * DAY, 1n, { step: 1800, count: 48 });
    ok(anchor(chain, log));
    for (const told of [half, longer, shifted]) refused(meter.submit(told), 1006);
  });
  it("u1007: a day is told again until its window ends, and then it counts", () => {
    const again = meter.day(START + 2 * DAY, 8n);
    ok(anchor(chain, log));
    ok(meter.submit(again));
    expect(counted(again)).toBe(false);
    wait(chain, 259_200);
    expect(counted(again)).toBe(true);
    const late = meter.seal(START + 2 * DAY, 9n);
    ok(anchor(chain, log));
    refused(meter.submit(late), 1007);
  });
  it("two contents of one seq are shown once, and their day counts no more", () => {
    const twin = meter.seal(START + 2 * DAY, 99n, { seq: 10, prev: filled(9, 32) }), shown = meter.told[meter.told.length - 1];
    expect(counted(shown)).toBe(true);
    const answer = show(shown, twin);
    expect(topics(answer)).toEqual(["equivocation"]);
    ok(answer);
    expect(counted(shown)).toBe(false);
    refused(show(twin, shown), 1009);
  });
  it("u1008: one header is no equivocation, nor are headers of two seqs", () => {
    refused(show(first, first), 1008);
    refused(show(first, second), 1008);
  });
  it("u404 to u406: an equivocation is of registered keys and this network", () => {
    const a = meter.seal(START, 1n, { seq: 50 });
    const of = (change: Partial<Header>, key = meter.key) => meter.seal(START, 2n, { seq: 50, ...change }, key);
    refused(show(a, of({}, filled(1, 32))), 405);
    refused(show(of({}, filled(1, 32)), a), 405);
    refused(show(a, of({ network: filled(8, 32) })), 406);
    refused(show(of({ meter: filled(9, 16) }), of({ meter: filled(9, 16), first: START + DAY })), 404);
  });
  it("an earlier day told again leaves the register's end where it was", () => {
    const later = [5, 6].map((i) => meter.day(START + i * DAY, 3n));
    ok(anchor(chain, log));
    for (const told of later) ok(meter.submit(told));
    const again = meter.day(START + 5 * DAY, 4n);
    ok(anchor(chain, log));
    ok(meter.submit(again));
    const head = chain.read("meter-data", "get-head", [Cl.buffer(meter.id), Cl.uint(IMPORT)]);
    expect(Cl.prettyPrint(head)).toContain(`end: u${START + 7 * DAY}`);
  });
  it("the window to tell a day again is governance's to set", () => {
    ok(set(chain, "correction-window", 600));
    wait(chain, 600);
    const next = meter.day(START + 8 * DAY, 8n);
    ok(anchor(chain, log));
    ok(meter.submit(next));
    wait(chain, 600);
    expect(counted(next)).toBe(true);
  });
});

describe("a committed day sealed by our Python", () => {
  it("is accepted byte for byte", async () => {
    const made = vector("committed"), secret = bytes(vector("seal").secret), key = publicKey(secret);
    expect(Buffer.from(key).toString("hex")).toBe(made.public);
    const { chain, log } = await street(), owner = chain.wallet(1);
    await Meter.bound(chain, log, 0x22, owner, secret);
    const header: Header = {
      network: bytes(made.network), meter: bytes(made.meter), register: BigInt(made.register), first: made.first, step: made.step,
      count: made.values.length, seq: 1, prev: bytes(made.enrolment_hash), root: bytes(made.consensus.match(/04726f6f740200000020(.{64})/)[1]),
      mode: 1, bits: made.bits, sum: bytes(made.consensus.slice(-66)),
    };
    expect(Buffer.from(digest(headerValue(header))).toString("hex")).toBe(made.digest);
    const signature = [0, 1].map((recovery) => join(bytes(made.signature), Uint8Array.of(recovery)));
    log.leaves.push(sha256(Uint8Array.of(0), bytes(made.entry)));
    expect(logLeaf(header, signature[0])).toEqual(log.leaves[0]);
    ok(anchor(chain, log));
    const told = { header, hash: bytes(made.digest), index: 0, v: 0n, z: 0n } as any;
    const answers = signature.map((one) => chain.call("meter-data", "submit-usage-proof", submission({ ...told, signature: one }, log), owner));
    expect(answers.filter((answer) => answer.result.type === "ok")).toHaveLength(1);
    expect(Cl.prettyPrint(ok(answers.find((answer) => answer.result.type === "ok")!))).toBe("0x" + made.digest);
    expect(NETWORK).toEqual(header.network);
  });
});

import { Cl } from "@stacks/transactions";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Chain } from "./chain.mjs";
import { clock } from "./devnet.mjs";
import { Journal } from "./journal.mjs";
import { FEE, TIME, alice, bob, call, deployer, serve, started, transfer } from "./testing.mjs";

const folder = mkdtempSync(join(tmpdir(), "meterseal-restart-")), journal = join(folder, "journal.jsonl");
/** Servers that a test has not ended; the test's own end does. */
const running = new Set();
afterEach(() => Promise.all([...running].map((child) => ended(child, "SIGKILL"))));
afterAll(() => rmSync(folder, { recursive: true }));

/** A server on this file's journal, ended with the test. */
async function server(...args) {
  const started = await serve(journal, ...args);
  running.add(started.child);
  return started;
}

async function ended(child, signal) {
  const gone = new Promise((done) => child.once("exit", (code, by) => done(by ?? code)));
  child.kill(signal);
  running.delete(child);
  return gone;
}

/** Everything a client can see that must not change over a restart. */
const seen = async (node) => ({
  info: await node.get("/v2/info"), blocks: await node.get("/extended/v2/blocks?limit=50"), mined: await node.get("/extended/v1/tx?limit=50"), waiting: await node.get("/extended/v1/tx/mempool"),
  accounts: await Promise.all([alice, bob, deployer].map(({ address }) => node.get(`/v2/accounts/${address}`))), roles: await node.get(`/extended/v1/contract/${deployer.address}.roles/events`),
  nonces: await node.get(`/extended/v1/address/${bob.address}/nonces`), admin: await node.get(`/v2/data_var/${deployer.address}/roles/admin`),
});

describe("a devnet killed and started again", () => {
  it("has deployed and wired every contract, and is where it was, with what waited still waiting", async () => {
    const { child, node } = await server("--block-ms", "0");
    const contracts = readFileSync(fileURLToPath(new URL("../Clarinet.toml", import.meta.url)), "utf8").match(/^\[contracts\./gm).length;
    const wiring = JSON.parse(readFileSync(fileURLToPath(new URL("../wiring.json", import.meta.url)), "utf8"));
    expect((await node.get(`/extended/v1/contract/${deployer.address}.roles/events`)).total).toBe(wiring.length);
    expect((await node.get("/extended/v1/tx")).total).toBe(contracts + wiring.length);
    await node.mined(transfer(bob, alice, 5, 0));
    await node.mined(call(alice, `${deployer.address}.roles`, "grant", [Cl.stringAscii("x"), Cl.principal(bob.address)], 0));
    await node.mined(call(alice, `${deployer.address}.user-registry`, "register-producer", [Cl.buffer(new Uint8Array(32))], 1));
    await node.mined(call(alice, `${deployer.address}.reputation`, "stake", [Cl.uint(5)], 2));
    await node.mine("?n=2&burn");
    for (const nonce of [1, 3]) await node.send(transfer(bob, alice, 7, nonce));
    await node.send(transfer(bob, alice, 8, 3, { fee: 2 * FEE }));
    const before = await seen(node);
    expect(before.mined.results.map(({ tx_status: status }) => status).slice(0, 3)).toEqual(["abort_by_post_condition", "success", "abort_by_response"]);
    expect(before.waiting.total).toBe(2);
    expect(await ended(child, "SIGKILL")).toBe("SIGKILL");

    const again = await server("--block-ms", "0");
    expect(again.said()).toContain("0 of them new");
    expect(await seen(again.node)).toEqual(before);
    expect((await again.node.mine()).body).toMatchObject({ transactions: 1, waiting: 1 });
  });
  it("loses nothing it answered, though killed in the middle of sending and mining", async () => {
    const { child, node } = await server("--block-ms", "0"), nonce = await node.nonce(alice), answered = [];
    const sending = (async () => {
      for (let next = nonce; next < nonce + 20; next++) {
        answered.push((await node.send(transfer(alice, bob, 1, next))).body);
        if (next % 3 === 0) await node.mine();
      }
    })().catch(() => {});
    while (answered.length < 5) await new Promise((done) => setImmediate(done));
    await ended(child, "SIGKILL");
    await sending;
    const again = await server("--block-ms", "0");
    await again.node.mine();
    for (const txid of answered) expect((await again.node.tx(txid)).tx_status).toBe("success");
  });
  it("mines by itself where it has a timer, lets a few empty blocks follow, and ends in order", async () => {
    const { child, node } = await server("--block-ms", "20"), nonce = await node.nonce(alice);
    const { body } = await node.send(transfer(alice, bob, 3, nonce));
    let height;
    while ((height = (await node.tx(body)).block_height) === undefined);
    while ((await node.get("/v2/info")).stacks_tip_height < height + 6);
    expect(await ended(child, "SIGTERM")).toBe(0);
    expect(existsSync(`${journal}.lock`)).toBe(false);
  });
});

describe("the chain's clock", () => {
  it("follows the network's by Bitcoin blocks where it is behind, and waits where it is ahead", async () => {
    let now = TIME + 86_400;
    const node = await started({ blockMs: 5, now: () => now });
    const place = async () => { await node.get("/v2/info"); return node.get("/devnet"); };
    let at;
    while ((at = await place()).time < now - 600);
    expect([at.time <= now, at.burn_height]).toEqual([true, expect.any(Number)]);
    expect(at.burn_height).toBeGreaterThan(130);
    now -= 5_000;
    for (let i = 0; i < 5; i++) expect(await place()).toEqual(at);
    await node.stop();
  });
});

describe("a journal", () => {
  const path = join(folder, "small.jsonl"), open = () => Chain.open({ path, time: TIME, balances: { [bob.address]: 1_000_000n } });
  const opened = async () => {
    const chain = await open(), tip = chain.tip;
    chain.close();
    return tip;
  };
  let whole, lines, tip;
  beforeAll(async () => {
    const chain = await open();
    chain.submit((await transfer(bob, alice, 1, 0)).serializeBytes(), TIME);
    await chain.mine();
    chain.pass(2, true);
    tip = chain.tip;
    chain.close();
    whole = readFileSync(path, "utf8");
    lines = whole.split("\n");
  });

  it("leads to the same chain, whatever the machine's clock says by then", async () => expect(await opened()).toEqual(tip));
  it("whose last line was cut by the end goes on before it", async () => {
    appendFileSync(path, '{"k":"seen","raw":"80');
    expect(await opened()).toEqual(tip);
    expect(readFileSync(path, "utf8")).toBe(whole);
  });
  it("that is damaged, or leads elsewhere, stops the devnet instead of misleading it", async () => {
    const spoilt = (from, to) => writeFileSync(path, lines.map((line, index) => (index === 2 ? line.replace(from, to) : line)).join("\n"));
    spoilt("{", "");
    await expect(open()).rejects.toThrow("is damaged at line 3");
    for (const [from, to] of [['"success"', '"abort_by_response"'], ['"h":2', '"h":3'], ["0x0703", "0x0704"]]) {
      spoilt(from, to);
      await expect(open()).rejects.toThrow("same chain at line 3");
    }
    expect(existsSync(`${path}.lock`)).toBe(false);
    writeFileSync(path, `{"k":"other"}\n${whole}`);
    await expect(open()).rejects.toThrow("no journal of this devnet");
    writeFileSync(path, whole);
    expect(await opened()).toEqual(tip);
  });
  it("is written by one devnet at a time, and free when that one is gone", () => {
    const other = join(folder, "other.jsonl");
    writeFileSync(`${other}.lock`, String(process.ppid));
    expect(() => new Journal(other)).toThrow(`is written by process ${process.ppid}`);
    writeFileSync(`${other}.lock`, "999999999");
    new Journal(other).close();
    expect(existsSync(`${other}.lock`)).toBe(false);
  });
  it("is forgotten when asked to, and a deployment that was cut short goes on", async () => {
    const node = await started({ bare: false, fund: { [bob.address]: 77n } }), all = node.deployed;
    expect(await node.balance(bob)).toBe(77n);
    const kept = readFileSync(node.journal, "utf8").split("\n").slice(0, 20);
    await node.again(() => writeFileSync(node.journal, `${kept.join("\n")}\n`));
    expect(node.deployed).toBe(all - kept.length / 2);
    expect((await node.get("/extended/v1/tx")).total).toBe(all);
    await node.again(undefined, { fresh: true, bare: true, fund: {} });
    expect([node.chain.height, await node.balance(bob)]).toEqual([1, bob.balance]);
    await node.stop();
  });
});

describe("the command line", () => {
  it("says what is wrong with it", async () => {
    await expect(server("--fund", "x")).rejects.toThrow("write ADDRESS=MICROSTX");
    await expect(server("--block-ms", "soon")).rejects.toThrow("is no number");
    await expect(server("--nonsense")).rejects.toThrow("usage:");
  });
  it("a clock of METERSEAL_CLOCK runs as the other programs' does", () => {
    expect(Math.abs(clock()() - Date.now() / 1000)).toBeLessThan(2);
    const epoch = Math.floor(Date.now() / 1000) - 100;
    expect(clock(`${epoch},60`)() - epoch - 6_000).toBeLessThan(120);
    for (const wrong of ["x", "1", "1,0", "1,-2"]) expect(() => clock(wrong)).toThrow("write epoch,speed");
  });
});

import { Cl, Pc, broadcastTransaction, cvToString, deserializeCV, fetchAbi, fetchCallReadOnlyFunction, fetchContractMapEntry, fetchFeeEstimate, fetchFeeEstimateTransfer, fetchNonce, makeContractCall } from "@stacks/transactions";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FEE, PURSE, TIME, alice, bob, call, publish, started, transfer, u } from "./testing.mjs";

const purse = `${alice.address}.purse`, ZERO = `0x${"0".repeat(32)}`;
let node;

beforeAll(async () => {
  node = await started();
  expect((await node.mined(publish(alice, "purse", PURSE, 0))).tx_status).toBe("success");
});
afterAll(() => node.stop());

describe("what a node says of itself and of accounts", () => {
  it("its network, its heights and its tip are those of a testnet node", async () => {
    const info = await node.get("/v2/info");
    expect(info).toMatchObject({ network_id: 0x80000000, stacks_tip_height: node.chain.height, burn_block_height: 1, is_fully_synced: true });
    expect(info.stacks_tip).toMatch(/^[0-9a-f]{64}$/);
    expect((await node.get("/extended/v1/status")).chain_tip).toMatchObject({ block_height: info.stacks_tip_height, block_hash: `0x${info.stacks_tip}` });
  });
  it("an account has a balance of 16 bytes in hex and its next nonce; a contract is one too", async () => {
    expect(await node.get(`/v2/accounts/${bob.address}?proof=0`)).toEqual({ balance: `0x${bob.balance.toString(16).padStart(32, "0")}`, locked: ZERO, unlock_height: 0, nonce: 0 });
    expect(await node.get(`/v2/accounts/${purse}`)).toMatchObject({ balance: ZERO, nonce: 0 });
    expect(await node.nonce(alice)).toBe(1);
    expect(await node.balance("ST000000000000000000002AMW42H")).toBe(BigInt(FEE));
    for (const wrong of ["nobody", "SP000000000000000000002Q6VF78", bob.address.replace(/.$/, "0"), `${bob.address}.`, `${bob.address}.1x`])
      expect((await node.ask(`/v2/accounts/${wrong}`)).status, wrong).toBe(400);
  });
  it("what is not there is not found, and what is asked otherwise is not allowed", async () => {
    expect((await node.ask("/v2/nothing")).status).toBe(404);
    expect((await node.ask("/v2/transactions")).status).toBe(405);
    expect((await node.ask("/v2/accounts/%E0%A4%A")).status).toBe(400);
    expect((await node.ask(`/extended/v1/tx/0x${"0".repeat(64)}`)).body).toEqual({ error: "could not find transaction by ID" });
  });
  it("pages of another origin are told nothing, pages of this machine are", async () => {
    const allowed = async (origin) => (await fetch(`${node.url}/v2/info`, { headers: { origin } })).headers.get("access-control-allow-origin");
    expect(await allowed("https://evil.example")).toBe(null);
    expect(await allowed("http://localhost:8080")).toBe("http://localhost:8080");
  });
});

describe("contracts, read", () => {
  it("a read-only function answers okay and its result, or a cause", async () => {
    const read = (fn, args, of = "purse") => node.json(`/v2/contracts/call-read/${alice.address}/${of}/${fn}`, { sender: bob.address, arguments: args });
    const { body } = await read("twice", [`0x${"01" + "15".padStart(32, "0")}`]);
    expect([body.okay, cvToString(deserializeCV(body.result))]).toEqual([true, "(ok u42)"]);
    expect((await read("pay", [])).body).toMatchObject({ okay: false, cause: expect.stringContaining("read-only") });
    expect((await read("twice", [])).body).toMatchObject({ okay: false });
    expect((await read("twice", ["0xff"])).status).toBe(400);
    expect(await read("twice", [], "none")).toMatchObject({ status: 404, body: "No such contract" });
  });
  it("a map's entry is some or none, a variable has a value, the rest is not found", async () => {
    await node.mined(call(bob, purse, "note", [u(1), Cl.stringAscii("hello")], 0));
    const entry = async (map, key) => node.json(`/v2/map_entry/${alice.address}/purse/${map}?proof=0`, key);
    const uint = (n) => `0x01${n.toString(16).padStart(32, "0")}`;
    expect(cvToString(deserializeCV((await entry("notes", uint(1))).body.data))).toBe('(some "hello")');
    expect((await entry("notes", uint(2))).body).toEqual({ data: "0x09" });
    expect((await entry("none", uint(1))).status).toBe(404);
    expect((await entry("notes", "zz")).status).toBe(400);
    expect((await node.get(`/v2/data_var/${alice.address}/purse/count?proof=0`)).data).toBe(uint(1));
    expect((await node.ask(`/v2/data_var/${alice.address}/purse/none`)).status).toBe(404);
  });
  it("interface and source are those that were deployed", async () => {
    const abi = await node.get(`/v2/contracts/interface/${alice.address}/purse`);
    expect(abi.functions.find(({ name }) => name === "pay")).toMatchObject({ access: "public", args: [{ name: "amount", type: "uint128" }, { name: "to", type: "principal" }] });
    expect(await node.get(`/v2/contracts/source/${alice.address}/purse`)).toEqual({ source: PURSE, publish_height: 2 });
    expect((await node.ask(`/v2/contracts/interface/${bob.address}/purse`)).status).toBe(404);
  });
});

describe("transactions, events and blocks", () => {
  it("a call is answered with its function, its result, its events and its costs", async () => {
    const found = await node.mined(call(bob, purse, "pay", [u(5), Cl.principal(alice.address)], 1, { postConditions: [Pc.origin().willSendEq(5).ustx()] }));
    expect(found).toMatchObject({
      tx_status: "success", tx_type: "contract_call", sender_address: bob.address, nonce: 1, fee_rate: String(FEE), sponsored: false, canonical: true, event_count: 2,
      post_condition_mode: "deny", post_conditions: [{ type: "stx-postcondition", principal: "origin", condition_code: "eq", amount: "5" }],
      contract_call: { contract_id: purse, function_name: "pay", function_args: [{ name: "amount", repr: "u5" }, { name: "to", repr: alice.address }] },
      tx_result: { hex: "0x0703", repr: "(ok true)" }, block_height: node.chain.height, block_hash: node.chain.tip.hash,
    });
    expect(found.execution_cost_runtime).toBeGreaterThan(0);
    expect(found.events).toMatchObject([
      { event_index: 0, event_type: "smart_contract_log", contract_log: { contract_id: purse, topic: "print", value: { repr: '(tuple (amount u5) (topic "paid"))' } } },
      { event_index: 1, event_type: "stx_asset", asset: { asset_event_type: "transfer", sender: bob.address, recipient: alice.address, amount: "5" } },
    ]);
    expect((await node.get(`/extended/v1/tx/events?tx_id=${found.tx_id}&limit=1&offset=1`)).events).toEqual([found.events[1]]);
    expect(await node.get(`/extended/v1/tx/${found.tx_id}?event_limit=1&event_offset=1`)).toEqual({ ...found, events: [found.events[1]] });
  });
  it("transfers and deployments have shapes of their own", async () => {
    const sent = await node.mined(transfer(bob, alice, 9, 2, { memo: "thanks" }));
    expect(sent).toMatchObject({ tx_type: "token_transfer", token_transfer: { recipient_address: alice.address, amount: "9" } });
    expect(Buffer.from(sent.token_transfer.memo.slice(2), "hex").toString().replaceAll("\0", "")).toBe("thanks");
    const [deployed] = (await node.get("/extended/v2/blocks/2/transactions")).results;
    expect(deployed).toMatchObject({ tx_type: "smart_contract", smart_contract: { contract_id: purse, clarity_version: 5, source_code: PURSE } });
  });
  it("tokens and single assets are told by their identifiers, and balances list them", async () => {
    await node.mined(call(bob, purse, "coins", [u(30)], 3));
    const moved = await node.mined(call(bob, purse, "send-coins", [u(10), Cl.principal(alice.address)], 4, { postConditionMode: "allow" }));
    expect(moved.events[0]).toMatchObject({ event_type: "fungible_token_asset", asset: { asset_event_type: "transfer", asset_id: `${purse}::coin`, amount: "10" } });
    expect((await node.get(`/extended/v1/address/${bob.address}/balances`)).fungible_tokens).toEqual({ [`${purse}::coin`]: { balance: "20" } });
    const stamped = await node.mined(call(bob, purse, "stamps", [u(1)], 5));
    expect(stamped.events[0]).toMatchObject({ event_type: "non_fungible_token_asset", asset: { asset_event_type: "mint", value: { repr: "u1" } } });
  });
  it("an indexer follows blocks by their parents, and a contract's events newest first", async () => {
    const { results, total } = await node.get("/extended/v2/blocks?limit=50");
    expect(total).toBe(node.chain.height);
    results.slice(0, -1).forEach((block, index) => expect(block.parent_block_hash).toBe(results[index + 1].hash));
    expect(await node.get(`/extended/v1/block/by_height/${total}`)).toEqual(results[0]);
    expect(await node.get(`/extended/v1/block/${results[1].hash}`)).toEqual(results[1]);
    expect((await node.get("/extended/v2/blocks/latest")).hash).toBe(results[0].hash);
    expect((await node.ask("/extended/v2/blocks/999")).status).toBe(404);
    const events = await node.get(`/extended/v1/contract/${purse}/events?limit=2`);
    expect(events.results.map(({ event_type: type }) => type)).toEqual(["non_fungible_token_asset", "fungible_token_asset"]);
    expect(events.total).toBe(5);
    expect((await node.ask(`/extended/v1/contract/${purse}/events?limit=x`)).status).toBe(400);
  });
  it("time passes when asked: blocks of ten seconds, Bitcoin's of ten minutes, until a moment", async () => {
    const { height, time } = await node.get("/devnet");
    expect((await node.mine("?n=3")).body).toMatchObject({ height: height + 3, time: time + 30 });
    expect((await node.mine("?n=1&burn")).body).toMatchObject({ height: height + 4, burn_height: 2 });
    expect((await node.mine(`?until=${time + 5_000}`)).body.time - time - 5_000).toBeLessThan(10);
    expect((await node.mine("?n=0")).status).toBe(400);
    expect((await node.mine("?n=-1")).status).toBe(400);
    expect(node.chain.genesisTime).toBe(TIME);
  });
});

describe("stacks.js, as any wallet uses it", () => {
  const options = () => ({ network: "testnet", client: node.client });
  it("finds nonces, sends as JSON, reads functions, maps and interfaces", async () => {
    const nonce = await fetchNonce({ address: bob.address, ...options() });
    expect(nonce).toBe(6n);
    const transaction = await call(bob, purse, "note", [u(2), Cl.stringAscii("wallet")], nonce), sent = await broadcastTransaction({ transaction, ...options() });
    expect(sent).toEqual({ txid: transaction.txid() });
    expect(await fetchNonce({ address: bob.address, ...options() })).toBe(7n);
    await node.mine();
    const of = { contractAddress: alice.address, contractName: "purse" };
    expect(await fetchCallReadOnlyFunction({ ...of, functionName: "get-count", functionArgs: [], senderAddress: bob.address, ...options() })).toEqual(u(2));
    expect(await fetchContractMapEntry({ ...of, mapName: "notes", mapKey: u(2), ...options() })).toEqual(Cl.some(Cl.stringAscii("wallet")));
    expect(await fetchContractMapEntry({ ...of, mapName: "notes", mapKey: u(3), ...options() })).toEqual(Cl.none());
    expect((await fetchAbi({ ...of, ...options() })).functions.length).toBeGreaterThan(10);
  });
  it("estimates fees and leaves nonce and fee of a call to the node, which takes it", async () => {
    const transaction = await makeContractCall({ contractAddress: alice.address, contractName: "purse", functionName: "note", functionArgs: [u(4), Cl.stringAscii("auto")], senderKey: bob.key, validateWithAbi: true, ...options() });
    expect(transaction.auth.spendingCondition).toMatchObject({ nonce: 7n });
    expect((await broadcastTransaction({ transaction, ...options() })).txid).toBe(transaction.txid());
    await node.mine();
    expect((await node.tx(transaction.txid())).tx_status).toBe("success");
    expect(await fetchFeeEstimate({ transaction, ...options() })).toBe(2 * transaction.serializeBytes().length);
    expect(await fetchFeeEstimateTransfer({ transaction, ...options() })).toBe(BigInt(transaction.serializeBytes().length));
  });
  it("is told why a transaction is refused", async () => {
    const sent = await broadcastTransaction({ transaction: await transfer(bob, alice, 1, 0), ...options() });
    expect(sent).toMatchObject({ error: "transaction rejected", reason: "BadNonce", reason_data: { expected: 8, actual: 0, is_origin: true, principal: bob.address } });
  });
  it("gets coins from the faucet, by a transaction like any other", async () => {
    const { address } = { address: "ST2F4BK4GZH6YFBNHYDDGN4T1RKBA7DA1BJZPJEJJ" };
    const { body } = await node.ask(`/extended/v1/faucets/stx?address=${address}`, { method: "POST" });
    expect(body).toMatchObject({ success: true, txId: expect.stringMatching(/^0x[0-9a-f]{64}$/) });
    expect(await node.balance(address)).toBe(0n);
    await node.mine();
    expect(await node.balance(address)).toBe(500_000_000n);
    expect((await node.ask("/extended/v1/faucets/stx?address=x", { method: "POST" })).status).toBe(400);
  });
});

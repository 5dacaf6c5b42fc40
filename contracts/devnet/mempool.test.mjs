import { Cl, broadcastTransaction, makeSTXTokenTransfer, makeUnsignedSTXTokenTransfer, privateKeyToPublic, sponsorTransaction } from "@stacks/transactions";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MAX_BYTES, MAX_CHAINED, parse } from "./admission.mjs";
import { MAX_WAITING, Pool } from "./pool.mjs";
import { FEE, PURSE, alice, bob, call, carol, deployer, publish, started, transfer, u } from "./testing.mjs";

const purse = `${alice.address}.purse`;
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
/** Where the signature of a transaction with one key lies: version, chain, authorisation, hash, nonce, fee, encoding. */
const SIGNATURE = 1 + 4 + 1 + 1 + 20 + 8 + 8 + 1;
let node;

beforeAll(async () => {
  node = await started();
  await node.mined(publish(alice, "purse", PURSE, 0));
});
afterAll(() => node.stop());

const refused = async (tx, reason, data) => {
  const { status, body } = await node.send(tx);
  expect([status, body.error, body.reason]).toEqual([400, "transaction rejected", reason]);
  if (data) expect(body.reason_data).toEqual(data);
  return body;
};
const bytesOf = async (tx) => Uint8Array.from((await tx).serializeBytes());
const changed = async (tx, at, to) => {
  const bytes = await bytesOf(tx);
  bytes.set(to, at);
  return bytes;
};

describe("bytes that are no transaction of this chain", () => {
  it("garbage, nothing, a cut one and one with more behind it are not deserialised", async () => {
    const good = await bytesOf(transfer(bob, alice, 1, 0));
    for (const bytes of [Uint8Array.of(1, 2, 3), new Uint8Array(500).fill(0x80), good.slice(0, -1), Uint8Array.of(...good, 0), new Uint8Array()])
      expect((await refused(bytes, "Deserialization")).reason_data.message).toBeTruthy();
  });
  it("no byte of a transaction can be changed, whichever it is", async () => {
    const good = await bytesOf(transfer(bob, alice, 1, 0, { memo: "x" }));
    for (let at = 0; at < good.length; at++) {
      const { status, body } = await node.send(await changed(transfer(bob, alice, 1, 0, { memo: "x" }), at, [good[at] ^ 1]));
      // The anchor mode says nothing since Nakamoto, and is signed all the same.
      expect(status, `byte ${at}: ${JSON.stringify(body)}`).toBe(400);
    }
    expect((await node.get("/extended/v1/tx/mempool")).total).toBe(0);
  });
  it("one for mainnet has the wrong version, one for another chain id the wrong chain", async () => {
    await refused(transfer(bob, alice, 1, 0, { network: "mainnet" }), "BadTransactionVersion");
    const { reason_data: data } = await refused(await changed(transfer(bob, alice, 1, 0), 1, [0x80, 0, 0, 1]), "SignatureValidation");
    expect(data.message).toContain("invalid chain ID");
  });
  it("a signature by another key, tampered with or malleated is none", async () => {
    const good = await bytesOf(transfer(bob, alice, 1, 0)), s = BigInt(`0x${Buffer.from(good.slice(SIGNATURE + 33, SIGNATURE + 65)).toString("hex")}`);
    const high = Buffer.from((ORDER - s).toString(16).padStart(64, "0"), "hex");
    const body = await refused(await changed(transfer(bob, alice, 1, 0), SIGNATURE, [good[SIGNATURE] ^ 1, ...good.slice(SIGNATURE + 1, SIGNATURE + 33), ...high]), "SignatureValidation");
    expect(body.reason_data.message).toContain("high s");
    await refused(await changed(transfer(bob, alice, 1, 0), SIGNATURE + 10, [good[SIGNATURE + 10] ^ 1]), "SignatureValidation");
    await refused(await changed(transfer(bob, alice, 1, 0), good.length - 40, [9]), "SignatureValidation");
    const unsigned = await makeUnsignedSTXTokenTransfer({ recipient: alice.address, amount: 1, fee: FEE, nonce: 0, network: "testnet", publicKey: privateKeyToPublic(bob.key) });
    await refused(unsigned.serializeBytes(), "SignatureValidation");
  });
  it("bodies of another type, no JSON, no hex and too many bytes are refused", async () => {
    const post = async (type, body) => (await node.ask("/v2/transactions", { method: "POST", headers: { "content-type": type }, body })).status;
    expect(await post("text/plain", "x")).toBe(400);
    for (const body of ["{", "{}", "[]", "null", '{"tx": 5}', '{"tx": "0xzz"}', '{"tx": ""}']) expect(await post("application/json", body), body).toBe(400);
    expect(await post("application/octet-stream", new Uint8Array(2 * MAX_BYTES + 5_000))).toBe(413);
    await refused(new Uint8Array(MAX_BYTES + 1), "Deserialization");
  });
});

describe("transactions that could not be", () => {
  it("calls name a public function of a contract, with arguments of its types", async () => {
    await refused(call(bob, `${bob.address}.purse`, "refuse", [], 0), "NoSuchContract");
    await refused(call(bob, purse, "nothing", [], 0), "NoSuchPublicFunction");
    await refused(call(bob, purse, "twice", [u(1)], 0), "NoSuchPublicFunction");
    await refused(call(bob, purse, "note", [u(1)], 0), "BadFunctionArgument");
    await refused(call(bob, purse, "note", [u(1), u(2)], 0), "BadFunctionArgument");
    await refused(call(bob, `${"SP000000000000000000002Q6VF78"}.pox`, "x", [], 0), "BadAddressVersionByte");
  });
  it("transfers are to others of this network, of something", async () => {
    await refused(transfer(bob, bob, 1, 0), "TransferRecipientCannotEqualSender", { recipient: bob.address });
    await refused(transfer(bob, alice, 0, 0), "TransferAmountMustBePositive");
    await refused(transfer(bob, "SP000000000000000000002Q6VF78", 1, 0), "BadAddressVersionByte");
  });
  it("a fee is a micro-STX a byte at least, and the payer has it and what it sends", async () => {
    const size = (await bytesOf(transfer(bob, alice, 1, 0))).length;
    await refused(transfer(bob, alice, 1, 0, { fee: size - 1 }), "FeeTooLow", { expected: size, actual: size - 1 });
    const hex = (amount) => `0x${amount.toString(16).padStart(32, "0")}`, all = bob.balance;
    await refused(transfer(bob, alice, all, 0), "NotEnoughFunds", { expected: hex(all + BigInt(FEE)), actual: hex(all) });
    await refused(transfer(bob, alice, (1n << 63n) + 7n, 0), "NotEnoughFunds");
    const poor = { address: "ST2F4BK4GZH6YFBNHYDDGN4T1RKBA7DA1BJZPJEJJ", key: `${"7f".repeat(32)}01` };
    await refused(transfer(poor, alice, 1, 0), "NotEnoughFunds");
  });
  it("a contract is published once", async () => {
    await refused(publish(alice, "purse", PURSE, 1), "ContractAlreadyExists", { contract_identifier: purse });
  });
});

describe("nonces", () => {
  const mined = async () => (await node.mine()).body.transactions;
  it("what came out of order is mined in order, and not before the gap is filled", async () => {
    const [one, two, three] = await Promise.all([0, 1, 2].map((nonce) => transfer(bob, alice, 1, nonce)));
    await node.send(three);
    expect(await mined()).toBe(0);
    await node.send(one);
    expect(await node.get(`/extended/v1/address/${bob.address}/nonces`)).toEqual({ last_executed_tx_nonce: null, last_mempool_tx_nonce: 2, possible_next_nonce: 3, detected_missing_nonces: [1], detected_mempool_nonces: [0, 2] });
    expect(await mined()).toBe(1);
    expect((await node.tx(three.txid())).tx_status).toBe("pending");
    await node.send(two);
    expect(await mined()).toBe(2);
    expect(await node.nonce(bob)).toBe(3);
    const heights = await Promise.all([one, two, three].map(async (tx) => (await node.tx(tx.txid())).block_height));
    expect(heights).toEqual([...heights].sort((a, b) => a - b));
  });
  it("a used nonce is bad, and one more than 25 ahead too far", async () => {
    await refused(transfer(bob, alice, 2, 2), "BadNonce", { expected: 3, actual: 2, principal: bob.address, is_origin: true });
    const limit = 3 + Number(MAX_CHAINED);
    await refused(transfer(bob, alice, 1, limit + 1), "TooMuchChaining", { message: "Nonce would exceed chaining limit in mempool", expected: limit, actual: limit + 1, principal: bob.address, is_origin: true });
    expect((await node.send(transfer(bob, alice, 1, limit))).status).toBe(200);
  });
  it("25 in a row are taken and mined together", async () => {
    for (let nonce = 3; nonce < 28; nonce++) expect((await node.send(transfer(bob, alice, 1, nonce))).status).toBe(200);
    expect(await mined()).toBe(26);
    expect(await node.nonce(bob)).toBe(29);
  });
  it("the same nonce with a higher fee replaces, with the same or a lower one it conflicts", async () => {
    const cheap = await transfer(bob, alice, 1, 29), dear = await transfer(bob, carol, 2, 29, { fee: FEE + 1 });
    await node.send(cheap);
    await refused(transfer(bob, carol, 2, 29), "ConflictingNonceInMempool");
    await refused(transfer(bob, carol, 2, 29, { fee: FEE - 1 }), "ConflictingNonceInMempool");
    expect((await node.send(dear)).body).toBe(dear.txid());
    expect(await node.tx(cheap.txid())).toMatchObject({ tx_status: "dropped_replace_by_fee", replaced_by_tx_id: `0x${dear.txid()}` });
    await refused(cheap, "ConflictingNonceInMempool");
    expect(await mined()).toBe(1);
    expect((await node.tx(dear.txid())).tx_status).toBe("success");
    await refused(cheap, "BadNonce");
  });
  it("the same transaction sent again is answered the same, waiting or mined", async () => {
    const tx = await transfer(bob, alice, 1, 30);
    for (let i = 0; i < 2; i++) expect((await node.send(tx)).body).toBe(tx.txid());
    expect(await mined()).toBe(1);
    expect((await node.send(tx)).body).toBe(tx.txid());
    expect(await mined()).toBe(0);
  });
  it("who pays more a byte is mined first", async () => {
    const [low, high] = await Promise.all([transfer(bob, alice, 1, 31), transfer(carol, alice, 1, 0, { fee: FEE * 3 })]);
    await node.send(low);
    await node.send(high);
    await mined();
    expect((await node.tx(high.txid())).block_height).toBeLessThan((await node.tx(low.txid())).block_height);
  });
  it("who cannot pay any more when its turn comes waits until it can", async () => {
    const all = await node.balance(carol), spend = await transfer(carol, alice, all - BigInt(2 * FEE), 1), after = await transfer(carol, alice, 1000, 2, { fee: FEE });
    for (const tx of [spend, after]) expect((await node.send(tx)).status).toBe(200);
    expect(await mined()).toBe(1);
    expect(await node.balance(carol)).toBe(BigInt(FEE));
    expect((await node.tx(after.txid())).tx_status).toBe("pending");
    await node.send(transfer(deployer, carol, 1000, 0));
    expect(await mined()).toBe(2);
    expect((await node.tx(after.txid())).tx_status).toBe("success");
  });
});

describe("fees and failures", () => {
  it("a call that fails costs its fee and its nonce and changes nothing else", async () => {
    const before = await node.balance(bob), found = await node.mined(call(bob, purse, "refuse", [], 32));
    expect(found).toMatchObject({ tx_status: "abort_by_response", tx_result: { repr: "(err u7)" }, events: [] });
    expect(before - (await node.balance(bob))).toBe(BigInt(FEE));
    const crashed = await node.mined(call(bob, purse, "divide", [u(0)], 33));
    expect(crashed).toMatchObject({ tx_status: "abort_by_response", tx_result: { repr: "(err none)" }, vm_error: expect.stringContaining("DivisionByZero") });
    expect(before - (await node.balance(bob))).toBe(2n * BigInt(FEE));
    expect((await node.get(`/v2/data_var/${alice.address}/purse/count`)).data).toBe(`0x01${"0".repeat(32)}`);
  });
  it("a contract that does not parse costs its fee and is not there", async () => {
    const found = await node.mined(publish(bob, "broken", "(define-public (x) (ok (+ u1 true)))", 34));
    expect(found).toMatchObject({ tx_status: "abort_by_response", vm_error: expect.stringContaining("bool") });
    expect((await node.ask(`/v2/contracts/interface/${bob.address}/broken`)).status).toBe(404);
    expect((await node.mined(publish(bob, "broken", "(define-public (x) (ok u1))", 35))).tx_status).toBe("success");
  });
  it("two deployments of one name may wait, and the second ends as a failure", async () => {
    const [one, two] = await Promise.all([36, 37].map((nonce) => publish(bob, "twice", `(define-read-only (x) u${nonce})`, nonce)));
    for (const tx of [one, two]) expect((await node.send(tx)).status).toBe(200);
    await node.mine();
    expect((await node.tx(one.txid())).tx_status).toBe("success");
    expect((await node.tx(two.txid())).tx_status).toBe("abort_by_response");
    expect(await node.nonce(bob)).toBe(38);
  });
  it("an account of two keys out of three sends by two signatures, and not by one", async () => {
    const signers = [bob, carol, deployer].map(({ key }) => key), publicKeys = signers.map((key) => privateKeyToPublic(key));
    const shared = (signerKeys) => makeSTXTokenTransfer({ recipient: alice.address, amount: 5, fee: FEE, nonce: 0, network: "testnet", numSignatures: 2, publicKeys, signerKeys });
    const both = await shared(signers.slice(0, 2)), account = parse(both.serializeBytes()).origin;
    await node.mined(transfer(bob, account, 10_000, 38));
    const alone = await shared(signers.slice(0, 2));
    alone.auth.spendingCondition.fields.splice(1, 1);
    await refused(alone, "SignatureValidation");
    expect(await node.mined(both)).toMatchObject({ tx_status: "success", sender_address: account });
    expect(await node.balance(account)).toBe(10_000n - BigInt(FEE) - 5n);
  });
  it("a sponsor pays for another's call, and its nonce moves too", async () => {
    const transaction = await call(bob, purse, "note", [u(1), Cl.stringAscii("free")], 39, { fee: 0, sponsored: true });
    const sponsored = await sponsorTransaction({ transaction, sponsorPrivateKey: deployer.key, fee: FEE, sponsorNonce: 1, network: "testnet" });
    const [mine, theirs] = [await node.balance(bob), await node.balance(deployer)];
    expect((await broadcastTransaction({ transaction: sponsored, network: "testnet", client: node.client })).txid).toBe(sponsored.txid());
    await node.mine();
    expect(await node.tx(sponsored.txid())).toMatchObject({ tx_status: "success", sponsored: true, sponsor_address: deployer.address });
    expect([mine - (await node.balance(bob)), theirs - (await node.balance(deployer))]).toEqual([0n, BigInt(FEE)]);
    expect([await node.nonce(bob), await node.nonce(deployer)]).toEqual([40, 2]);
    const forged = Uint8Array.from(sponsored.serializeBytes());
    forged[SIGNATURE + 65 + 1 + 20 + 8 + 8 + 1 + 20] ^= 1;
    await refused(forged, "SignatureValidation");
  });
});

describe("the pool", () => {
  it("says when it is full", () => {
    const pool = new Pool();
    for (let nonce = 0; nonce < MAX_WAITING; nonce++) pool.add({ origin: "x", payer: "x", nonce: BigInt(nonce), fee: 1n, size: 1 });
    expect(pool.isFull).toBe(true);
    expect(pool.add({ origin: "x", payer: "x", nonce: 0n, fee: 2n, size: 1 })).toHaveLength(1);
  });
});

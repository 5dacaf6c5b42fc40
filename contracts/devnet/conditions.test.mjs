import { Cl, Pc, PostConditionMode } from "@stacks/transactions";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "./admission.mjs";
import { keeps } from "./postconditions.mjs";
import { FEE, PURSE, alice, bob, call, publish, started, u } from "./testing.mjs";

const purse = `${alice.address}.purse`;
let node, nonce = 0;

beforeAll(async () => {
  node = await started();
  await node.mined(publish(alice, "purse", PURSE, 0));
  await done("keep", [u(1_000)], { postConditionMode: "allow" });
  await done("coins", [u(100)]);
  await done("stamps", [u(1)]);
  await done("stamps", [u(2)]);
});
afterAll(() => node.stop());

const run = (name, args, options = {}) => node.mined(call(bob, purse, name, args, nonce++, { postConditionMode: "deny", ...options }));
const done = async (name, args, options) => expect(await run(name, args, options)).toMatchObject({ tx_status: "success" });
const stopped = async (name, args, options) => expect(await run(name, args, options)).toMatchObject({ tx_status: "abort_by_post_condition", events: [], event_count: 0 });
const to = Cl.principal(alice.address);
const mine = (pc) => ({ postConditions: [pc(Pc.principal(bob.address))] });
const coin = [purse, "coin"];
const stamp = (id) => [purse, "stamp", u(id)];

describe("post-conditions", () => {
  it("in Deny mode stop every movement that none speaks of, of STX, tokens and single assets", async () => {
    await stopped("pay", [u(5), to]);
    await stopped("send-coins", [u(5), to]);
    await stopped("send-stamp", [u(1), to]);
    await stopped("give", [u(5), to], { postConditions: [Pc.origin().willSendLte(100).ustx()] });
  });
  it("in Allow mode stop only what they contradict", async () => {
    const allow = { postConditionMode: "allow" };
    await done("pay", [u(5), to], allow);
    await done("pay", [u(5), to], { ...allow, ...mine((pc) => pc.willSendLte(5).ustx()) });
    await stopped("pay", [u(6), to], { ...allow, ...mine((pc) => pc.willSendLte(5).ustx()) });
    await stopped("note", [u(1), Cl.stringAscii("x")], { ...allow, ...mine((pc) => pc.willSendEq(1).ustx()) });
  });
  it("compare amounts in five ways", async () => {
    const holds = { willSendEq: [5], willSendGt: [4], willSendGte: [4, 5], willSendLt: [6], willSendLte: [5, 6] };
    const fails = { willSendEq: [4, 6], willSendGt: [5, 6], willSendGte: [6], willSendLt: [4, 5], willSendLte: [4] };
    const paid = [2, 3].map((amount) => ({ event: "stx_transfer_event", data: { sender: bob.address, recipient: alice.address, amount: String(amount) } }));
    const kept = async (way, amount) => keeps(parse((await call(bob, purse, "pay", [u(5), to], 0, { postConditionMode: "deny", ...mine((pc) => pc[way](amount).ustx()) })).serializeBytes()).tx, bob.address, paid);
    for (const [way, amounts] of Object.entries(holds)) for (const amount of amounts) expect(await kept(way, amount), `${way} ${amount}`).toBe(true);
    for (const [way, amounts] of Object.entries(fails)) for (const amount of amounts) expect(await kept(way, amount), `${way} ${amount}`).toBe(false);
  });
  it("are about one asset of one principal", async () => {
    await done("send-coins", [u(5), to], mine((pc) => pc.willSendEq(5).ft(...coin)));
    await stopped("send-coins", [u(5), to], mine((pc) => pc.willSendEq(5).ustx()));
    await stopped("send-coins", [u(5), to], mine((pc) => pc.willSendEq(5).ft(purse, "other")));
    await stopped("pay", [u(5), to], { postConditions: [Pc.principal(alice.address).willSendEq(5).ustx()] });
    await done("give", [u(5), to], { postConditions: [Pc.principal(purse).willSendEq(5).ustx()] });
  });
  it("say of a single asset that it leaves, or that it stays", async () => {
    await stopped("send-stamp", [u(1), to], mine((pc) => pc.willSendAsset().nft(...stamp(2))));
    await stopped("send-stamp", [u(1), to], mine((pc) => pc.willNotSendAsset().nft(...stamp(1))));
    await done("send-stamp", [u(1), to], mine((pc) => pc.willSendAsset().nft(...stamp(1))));
    await done("note", [u(1), Cl.stringAscii("x")], mine((pc) => pc.willNotSendAsset().nft(...stamp(2))));
  });
  it("in originator mode leave alone what others move", async () => {
    const originator = { postConditionMode: PostConditionMode.Originator };
    await done("give", [u(5), to], originator);
    await stopped("pay", [u(5), to], originator);
  });
});

describe("a transaction that broke its post-conditions", () => {
  it("cost its fee and its nonce, and nothing of it is left, while all before it is", async () => {
    await done("note", [u(5), Cl.stringAscii("kept")]);
    const before = { bob: await node.balance(bob), alice: await node.balance(alice), purse: await node.balance(purse), height: node.chain.height };
    await stopped("pay", [u(5), to]);
    expect(before.bob - (await node.balance(bob))).toBe(BigInt(FEE));
    expect([await node.balance(alice), await node.balance(purse), await node.nonce(bob)]).toEqual([before.alice, before.purse, nonce]);
    expect(node.chain.height).toBe(before.height + 1);
    const { body } = await node.json(`/v2/map_entry/${alice.address}/purse/notes`, `0x01${"5".padStart(32, "0")}`);
    expect(body.data).toBe("0x0a0d000000046b657074");
    expect(await node.get(`/extended/v1/address/${bob.address}/balances`)).toMatchObject({ fungible_tokens: { [`${purse}::coin`]: { balance: "95" } } });
  });
  it("is stopped again when the journal is read again", async () => {
    const tip = node.chain.tip, all = await node.get("/extended/v1/tx?limit=50");
    await node.again();
    expect(node.chain.tip).toEqual(tip);
    expect(await node.get("/extended/v1/tx?limit=50")).toEqual(all);
  });
});

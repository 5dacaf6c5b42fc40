// The paths of the devnet: a Stacks node's /v2, of Hiro's API what a client counts
// confirmations and follows events by, and /devnet for time. Shapes and words are
// theirs. A route must never leave the chain half changed: each is one call of it.
import { deserializeCV, validateStacksAddress } from "@stacks/transactions";
import { FEE_PER_BYTE, CHAIN_ID, Refused } from "./admission.mjs";
import { blockOf, eventOf, eventsOf, transactionOf } from "./answers.mjs";
import { Broken, hexOf } from "./simulation.mjs";

const MAX_PAGE = 50;
const PAGE = 20;
/** Events beside one transaction: as many as the API gives unasked, and at most. */
const EVENTS = 96;
const MAX_EVENTS = 100;
/** micro-STX of one faucet call, and the fee of its transaction. */
const FAUCET_GIFT = 500_000_000n;
const VERSION = "meterseal-devnet (simnet)";
const PRINCIPAL = /^(S[TN][0-9A-Z]+)(\.[a-zA-Z][a-zA-Z0-9_-]{0,127})?$/;

/** An answer that is not 200. */
export class Answer extends Error {
  constructor(status, body) {
    super(typeof body === "string" ? body : JSON.stringify(body));
    Object.assign(this, { status, body });
  }
}

const missing = (body) => { throw new Answer(404, body); };
const wrong = (body) => { throw new Answer(400, body); };
const amount128 = (amount) => `0x${amount.toString(16).padStart(32, "0")}`;

/** A principal of this network, its checksum right. */
function principal(text) {
  const address = PRINCIPAL.exec(text)?.[1];
  return address && validateStacksAddress(address) ? text : wrong(`Failed to parse principal ${text}`);
}

function json(body) {
  try { return JSON.parse(body.toString("utf8")); } catch { return wrong("Failed to decode: the body is no JSON"); }
}

function clarity(text) {
  try { return deserializeCV(text); } catch { return wrong("Failed to decode: not a Clarity value in hex"); }
}

function page(query, most = MAX_PAGE, usual = PAGE, prefix = "") {
  const number = (what, otherwise) => {
    const name = prefix + what, given = query.get(name) ?? String(otherwise);
    return /^\d{1,9}$/.test(given) ? Number(given) : wrong({ error: `${name} must be a number` });
  };
  return { limit: Math.min(most, number("limit", usual)), offset: number("offset", 0) };
}

const paged = (query, items, most) => {
  const { limit, offset } = page(query, most);
  return { limit, offset, total: items.length, results: items.slice(offset, offset + limit) };
};

/** Bytes of a POST /v2/transactions: as they are, or {"tx": hex}. */
function transactionIn({ type, body }) {
  if (type === "application/octet-stream") return body;
  if (type !== "application/json") return wrong("Failed to decode: expected application/json or application/octet-stream");
  const { tx } = json(body) ?? {};
  const hex = typeof tx === "string" ? tx.replace(/^0x/, "") : "";
  return /^([0-9a-f]{2})+$/i.test(hex) ? Buffer.from(hex, "hex") : wrong("Failed to decode: tx is not hex");
}

const submit = (chain, request) => chain.submit(new Uint8Array(transactionIn(request)), request.now);

function info(chain) {
  const { tip } = chain;
  return {
    peer_version: 4207599116, pox_consensus: tip.burnHash.slice(2, 42), burn_block_height: tip.burnHeight, stable_pox_consensus: tip.burnHash.slice(2, 42),
    stable_burn_block_height: tip.burnHeight, server_version: VERSION, network_id: CHAIN_ID, parent_network_id: 3669344250, stacks_tip_height: tip.height,
    stacks_tip: tip.hash.slice(2), stacks_tip_consensus_hash: tip.burnHash.slice(2, 42), genesis_chainstate_hash: chain.blocks[0].hash.slice(2),
    unanchored_tip: null, unanchored_seq: null, exit_at_block_height: null, is_fully_synced: true, tenure_height: tip.burnHeight,
  };
}

function nonces(chain, who) {
  const next = chain.nonce(who), waiting = chain.pool.noncesOf(who), last = waiting[waiting.length - 1], gaps = [];
  for (let nonce = next; last !== undefined && nonce < last; nonce++) if (!waiting.includes(nonce)) gaps.push(Number(nonce));
  return {
    last_executed_tx_nonce: next > 0n ? Number(next - 1n) : null, last_mempool_tx_nonce: last === undefined ? null : Number(last),
    possible_next_nonce: Number(last === undefined || last < next ? next : last + 1n), detected_missing_nonces: gaps,
    detected_mempool_nonces: waiting.map(Number),
  };
}

function fees(body) {
  const { transaction_payload: payload, estimated_len: length } = json(body) ?? {};
  if (typeof payload !== "string" || !/^(0x)?([0-9a-f]{2})+$/i.test(payload)) wrong("Failed to decode: transaction_payload is not hex");
  // A signed transaction with one key is 180 bytes around its payload, post-conditions apart.
  const bytes = Number.isSafeInteger(length) ? length : payload.length / 2 + 180, least = bytes * Number(FEE_PER_BYTE);
  return {
    estimated_cost: { read_count: 0, read_length: 0, runtime: 0, write_count: 0, write_length: 0 }, estimated_cost_scalar: bytes,
    cost_scalar_change_by_byte: Number(FEE_PER_BYTE), estimations: [1, 2, 4].map((rate) => ({ fee_rate: rate, fee: least * rate })),
  };
}

function callRead(chain, [address, name, fn], body) {
  const id = principal(`${address}.${name}`), { sender, arguments: args } = json(body) ?? {};
  if (!chain.contract(id)) missing("No such contract");
  if (!Array.isArray(args)) wrong("Failed to decode: arguments must be a list");
  const values = args.map(clarity);
  try { return { okay: true, result: hexOf(chain.simulation.read(id, fn, values, principal(sender))) }; } catch (error) {
    if (error instanceof Answer || error instanceof Broken) throw error;
    return { okay: false, cause: String(error?.message ?? error).slice(0, 600) };
  }
}

function contractOf(chain, [address, name]) {
  const id = `${address}.${name}`;
  return chain.contract(id) ? id : missing("No such contract");
}

function mapEntry(chain, [address, name, map], body) {
  const id = contractOf(chain, [address, name]), key = json(body);
  if (!chain.contract(id).maps.some((one) => one.name === map)) missing("Map not found");
  return { data: hexOf(chain.simulation.entry(id, map, clarity(key))) };
}

function dataVariable(chain, [address, name, variable]) {
  const id = contractOf(chain, [address, name]);
  const known = chain.contract(id).variables.some((one) => one.name === variable && one.access === "variable");
  return known ? { data: hexOf(chain.simulation.variable(id, variable)) } : missing("Data var not found");
}

const record = (chain, txid) => chain.transactions.get(txid.replace(/^0x/, "").toLowerCase()) ?? missing({ error: "could not find transaction by ID" });
const blockAt = (chain, which) => (which === "latest" ? chain.tip : chain.block(/^\d{1,9}$/.test(which) ? Number(which) : which)) ?? missing({ error: "cannot find block" });
const newest = (items) => [...items].reverse();
const mined = (chain) => newest(chain.blocks.flatMap((block) => block.txids)).map((txid) => chain.transactions.get(txid));

function balances(chain, who) {
  const held = chain.holdings.of(who), tokens = (single, write) => Object.fromEntries(held.filter(([, one]) => one.single === single).map(([asset, one]) => [asset, write(String(one.amount))]));
  return {
    stx: { balance: String(chain.balance(who)), locked: "0" },
    fungible_tokens: tokens(false, (balance) => ({ balance })), non_fungible_tokens: tokens(true, (count) => ({ count })),
  };
}

function transactionsOf(chain, who) {
  return mined(chain).filter(({ one }) => [one.origin, one.payer, one.deed.to, one.deed.contract].includes(who));
}

/** Let time pass and mine: ?n=blocks, ?burn for Bitcoin's, ?seconds= or ?until= by the clock. */
async function mine(chain, query) {
  const transactions = await chain.mine();
  const number = (name) => (query.has(name) ? (/^\d{1,10}$/.test(query.get(name)) ? Number(query.get(name)) : wrong({ error: `${name} must be a number` })) : undefined);
  const until = number("until") ?? (query.has("seconds") ? chain.simulation.time + number("seconds") : undefined), n = number("n");
  try {
    if (until !== undefined) chain.passUntil(until);
    else if (n !== undefined) chain.pass(n, query.has("burn"));
  } catch (error) {
    if (error instanceof RangeError) wrong({ error: error.message });
    throw error;
  }
  return { transactions, waiting: chain.pool.size, ...place(chain) };
}

const place = (chain) => ({ height: chain.height, burn_height: chain.simulation.burnHeight, time: chain.simulation.time });

/** Every path: method, pattern, and what it does with (chain, parts, request). */
const ROUTES = [
  ["GET", "/v2/info", (chain) => info(chain)],
  ["GET", "/v2/accounts/:who", (chain, [who]) => ({ balance: amount128(chain.balance(principal(who))), locked: amount128(0n), unlock_height: 0, nonce: Number(chain.nonce(who)) })],
  ["POST", "/v2/transactions", (chain, _, request) => submit(chain, request)],
  ["GET", "/v2/fees/transfer", () => Number(FEE_PER_BYTE)],
  ["POST", "/v2/fees/transaction", (_, __, { body }) => fees(body)],
  ["POST", "/v2/contracts/call-read/:address/:name/:fn", (chain, parts, { body }) => callRead(chain, parts, body)],
  ["GET", "/v2/contracts/interface/:address/:name", (chain, parts) => chain.contract(contractOf(chain, parts))],
  ["GET", "/v2/contracts/source/:address/:name", (chain, parts) => ({ source: chain.simulation.source(contractOf(chain, parts)), publish_height: published(chain, parts.join(".")) })],
  ["POST", "/v2/map_entry/:address/:name/:map", (chain, parts, { body }) => mapEntry(chain, parts, body)],
  ["GET", "/v2/data_var/:address/:name/:variable", (chain, parts) => dataVariable(chain, parts)],
  ["GET", "/extended", (chain) => ({ server_version: VERSION, status: "ready", chain_tip: tipOf(chain) })],
  ["GET", "/extended/v1/status", (chain) => ({ server_version: VERSION, status: "ready", chain_tip: tipOf(chain) })],
  ["GET", "/extended/v1/tx", (chain, _, { query }) => pagedTransactions(chain, query, mined(chain))],
  ["GET", "/extended/v1/tx/mempool", (chain, _, { query }) => pagedTransactions(chain, query, newest(chain.pool.all()).map(({ txid }) => chain.transactions.get(txid)))],
  ["GET", "/extended/v1/tx/events", (chain, _, { query }) => {
    const one = record(chain, query.get("tx_id") ?? wrong({ error: "tx_id is missing" })), { limit, offset } = page(query);
    return { limit, offset, events: eventsOf(one, offset, limit) };
  }],
  ["GET", "/extended/v1/tx/:txid", (chain, [txid], { query }) => transactionOf(record(chain, txid), chain, page(query, MAX_EVENTS, EVENTS, "event_"))],
  ["GET", "/extended/v1/tx/:txid/raw", (chain, [txid]) => ({ raw_tx: `0x${Buffer.from(record(chain, txid).one.bytes).toString("hex")}` })],
  ["GET", "/extended/v1/address/:who/nonces", (chain, [who]) => nonces(chain, principal(who))],
  ["GET", "/extended/v1/address/:who/stx", (chain, [who]) => balances(chain, principal(who)).stx],
  ["GET", "/extended/v1/address/:who/balances", (chain, [who]) => balances(chain, principal(who))],
  ["GET", "/extended/v1/address/:who/transactions", (chain, [who], { query }) => pagedTransactions(chain, query, transactionsOf(chain, principal(who)))],
  ["GET", "/extended/v1/contract/:id", (chain, [id]) => chain.contract(principal(id)) ? { contract_id: id, canonical: true, abi: JSON.stringify(chain.contract(id)), source_code: chain.simulation.source(id), block_height: published(chain, id) } : missing({ error: "cannot find contract by ID" })],
  ["GET", "/extended/v1/contract/:id/events", (chain, [id], { query }) => {
    const found = paged(query, newest(chain.told(principal(id))));
    return { ...found, results: found.results.map(([one, index]) => ({ ...eventOf(one, index), block_height: one.block.height })) };
  }],
  ["GET", "/extended/v1/block", (chain, _, { query }) => pagedBlocks(chain, query)],
  ["GET", "/extended/v2/blocks", (chain, _, { query }) => pagedBlocks(chain, query)],
  ["GET", "/extended/v1/block/by_height/:which", (chain, [which]) => blockOf(blockAt(chain, which))],
  ["GET", "/extended/v1/block/:which", (chain, [which]) => blockOf(blockAt(chain, which))],
  ["GET", "/extended/v2/blocks/:which", (chain, [which]) => blockOf(blockAt(chain, which))],
  ["GET", "/extended/v2/blocks/:which/transactions", (chain, [which], { query }) => pagedTransactions(chain, query, blockAt(chain, which).txids.map((txid) => chain.transactions.get(txid)))],
  ["POST", "/extended/v1/faucets/stx", (chain, _, request) => gift(chain, request)],
  ["GET", "/devnet", (chain) => ({ ...place(chain), genesis_time: chain.genesisTime, waiting: chain.pool.size })],
  ["POST", "/devnet/mine", (chain, _, { query }) => mine(chain, query)],
].map(([method, pattern, act]) => [method, new RegExp(`^${pattern.replace(/:\w+/g, "([^/]+)")}/?$`), act]);

const tipOf = ({ tip }) => ({ block_height: tip.height, block_hash: tip.hash, index_block_hash: tip.hash, burn_block_height: tip.burnHeight });

function published(chain, id) {
  for (const { one, block, status } of chain.transactions.values())
    if (status === "success" && one.deed.kind === "deploy" && `${one.origin}.${one.deed.name}` === id) return block.height;
  return 1;
}

function pagedTransactions(chain, query, records) {
  const found = paged(query, records);
  return { ...found, results: found.results.map((one) => transactionOf(one, chain)) };
}

function pagedBlocks(chain, query) {
  const { limit, offset } = page(query), { blocks } = chain, end = Math.max(0, blocks.length - offset);
  return { limit, offset, total: blocks.length, results: newest(blocks.slice(Math.max(0, end - limit), end)).map(blockOf) };
}

async function gift(chain, { query, now, faucet }) {
  const last = chain.pool.noncesOf(faucet.address).at(-1);
  const nonce = last === undefined ? chain.nonce(faucet.address) : last + 1n;
  const sent = await faucet.sign(principal(query.get("address") ?? ""), FAUCET_GIFT, nonce);
  return { success: true, txId: `0x${chain.submit(sent, now)}`, txRaw: Buffer.from(sent).toString("hex") };
}

/** Answer a request: {method, path, query, type, body, now, faucet}. Throws Answer for all but 200. */
export async function answer(chain, request) {
  let known = false;
  for (const [method, pattern, act] of ROUTES) {
    const parts = request.path.match(pattern);
    if (!parts) continue;
    known = true;
    if (method !== request.method) continue;
    try { return await act(chain, parts.slice(1).map(decoded), request); } catch (error) {
      throw error instanceof Refused ? new Answer(400, error.answer) : error;
    }
  }
  throw new Answer(known ? 405 : 404, known ? "Method not allowed" : "Not found");
}

function decoded(part) {
  try { return decodeURIComponent(part); } catch { return wrong("Failed to decode: the path"); }
}

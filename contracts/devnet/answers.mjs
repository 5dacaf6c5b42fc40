// What the devnet answers about transactions, events and blocks, in the shapes of the
// Stacks API (Hiro's stacks-blockchain-api, /extended). It only writes down what the
// chain knows; it must never ask for more than one page.
import { PostConditionMode, cvToString, deserializeCV, wireToPostCondition } from "@stacks/transactions";
import { hexOf } from "./simulation.mjs";

const MODES = { [PostConditionMode.Allow]: "allow", [PostConditionMode.Deny]: "deny", [PostConditionMode.Originator]: "originator" };
const TYPES = { transfer: "token_transfer", call: "contract_call", deploy: "smart_contract" };
const iso = (seconds) => new Date(seconds * 1000).toISOString();
const value = (cv) => ({ hex: hexOf(cv), repr: cvToString(cv) });

/** Shapes of the events the simulator tells, by the name before "_event". */
const ASSETS = { stx: "stx_asset", ft: "fungible_token_asset", nft: "non_fungible_token_asset" };

/** Event `index` of a record. */
export function eventOf(record, index) {
  const { event, data } = record.events[index], [asset, deed] = event.split("_");
  const head = { event_index: index, tx_id: `0x${record.one.txid}` };
  if (event === "print_event")
    return { ...head, event_type: "smart_contract_log", contract_log: { contract_id: data.contract_identifier, topic: data.topic, value: value(data.value) } };
  if (!ASSETS[asset]) return { ...head, event_type: event, data };
  return {
    ...head, event_type: ASSETS[asset],
    asset: {
      asset_event_type: deed, asset_id: data.asset_identifier ?? "", sender: data.sender ?? "", recipient: data.recipient ?? "",
      ...(asset === "nft" ? { value: value(data.value) } : { amount: String(data.amount) }),
    },
  };
}

/** Events of a record from `offset` on. */
export const eventsOf = (record, offset = 0, limit = record.events.length) =>
  record.events.slice(offset, offset + limit).map((_, index) => eventOf(record, offset + index));

function conditionOf(wire) {
  const { address, condition, amount, asset, assetId, type } = wireToPostCondition(wire);
  return { type, principal: address, condition_code: condition, ...(amount !== undefined && { amount: String(amount) }),
    ...(asset && { asset }), ...(assetId && { asset_value: value(assetId) }) };
}

/** The part of a transaction's answer that its kind has. */
function payloadOf(one, contract) {
  const { deed } = one;
  if (deed.kind === "transfer") return { token_transfer: { recipient_address: deed.to, amount: String(deed.amount), memo: `0x${Buffer.from(deed.memo).toString("hex")}` } };
  if (deed.kind === "deploy") return { smart_contract: { contract_id: `${deed.from}.${deed.name}`, clarity_version: deed.version, source_code: deed.code } };
  const args = contract?.functions.find(({ name }) => name === deed.name)?.args ?? [];
  return { contract_call: {
    contract_id: deed.contract, function_name: deed.name,
    function_args: deed.args.map((arg, index) => ({ ...value(arg), name: args[index]?.name ?? "" })),
  } };
}

/** A transaction as /extended/v1/tx answers it, with `limit` of its events from `offset` on. */
export function transactionOf(record, chain, { offset, limit } = {}) {
  const { one, block, costs } = record, { tx } = one;
  const head = {
    tx_id: `0x${one.txid}`, nonce: Number(one.nonce), fee_rate: String(one.fee), sender_address: one.origin,
    sponsored: one.sponsored, ...(one.sponsored && { sponsor_address: one.payer, sponsor_nonce: Number(one.payerNonce) }),
    post_condition_mode: MODES[tx.postConditionMode], post_conditions: tx.postConditions.values.map(conditionOf),
    anchor_mode: "any", tx_status: record.status, receipt_time: record.at, receipt_time_iso: iso(record.at),
    tx_type: TYPES[one.deed.kind], ...payloadOf(one, chain.contract(one.deed.contract)),
  };
  if (!block) return { ...head, ...(record.replacedBy && { replaced_by_tx_id: `0x${record.replacedBy}` }) };
  return {
    ...head, block_hash: block.hash, block_height: block.height, block_time: block.time, block_time_iso: iso(block.time),
    burn_block_height: block.burnHeight, burn_block_time: block.time, burn_block_time_iso: iso(block.time),
    parent_block_hash: block.parent, canonical: true, is_unanchored: false, microblock_canonical: true, tx_index: block.txids.indexOf(one.txid),
    tx_result: { hex: record.result, repr: cvToString(deserializeCV(record.result)) }, event_count: record.events.length, events: eventsOf(record, offset, limit),
    ...(record.error && { vm_error: record.error }),
    ...(costs && {
      execution_cost_runtime: costs.runtime, execution_cost_read_count: costs.readCount, execution_cost_read_length: costs.readLength,
      execution_cost_write_count: costs.writeCount, execution_cost_write_length: costs.writeLength,
    }),
  };
}

/** A block as /extended/v1/block and /extended/v2/blocks answer it, told as both do. */
export const blockOf = (block) => ({
  canonical: true, height: block.height, hash: block.hash, index_block_hash: block.hash, parent_block_hash: block.parent, parent_index_block_hash: block.parent,
  block_time: block.time, block_time_iso: iso(block.time), burn_block_height: block.burnHeight, burn_block_hash: block.burnHash,
  burn_block_time: block.time, burn_block_time_iso: iso(block.time), tenure_height: block.burnHeight,
  tx_count: block.txids.length, txs: block.txids.map((txid) => `0x${txid}`),
});

// Which transactions the devnet's mempool takes: the checks of a Stacks node, in its
// order and with its reasons (stacks-core, MemPoolRejection). This module only judges;
// it must never change the chain or the pool.
import { AuthType, PayloadType, addressFromPublicKeys, addressFromVersionHash, addressHashModeToVersion, addressToString, cvToString, deserializeTransaction, nextVerification, validateContractCall } from "@stacks/transactions";
import { createHash } from "node:crypto";
import { MAX_AMOUNT } from "./simulation.mjs";

export const CHAIN_ID = 0x80000000;
const VERSION = 0x80;
/** Transactions of one account that may wait: what a Stacks node takes. */
export const MAX_CHAINED = 25n;
/** micro-STX a byte, the least a node takes. */
export const FEE_PER_BYTE = 1n;
/** Bytes of a transaction: a contract of the largest kind and some room, as in stacks-core. */
export const MAX_BYTES = 2 * 1024 * 1024;
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;
/** Addresses of the testnet begin so, those of one key and of several. */
const TESTNET = /^S[TN]/;
const DEPLOYS = [PayloadType.SmartContract, PayloadType.VersionedSmartContract];
const DEFAULT_CLARITY = 5;

/** Why a transaction was refused, in the words of a node's answer. */
export class Refused extends Error {
  constructor(reason, data, txid) {
    super(reason);
    Object.assign(this, { reason, data, txid });
  }
  get answer() {
    return { txid: this.txid, error: "transaction rejected", reason: this.reason, ...(this.data && { reason_data: this.data }) };
  }
}

const bad = (message) => { throw new Error(message); };
const message = (error) => ({ message: String(error?.message ?? error) });
const big128 = (amount) => `0x${amount.toString(16).padStart(32, "0")}`;
/** A transaction's name: SHA-512/256 of its bytes, hex. */
export const txidOf = (bytes) => createHash("sha512-256").update(bytes).digest("hex");

/** A transaction with what the chain asks of it: who, whose fee, which nonces, what deed. */
export function parse(bytes) {
  if (bytes.length > MAX_BYTES) throw new Refused("Deserialization", message(`a transaction has at most ${MAX_BYTES} bytes`));
  let tx;
  try {
    tx = deserializeTransaction(bytes);
    if (!Buffer.from(tx.serializeBytes()).equals(Buffer.from(bytes))) bad("bytes are left over after the transaction");
  } catch (error) {
    throw new Refused("Deserialization", message(error), bytes.length ? txidOf(bytes) : undefined);
  }
  const { spendingCondition: from, sponsorSpendingCondition: sponsor, authType } = tx.auth;
  const sponsored = authType === AuthType.Sponsored, pays = sponsored ? sponsor : from;
  const origin = signer(from), payer = signer(pays);
  return {
    tx, bytes, txid: txidOf(bytes), size: bytes.length, origin, payer, sponsored,
    nonce: BigInt(from.nonce), payerNonce: BigInt(pays.nonce), fee: BigInt(pays.fee), deed: deedOf(tx.payload, origin),
  };
}

const signer = (condition) =>
  addressToString(addressFromVersionHash(addressHashModeToVersion(condition.hashMode, "testnet"), condition.signer));

const contractOf = (payload) => `${addressToString(payload.contractAddress)}.${payload.contractName.content}`;

/** What the transaction does to the chain, in the words of simulation.mjs; undefined where no user may do it. */
function deedOf(payload, from) {
  if (payload.payloadType === PayloadType.TokenTransfer)
    return { kind: "transfer", from, to: cvToString(payload.recipient), amount: BigInt(payload.amount), memo: payload.memo.content };
  if (payload.payloadType === PayloadType.ContractCall)
    return { kind: "call", from, contract: contractOf(payload), name: payload.functionName.content, args: payload.functionArgs };
  if (DEPLOYS.includes(payload.payloadType))
    return { kind: "deploy", from, name: payload.contractName.content, code: payload.codeBody.content, version: payload.clarityVersion ?? DEFAULT_CLARITY };
  return undefined;
}

/** What the payer must hold for the transaction to be mined now, in micro-STX. */
export const needs = ({ fee, deed, origin, payer }) => fee + (deed.kind === "transfer" && origin === payer ? deed.amount : 0n);

/**
 * Judge a parsed transaction. `chain` answers balance(principal), nonce(principal),
 * contract(id) and pooled(principal, nonce). Throws Refused.
 */
export function admit(one, chain) {
  const refuse = (reason, data) => { throw new Refused(reason, data, one.txid); };
  if (one.tx.transactionVersion !== VERSION) refuse("BadTransactionVersion");
  kind(one, refuse);
  if (one.tx.chainId !== CHAIN_ID) refuse("SignatureValidation", message(`invalid chain ID ${one.tx.chainId} (expected ${CHAIN_ID})`));
  signatures(one, refuse);
  const least = BigInt(one.size) * FEE_PER_BYTE;
  if (one.fee < least) refuse("FeeTooLow", { expected: Number(least), actual: Number(one.fee) });
  nonces(one, chain, refuse);
  funds(one, chain, refuse);
  payload(one, chain, refuse);
}

function kind({ tx, deed, origin }, refuse) {
  const type = tx.payload.payloadType;
  if (type === PayloadType.TenureChange) refuse("NoTenureChangeViaMempool");
  if (!deed) refuse(type === PayloadType.PoisonMicroblock ? "PoisonMicroblockIsInvalid" : "NoCoinbaseViaMempool");
  if (deed.kind !== "transfer") return;
  if (deed.amount === 0n) refuse("TransferAmountMustBePositive");
  if (deed.to === origin) refuse("TransferRecipientCannotEqualSender", { recipient: deed.to });
  if (tx.postConditions.values.length) refuse("SignatureValidation", message("TokenTransfer transactions do not support post-conditions"));
}

/** The signatures a condition holds: one, or those among its fields. */
const signaturesOf = (condition) => (condition.fields
  ? condition.fields.filter((field) => field.contents.data.length === 130).map((field) => field.contents.data)
  : [condition.signature.data]);

function signatures({ tx }, refuse) {
  const { spendingCondition: from, sponsorSpendingCondition: sponsor } = tx.auth;
  try {
    for (const signature of [from, ...(sponsor ? [sponsor] : [])].flatMap(signaturesOf))
      if (BigInt(`0x${signature.slice(66)}`) > HALF_ORDER) bad("the signature has a high s");
    const signed = tx.verifyOrigin();
    if (sponsor) verifySponsor(sponsor, signed);
  } catch (error) {
    refuse("SignatureValidation", message(error));
  }
}

/** A sponsor signs what the origin's signature left; stacks.js checks origins only. */
function verifySponsor(sponsor, signed) {
  if (sponsor.fields) bad("a sponsor with several keys is not taken here");
  const { pubKey } = nextVerification(signed, AuthType.Sponsored, sponsor.fee, sponsor.nonce, sponsor.keyEncoding, sponsor.signature.data);
  if (addressFromPublicKeys(0, sponsor.hashMode, 1, [pubKey]).hash160 !== sponsor.signer) bad("the sponsor's signature is by another key");
}

function nonces(one, chain, refuse) {
  const asked = [[one.origin, one.nonce, true], ...(one.sponsored ? [[one.payer, one.payerNonce, false]] : [])];
  for (const [principal, actual, isOrigin] of asked) {
    const expected = chain.nonce(principal);
    const data = (limit) => ({ expected: Number(limit), actual: Number(actual), principal, is_origin: isOrigin });
    if (actual < expected) refuse("BadNonce", data(expected));
    if (actual > expected + MAX_CHAINED)
      refuse("TooMuchChaining", { message: "Nonce would exceed chaining limit in mempool", ...data(expected + MAX_CHAINED) });
    const rival = chain.pooled(principal, actual);
    if (rival && rival.fee >= one.fee) refuse("ConflictingNonceInMempool");
  }
}

function funds(one, chain, refuse) {
  const enough = (principal, expected) => {
    const actual = chain.balance(principal);
    if (actual < expected || expected > MAX_AMOUNT) refuse("NotEnoughFunds", { expected: big128(expected), actual: big128(actual) });
  };
  enough(one.payer, needs(one));
  if (one.sponsored && one.deed.kind === "transfer") enough(one.origin, one.deed.amount);
}

function payload({ tx, deed, origin }, chain, refuse) {
  const named = { transfer: deed.to, call: deed.contract }[deed.kind];
  if (named && !TESTNET.test(named)) refuse("BadAddressVersionByte");
  if (deed.kind === "call") call(tx, deed, chain, refuse);
  if (deed.kind === "deploy" && chain.contract(`${origin}.${deed.name}`))
    refuse("ContractAlreadyExists", { contract_identifier: `${origin}.${deed.name}` });
}

function call(tx, { contract, name }, chain, refuse) {
  const found = chain.contract(contract);
  if (!found) refuse("NoSuchContract");
  if (!found.functions.some((one) => one.name === name && one.access === "public")) refuse("NoSuchPublicFunction");
  try { validateContractCall(tx.payload, found); } catch (error) { refuse("BadFunctionArgument", message(error)); }
}

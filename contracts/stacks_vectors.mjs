// Print what stacks.js makes of random addresses, values, messages and transactions, as
// JSON: our Python codec must make the same bytes. Usage: node stacks_vectors.mjs SEED COUNT
// Fields of tuples are lower-case: stacks.js sorts others otherwise than the chain.
import {
  Cl, PostConditionMode, getAddressFromPrivateKey, makeContractCall, makeContractDeploy, makeSTXTokenTransfer,
  privateKeyToPublic, serializeCV, signStructuredData, encodeStructuredDataBytes,
} from "@stacks/transactions";
import { createHash } from "node:crypto";

const [seed = "1", count = "40"] = process.argv.slice(2);
let drawn = 0;
/** 32 bytes that follow from the seed and how often something was drawn. */
const draw = () => createHash("sha256").update(`${seed}:${drawn++}`).digest();
const below = (n) => Number(draw().readBigUInt64BE() % BigInt(n));
const pick = (list) => list[below(list.length)];
const bytes = (n) => Buffer.concat(Array.from({ length: Math.ceil(n / 32) + 1 }, draw)).subarray(0, n);
const big = (bits) => (bits ? BigInt("0x" + bytes(16).toString("hex")) >> BigInt(128 - bits) : 0n);
const name = () => `${pick([..."abcxyz"])}${bytes(below(6)).toString("hex")}${pick(["", "-v1", "-oracle"])}`;
const secret = () => `00${draw().subarray(1).toString("hex")}01`;

const NETWORKS = ["testnet", "mainnet"];
const address = (network = pick(NETWORKS)) => getAddressFromPrivateKey(secret(), network);
const contract = (network) => `${address(network)}.${name()}`;

/** [description, value]: what Python builds, and stacks.js's own value of it. */
function value(depth) {
  const leaves = [
    () => { const n = big(below(129)); return [{ uint: `${n}` }, Cl.uint(n)]; },
    () => { const n = big(below(128)) * pick([1n, -1n]); return [{ int: `${n}` }, Cl.int(n)]; },
    () => { const b = below(2) === 1; return [{ bool: b }, Cl.bool(b)]; },
    () => { const b = bytes(below(70)); return [{ buffer: b.toString("hex") }, Cl.buffer(b)]; },
    () => { const t = bytes(below(20)).toString("base64"); return [{ ascii: t }, Cl.stringAscii(t)]; },
    () => { const t = pick(["kWh ⚡", "", "Zähler", "मीटर", "\u0000"]); return [{ utf8: t }, Cl.stringUtf8(t)]; },
    () => { const p = pick([address, contract])(); return [{ principal: p }, Cl.principal(p)]; },
    () => [{ optional: null }, Cl.none()],
  ];
  const branches = [
    () => { const [d, v] = value(depth - 1); return [{ optional: d }, Cl.some(v)]; },
    () => { const [d, v] = value(depth - 1); return [{ ok: d }, Cl.ok(v)]; },
    () => { const [d, v] = value(depth - 1); return [{ err: d }, Cl.error(v)]; },
    () => { const all = Array.from({ length: below(5) }, () => value(depth - 1)); return [{ list: all.map(([d]) => d) }, Cl.list(all.map(([, v]) => v))]; },
    () => {
      const all = Object.fromEntries(Array.from({ length: below(6) }, () => [name(), value(depth - 1)]));
      const of = (i) => Object.fromEntries(Object.entries(all).map(([key, pair]) => [key, pair[i]]));
      return [{ tuple: of(0) }, Cl.tuple(of(1))];
    },
  ];
  return pick(depth ? [...leaves, ...branches, ...branches] : leaves)();
}

const CODES = { eq: 1, gt: 2, gte: 3, lt: 4, lte: 5, sent: 0x10, "not-sent": 0x11 };
function condition(network) {
  const who = pick(["origin", address(network), contract(network)]);
  const kind = pick(["stx", "ft", "nft"]);
  const asset = `${contract(network)}::${name()}`;
  if (kind === "nft") {
    const [id, assetId] = value(1);
    const how = pick(["sent", "not-sent"]);
    return [{ who, how: CODES[how], asset, id }, { type: "nft-postcondition", address: who, condition: how, asset, assetId }];
  }
  const how = pick(["eq", "gt", "gte", "lt", "lte"]);
  const amount = `${big(below(64))}`;
  const told = { who, how: CODES[how], amount };
  const made = { type: `${kind}-postcondition`, address: who, condition: how, amount };
  return kind === "stx" ? [told, made] : [{ ...told, asset }, { ...made, asset }];
}

async function transaction() {
  const network = pick(NETWORKS);
  const senderKey = secret();
  const common = { network, senderKey, fee: big(below(40)), nonce: big(below(40)) };
  const conditions = Array.from({ length: below(4) }, () => condition(network));
  const mode = pick([PostConditionMode.Allow, PostConditionMode.Deny]);
  const guards = { postConditions: conditions.map(([, made]) => made), postConditionMode: mode };
  const told = { network, key: senderKey.slice(0, 64), fee: `${common.fee}`, nonce: `${common.nonce}` };
  const guarded = { mode, conditions: conditions.map(([d]) => d) };
  const kinds = {
    call: async () => {
      const to = contract(network);
      const [contractAddress, contractName] = to.split(".");
      const functionName = name();
      const args = Array.from({ length: below(5) }, () => value(2));
      const made = await makeContractCall({ ...common, ...guards, contractAddress, contractName, functionName, functionArgs: args.map(([, v]) => v), validateWithAbi: false });
      return [{ contract: to, function: functionName, arguments: args.map(([d]) => d), ...guarded }, made];
    },
    transfer: async () => {
      const recipient = pick([address(network), contract(network)]);
      const amount = big(60);
      const memo = bytes(below(12)).toString("hex");
      return [{ to: recipient, amount: `${amount}`, memo, mode: 2, conditions: [] }, await makeSTXTokenTransfer({ ...common, recipient, amount, memo })];
    },
    deploy: async () => {
      const contractName = name();
      const codeBody = `(define-read-only (hi) (ok u${below(1000)})) ;; ⚡\n`;
      const clarityVersion = pick([1, 2, 3, 4, 5]);
      return [{ deploy: contractName, source: codeBody, version: clarityVersion, ...guarded }, await makeContractDeploy({ ...common, ...guards, contractName, codeBody, clarityVersion })];
    },
  };
  const [payload, made] = await pick(Object.values(kinds))();
  return { ...told, ...payload, raw: made.serialize(), txid: made.txid() };
}

function message() {
  const chain = pick([1, 2147483648]);
  const domain = Cl.tuple({ name: Cl.stringAscii("meterseal"), version: Cl.stringAscii("1.0.0"), "chain-id": Cl.uint(chain) });
  const fields = Object.fromEntries(Array.from({ length: 1 + below(4) }, () => [name(), value(1)]));
  const of = (i) => Object.fromEntries(Object.entries(fields).map(([key, pair]) => [key, pair[i]]));
  const made = Cl.tuple(of(1));
  const key = secret();
  const encoded = encodeStructuredDataBytes({ message: made, domain });
  return {
    chain, message: { tuple: of(0) }, key: key.slice(0, 64),
    digest: createHash("sha256").update(encoded).digest("hex"), signature: signStructuredData({ message: made, domain, privateKey: key }),
  };
}

const times = (make) => Array.from({ length: Number(count) }, make);
const transactions = [];
for (let i = 0; i < Number(count); i++) transactions.push(await transaction());
const found = {
  addresses: times(() => {
    const key = secret();
    return { key: key.slice(0, 64), public: privateKeyToPublic(key), ...Object.fromEntries(NETWORKS.map((net) => [net, getAddressFromPrivateKey(key, net)])) };
  }),
  messages: times(message),
  source: `contracts/stacks_vectors.mjs ${seed} ${count}, by @stacks/transactions 7.6.0`,
  transactions,
  values: times(() => { const [described, made] = value(3); return { value: described, hex: serializeCV(made).replace("0x", "") }; }),
};
process.stdout.write(`${JSON.stringify(found, null, 1)}\n`);

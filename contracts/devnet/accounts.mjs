// Principals of the devnet and their keys, from settings/Devnet.toml.
// The phrases there are published and worth nothing anywhere else: never put another one in.
import { getAddressFromPrivateKey, privateKeyToPublic } from "@stacks/transactions";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const HARDENED = 0x80000000;
/** m/44'/5757'/0'/0/0, the first account of a Stacks wallet (SLIP-44: 5757). */
const PATH = [44 + HARDENED, 5757 + HARDENED, HARDENED, 0, 0];
const SEED_ROUNDS = 2048;

const u32 = (number) => { const out = Buffer.alloc(4); out.writeUInt32BE(number); return out; };
const hmac = (key, ...parts) => parts.reduce((mac, part) => mac.update(part), createHmac("sha512", key)).digest();
/** stacks.js marks a key whose public half is compressed with a last byte of 01. */
const marked = (key) => `${key.toString("hex")}01`;

/** The key behind a phrase: BIP-39's seed, then BIP-32 along PATH. Hex, 32 bytes and 01. */
export function keyOfPhrase(phrase) {
  const seed = pbkdf2Sync(phrase.normalize("NFKD"), "mnemonic", SEED_ROUNDS, 64, "sha512");
  let node = hmac("Bitcoin seed", seed);
  for (const index of PATH) {
    const key = node.subarray(0, 32);
    const data = index >= HARDENED ? Buffer.concat([Buffer.alloc(1), key]) : Buffer.from(privateKeyToPublic(marked(key)), "hex");
    const child = hmac(node.subarray(32), data, u32(index));
    const sum = (BigInt(`0x${child.subarray(0, 32).toString("hex")}`) + BigInt(`0x${key.toString("hex")}`)) % ORDER;
    node = Buffer.concat([Buffer.from(sum.toString(16).padStart(64, "0"), "hex"), child.subarray(32)]);
  }
  return marked(node.subarray(0, 32));
}

/** An account of the devnet that no phrase stands for, such as its faucet. */
export function namedAccount(name, balance) {
  const key = marked(createHash("sha256").update(`meterseal/devnet/${name}`).digest());
  return { name, key, address: getAddressFromPrivateKey(key, "testnet"), balance: BigInt(balance) };
}

/** [{name, key, address, balance}] of the [accounts.*] sections of a Devnet.toml; micro-STX. */
export function accountsOf(toml) {
  const found = [];
  for (const section of toml.split(/^\[/m)) {
    const name = section.match(/^accounts\.([A-Za-z0-9_]+)\]/)?.[1];
    if (!name) continue;
    const phrase = section.match(/^mnemonic = "([a-z ]+)"$/m)?.[1];
    const balance = section.match(/^balance = ([0-9_]+)$/m)?.[1];
    if (!phrase || !balance) throw new Error(`the account ${name} needs a mnemonic and a balance`);
    const key = keyOfPhrase(phrase);
    found.push({ name, key, address: getAddressFromPrivateKey(key, "testnet"), balance: BigInt(balance.replaceAll("_", "")) });
  }
  return found;
}
